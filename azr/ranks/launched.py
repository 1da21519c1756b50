"""Whether a launcher started several processes of this command; asked without torch, which takes long to import."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from azr.ranks.group import Ranks


def size() -> int:
    """How many processes there are; 1 where no launcher says more."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def follows() -> bool:
    """Whether this process is another than the first of several."""
    return size() > 1 and int(os.environ["RANK"]) > 0


@contextmanager
def first_rank() -> Iterator["Ranks | None"]:
    """All ranks, whose first this process is, until the block ends; None where it is alone."""
    if size() == 1:
        yield None
        return
    from azr.ranks.group import open_ranks
    from azr.ranks.leading import leading

    with open_ranks() as ranks, leading(ranks):
        yield ranks
