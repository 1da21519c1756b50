"""A rank that waits for a lost one where no handler of a signal gets a turn: -m tests.azr.ranks.stuck STUCK.

So do ranks that share an engine, within its kernels. Rank STUCK waits; the other is killed, or leaves on Ctrl-C.
"""

import ctypes
import os
import signal
import sys
import time

from azr.ranks.group import open_ranks
from azr.ranks.launched import first_rank, follows


def wait_in_c() -> None:
    """For ever, as a kernel that spins: the interpreter is free, this thread is not."""
    libc, lock = ctypes.CDLL(None), ctypes.create_string_buffer(64)
    while True:
        libc.pthread_mutex_lock(lock)


def main(stuck: str) -> None:
    """One of two ranks."""
    if follows():
        with open_ranks() as ranks:
            signal.signal(signal.SIGINT, lambda *_: None)
            ranks.send("here")
            if stuck == "0":
                os.kill(os.getpid(), signal.SIGKILL)
            wait_in_c()
    with first_rank() as ranks:
        assert ranks
        ranks.receive(1)
        if stuck == "0":
            wait_in_c()
        print("begun", flush=True)
        time.sleep(100)


main(*sys.argv[1:])
