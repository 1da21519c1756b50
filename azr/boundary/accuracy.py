"""How a problem's share of right answers moves between sides (the paper's histogram of accuracy)."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from azr.boundary.curves import Ints

BINS = ("none", *(f"to {ten} %" for ten in range(10, 100, 10)), "to <100 %", "all")
CELLS = 20  # a side of the square of moves: 5 % each


@dataclass(frozen=True, slots=True)
class Moves:
    """How many problems have a larger, an equal or a smaller share of right answers with the second side.

    `cells` counts problems by both shares, rounded to the nearest 1/CELLS: (first, second, problems). Only what is 0 or
    1 stands there: shares between that would be rounded to an end stand half a cell before it.
    """

    up: int
    same: int
    down: int
    cells: tuple[tuple[float, float, int], ...]


def histogram(n: Ints, right: Ints) -> tuple[int, ...]:
    """How many problems have which share of right samples, one number for each of BINS.

    None right, above 0 up to 10 %, above 10 up to 20 % … above 90 and below 100 %, all right. Counted in whole numbers,
    so that 3 of 10 lies where 30 % does.
    """
    bins = -(-10 * right // n)  # rounded up: 0 only where none is right
    bins[right == n] = len(BINS) - 1
    return tuple(int(count) for count in np.bincount(bins, minlength=len(BINS)))


def moves(first: tuple[Ints, Ints], second: tuple[Ints, Ints]) -> Moves:
    """Compares two sides' (n, right), each [problems]."""
    (n1, right1), (n2, right2) = first, second
    lead = right2 * n1 - right1 * n2
    pairs = Counter(zip(_cells(n1, right1), _cells(n2, right2), strict=True))
    cells = tuple((a, b, count) for (a, b), count in sorted(pairs.items()))
    return Moves(int((lead > 0).sum()), int((lead == 0).sum()), int((lead < 0).sum()), cells)


def _cells(n: Ints, right: Ints) -> list[float]:
    rounded = (2 * CELLS * right + n) // (2 * n)
    between = np.clip(rounded, 0.5, CELLS - 0.5)
    cells = np.where(right == 0, 0, np.where(right == n, CELLS, between)) / CELLS
    return [float(cell) for cell in cells]
