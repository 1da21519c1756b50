"""Who is still there: every rank says so each second, and looks whether the others do.

A process that ends breaks its connections, and whoever waits for it wakes up; one that hangs, or a machine that is
gone, leaves them open for hours. So each rank counts up a number in the store that the launcher keeps, and when a
rank's number stands still, all others end.
"""

import os
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
        self._store.set(f"azr/place/{rank}", socket.gethostname())
        self._store.set(f"azr/pulse/{rank}", "0")
        for other in self._others:
            self._places[other] = self._store.get(f"azr/place/{other}").decode()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(2 * _STORE_S)

    def leave(self) -> None:
        """Say that this rank ends, to whoever still listens."""
        self._ended.set()
        with suppress(RuntimeError):  # the store may be gone with what kept it
            self._store.set(f"azr/pulse/{self._rank}", _LEFT)

    def lost(self) -> str:
        """The line that names the ranks whose pulse stands still for some seconds; empty where none does."""
        before = self._words()
        time.sleep(3 * BEAT_S)
        after = self._words()
        still = [other for other in self._others if after.get(other) == before.get(other)]
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
            silent = [
                other
                for other, (word, since) in self._seen.items()
                if word != _LEFT and now - since > SILENCE_S and not self._ended.is_set()
            ]
            if silent:
                _end(self._line(silent, f"has not answered for {SILENCE_S:.0f} s"))

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
