"""Processes that a launcher starts on this machine, as tests want them."""

import os
import signal
import sys
import time
from contextlib import suppress

import psutil


def launcher(ranks):
    """What goes before `-m MODULE` or `--no-python COMMAND`: nothing but Python for one process."""
    several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    return [sys.executable, *several]


def azr(ranks, *words):
    """A command of azr on so many ranks."""
    several = [*launcher(ranks), "--no-python"] if ranks > 1 else []
    return [*several, sys.executable, "-c", "from azr.cli import main; main()", *map(str, words)]


def wait_for_rank(launched, rank):
    """The process that is this rank of what was launched."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in psutil.Process(launched.pid).children():
            with suppress(psutil.Error):
                if child.environ().get("RANK") == str(rank):
                    return child
        time.sleep(0.1)
    os.kill(launched.pid, signal.SIGKILL)
    raise AssertionError(f"rank {rank} did not start")
