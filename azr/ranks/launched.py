"""Whether a launcher started several processes of this command; asked without torch, which takes long to import."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azr.ranks.group import Ranks


def size() -> int:
    """How many processes there are; 1 where no launcher says more."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def follows() -> bool:
    """Whether this process is another than the first of several."""
    return size() > 1 and int(os.environ["RANK"]) > 0


class TerminatedError(KeyboardInterrupt):
    """SIGTERM came: a launcher sends it where another rank has ended, or where it is stopped itself."""


@contextmanager
def first_rank() -> Iterator["Ranks | None"]:
    """All ranks, whose first this process is, until the block ends; None where it is alone.

    SIGTERM ends the block as Ctrl-C does. Raises RankLostError, naming the rank, where that is why it came.
    """
    if size() == 1:
        yield None
        return
    from azr.ranks.group import open_ranks
    from azr.ranks.leading import leading

    with open_ranks() as ranks, _sigterm_raises():
        try:
            with leading(ranks):
                yield ranks
        except TerminatedError:
            ranks.raise_for_lost()
            raise


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    def terminate(number: int, _: FrameType | None) -> None:
        raise TerminatedError

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
