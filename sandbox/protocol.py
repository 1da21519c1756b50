"""The bytes between a worker and its zygote. Nothing here is heavy: both sides import it."""

import marshal
import struct

FRAME = struct.Struct("!i")  # length of a message, as multiprocess.connection writes it
ORDER = struct.Struct("!IdI")  # serial number, seconds of wall clock and of processor time; the packed job follows
# The order's serial number, whether the clock killed the child, its status as waited for, seconds; its lines follow.
REPORT = struct.Struct("!I?id")
MAX_ORDER = 1 << 30  # bytes
LINES_PER_OUTPUT = 4  # bytes of the channel for each of output: UTF-8 and JSON's escapes
LINES_EXTRA = 1 << 16  # bytes of the channel beyond: statuses and errors

PackedJob = tuple[str | None, tuple[str, ...], tuple[str, ...] | None, int]  # program, calls, expected, repeats


def pack_job(program: str | None, calls: tuple[str, ...], expected: tuple[str, ...] | None, repeats: int) -> bytes:
    """A job as bytes for the zygote, which runs the same interpreter. Nothing that comes back is read this way."""
    return marshal.dumps((program, calls, expected, repeats))


def unpack_job(body: bytes) -> PackedJob:
    """The job that `pack_job` was given: strings stay strings, and reading them touches little memory."""
    job: PackedJob = marshal.loads(body)
    return job
