"""The bytes between a worker and its zygote. Nothing here is heavy: both sides import it."""

import marshal
import struct
from typing import NamedTuple

FRAME = struct.Struct("!i")  # length of a message, as multiprocess.connection writes it
ORDER = struct.Struct("!IdI")  # serial number, seconds of wall clock and of processor time; the packed job follows
# The order's serial number, whether the clock killed the child, its status as waited for, seconds; its lines follow.
REPORT = struct.Struct("!I?id")
ORDER_PER_SOURCE = 16  # bytes of an order at most for each of source: encoded arguments, and what marshal adds a call
ORDER_EXTRA = 1 << 16  # bytes of an order beyond
BYTES_PER_CHARACTER = 4  # of a value's canonical text, which its encoding takes at most (sandbox/encoding.py)
FUNCTION, RECURSION_LIMIT = "f", 1000  # what is called, and the depth that a program finds in plain CPython
JOB_LINE, TOO_LARGE = "job", "too_large"  # what may stand where a call's status does
LINES_EXTRA = 1 << 16  # bytes of the channel beyond: statuses and errors


class PackedJob(NamedTuple):
    """What a child is told of a job. A call is source text (str), encoded arguments (bytes, as UTF-8), or what the
    program reads as a script (a tuple of one text).

    What a value is compared with is not among it: no child knows what it should have answered.
    """

    program: str
    calls: tuple[str | bytes | tuple[str], ...]
    repeats: int = 1
    reload: bool = True
    function: str = FUNCTION
    recursion_limit: int = RECURSION_LIMIT
    fills: bool = False  # whether a later run finds memory filled in otherwise, so that addresses are seen to differ

    def packed(self) -> bytes:
        """As bytes for the zygote, which runs the same interpreter. Nothing that comes back is read this way."""
        return marshal.dumps(tuple(self))

    @staticmethod
    def unpack(body: bytes) -> tuple[str, tuple[str | bytes | tuple[str], ...], int, bool, str, int, bool]:
        """The fields in their order and no object of ours: what a child makes touches memory that it has to copy."""
        fields: tuple[str, tuple[str | bytes | tuple[str], ...], int, bool, str, int, bool] = marshal.loads(body)
        return fields
