"""DAPO's refilling: problems whose answers all earned the same make room for others.

Yu et al. 2025 (DAPO, arXiv 2503.14476), section 3.2, equation 11: such a problem has nothing to teach an algorithm that
compares within it. The others come from the rest of the set, in an order that is a function of the run's seed and the
step: passes go on as if nothing had been refilled, and a resumed run needs to remember nothing.
"""

import random
from collections.abc import Callable, Sequence

from azr.methods.problems.metrics import Paid


def has_spread(paid: Paid) -> bool:
    """Whether those of the answers that train earned different rewards."""
    return len(set(paid.rewards[: paid.trained])) > 1


def refilled(
    paid: Sequence[Paid], others: Sequence[int], rounds: int, ask: Callable[[int, Sequence[int]], Sequence[Paid]]
) -> list[Paid]:
    """`paid` and what was asked beside it, so that as many as there were have spread, as far as `rounds` allow.

    `ask(turn, problems)` asks the next of `others`, as many as are still missing; turns count from 1.
    """
    every, left = list(paid), list(others)
    for turn in range(1, rounds + 1):
        missing = len(paid) - sum(map(has_spread, every))
        asked, left = left[:missing], left[missing:]
        if not asked:
            break
        every += ask(turn, asked)
    return every


def others(size: int, taken: Sequence[int], stream: random.Random) -> list[int]:
    """The problems of a set of `size` that a step has not taken, in an order of their own."""
    rest = sorted(set(range(size)) - set(taken))
    stream.shuffle(rest)
    return rest
