"""The bytes between a worker and its zygote. Nothing here is heavy: both sides import it."""

import struct

FRAME = struct.Struct("!i")  # length of a message, as multiprocess.connection writes it
ORDER = struct.Struct("!dI")  # seconds of wall clock, seconds of processor time; the job's JSON follows
REPORT = struct.Struct("!cidd")  # how the child ended, with what, wall clock, processor time; the child's lines follow

EXITED, KILLED, TIMED_OUT = b"e", b"k", b"t"
MAX_ORDER = 1 << 30  # bytes
LINES_PER_OUTPUT = 4  # bytes of the channel for each of output: UTF-8 and JSON's escapes
LINES_EXTRA = 1 << 16  # bytes of the channel beyond: statuses and errors
