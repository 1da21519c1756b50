"""Who is still there: every rank says so each second, and looks whether the others do.

A process that ends breaks its connections, and whoever waits for it wakes up; one that hangs, or a machine that is
gone, leaves them open for hours. So each rank counts up a number in the store that the launcher keeps, and when a
rank's number stands still, all others end.

Ranks that share an engine wait for each other within its kernels, where no signal's handler gets a turn: a launcher
that stops them would wait for its 30 s, and kill without a word. So a signal makes the pulse less patient.
"""

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from datetime import timedelta
from types import TracebackType

from torch.distributed import TCPStore  # type: ignore[attr-defined]  # public, by an import that mypy can't follow

BEAT_S = 1.0
SILENCE_S = 40.0  # after which a rank counts as gone: the run has to end within a minute
_SIGNALLED_S = 20.0  # the same once a signal has come: a launcher kills 30 s after it
_PARTING_S = 5.0  # within which a rank that was signalled ends after rank 0
_ASLEEP_S = 10.0  # between two beats of its own, after which a rank has missed what others said
_STORE_S = 20.0  # within which the store answers
_LEFT = "left"


class RankLostError(RuntimeError):
    """A rank is gone. The message is one line that names it."""


class Pulse:
    """The pulse of one rank, and an ear for those of the others. Used as a context."""

    def __init__(self, rank: int, size: int) -> None:
        self._rank = rank
        self._others = [other for other in range(size) if other != rank]
        place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        self._store = TCPStore(*place, is_master=False, timeout=timedelta(seconds=_STORE_S))
        self._ended = threading.Event()
        self._seen: dict[int, tuple[str, float]] = {}  # a rank's newest word, and when it changed by this clock
        self._places: dict[int, str] = {}
        self._signalled = False
        self._wakened, self._waker = socket.socketpair()
        self._store.set(f"azr/place/{rank}", socket.gethostname())
        self._store.set(f"azr/pulse/{rank}", "0")
        for other in self._others:
            self._places[other] = self._store.get(f"azr/place/{other}").decode()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> "Pulse":
        for end in (self._wakened, self._waker):
            end.setblocking(False)
        with suppress(ValueError):  # only the main thread may
            signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(2 * _STORE_S)
        with suppress(ValueError):
            signal.set_wakeup_fd(-1)
        if not self._thread.is_alive():  # it reads from one of them
            self._wakened.close()
            self._waker.close()

    def leave(self) -> None:
        """Say that this rank ends, to whoever still listens."""
        self._ended.set()
        with suppress(RuntimeError):  # the store may be gone with what kept it
            self._store.set(f"azr/pulse/{self._rank}", _LEFT)

    def lost(self, *, killed: bool = False) -> str:
        """The line that names the ranks whose pulse stands still for some seconds; empty where none does.

        `killed`: not those that said that they end.
        """
        before = self._words()
        time.sleep(3 * BEAT_S)
        after = self._words()
        still = [other for other in self._others if after.get(other) == before.get(other)]
        if killed:
            still = [other for other in still if after.get(other) != _LEFT]
        return self._line(still, "has ended") if still else ""

    def _beat(self) -> None:
        count, now = 0, time.monotonic()
        while not self._ended.wait(BEAT_S):
            count += 1
            try:
                self._store.set(f"azr/pulse/{self._rank}", str(count))
                words = self._words()
            except RuntimeError:  # the store went with the launcher, or with the rank that kept it
                if not self._ended.is_set():
                    _end(f"rank {self._rank}: the launcher's store does not answer, so the run ends here")
                return
            now, before = time.monotonic(), now
            if now - before > _ASLEEP_S:  # this process was stopped, or the machine slept: nobody could be heard
                self._seen = {}
            for other, word in words.items():
                if self._seen.get(other, ("", 0.0))[0] != word:
                    self._seen[other] = (word, now)
            self._end_for(now)

    def _end_for(self, now: float) -> None:
        """End this process where another is silent for too long, or where rank 0 ended after a signal."""
        with suppress(BlockingIOError):
            self._signalled |= bool(self._wakened.recv(64))
        patience = _SIGNALLED_S if self._signalled else SILENCE_S
        word, since = self._seen.get(0, ("", now))
        parted = self._signalled and word == _LEFT and now - since > _PARTING_S
        silent = [other for other, (word, since) in self._seen.items() if word != _LEFT and now - since > patience]
        if self._ended.is_set():
            return
        if silent:
            _end(self._line(silent, f"has not answered for {patience:.0f} s"))
        if parted:
            _end(self._line([0], "has ended"))

    def _words(self) -> dict[int, str]:
        return {other: self._store.get(f"azr/pulse/{other}").decode() for other in self._others}

    def _line(self, ranks: list[int], what: str) -> str:
        named = ", ".join(f"rank {rank} on {self._places[rank]}" for rank in ranks)
        return (
            f"{named} {what}: so all ranks end; the same command goes on from what is saved (azr train with RUN and"
            " --resume)"
        )


def _end(line: str) -> None:
    """End this process though its main thread waits in a system call."""
    print(f"azr: {line}", file=sys.stderr, flush=True)
    os._exit(1)
