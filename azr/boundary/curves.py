"""pass@k for every k at once, with bands, differences between sides, and the place where two curves cross.

All that is said of uncertainty comes from one bootstrap over problems (Efron and Tibshirani 1993, chapter 13): the same
problems are drawn for every side, so that differences are paired, and questions about one thing are drawn together, as
they are not independent. A problem's figures are drawn as they were found, so the spread holds both the choice of
problems and the luck of the samples on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RESAMPLES = 2000
CONFIDENCE = 0.95
EVERY_K = 1024  # up to here each k has its figure, beyond it 64 a doubling
_AT_ONCE = 1 << 23  # numbers of the matrix of weights
_TIE = 1e-9  # differences below are none


@dataclass(frozen=True, slots=True)
class Curve:
    """A figure at each k in `ks`, with the interval at that k. All arrays [K]."""

    ks: Ints
    value: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Resampled:
    """pass@k of one side: over the problems as they are, [K], and over each resample of them, [resamples, K]."""

    ks: Ints
    value: Floats
    means: Floats


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where the side that is ahead at k = 1 is overtaken, and how sure that is.

    `ahead` is 0 where the first of the two is ahead at k = 1, 1 where the second is, None where they never differ. `k`
    is the first at which the other is ahead, None where there is none up to `last`. `low` and `high` bound it; None
    stands for beyond `last`, and low = 1 says that it may be ahead from the start. `share` is the part of the
    resamples in which the other is ahead somewhere up to `last`; `crossings` counts how often the curves change places.
    """

    ahead: int | None
    k: int | None
    low: int | None
    high: int | None
    last: int
    share: float
    crossings: int


def k_grid(ends: Sequence[int]) -> Ints:
    """The k at which curves that end at `ends` are drawn: each up to EVERY_K, then 64 a doubling, and the ends."""
    longest = max(ends)
    dense = np.arange(1, min(longest, EVERY_K) + 1)
    doublings = max(0.0, np.log2(longest / EVERY_K))
    sparse = np.round(EVERY_K * 2.0 ** np.linspace(0, doublings, int(64 * doublings) + 1)).astype(np.int64)
    return np.unique(np.concatenate([dense, sparse[sparse <= longest], np.asarray(ends)]))


def pass_at_ks(n: Ints, right: Ints, ks: Ints) -> Floats:
    """The unbiased pass@k of each problem, shape [problems, K], from its samples `n` and the `right` ones among them.

    1 − C(n−c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374). The quotient is the product over i < k of
    (n−c−i) / (n−i), each factor in [0, 1], so that one running product gives every k. Raises ValueError where a k
    exceeds an n.
    """
    if ks.max() > n.min() or ks.min() < 1 or (right > n).any():
        raise ValueError("pass@k needs 1 <= k <= n and right <= n for every problem")
    left = (n - right).astype(np.float64)
    whole = n.astype(np.float64)
    values = np.empty((len(n), len(ks)))
    failing = np.ones(len(n))  # the chance that none of the first k samples is right
    column = 0
    for k in range(1, int(ks.max()) + 1):
        failing *= np.maximum(left - (k - 1), 0.0) / (whole - (k - 1))
        if k == ks[column]:
            values[:, column] = 1.0 - failing
            column += 1
    return values


def resample(
    sides: Sequence[Floats],
    ks: Sequence[Ints],
    resamples: int = RESAMPLES,
    seed: int = 0,
    subjects: Sequence[str] | None = None,
) -> list[Resampled]:
    """Every side's pass@k [problems, K of the side] over resamples of the problems, the same ones for all sides.

    `subjects` says of each problem what it is about: those of one subject are drawn together, and a resample's mean is
    over the problems in it. Without it each problem is a subject of its own.
    """
    together, sizes = _by_subject(np.concatenate(sides, axis=1), subjects)
    count = len(together)
    generator = np.random.default_rng(seed)
    even = np.full(count, 1.0 / count)
    step = max(1, _AT_ONCE // count)
    parts = []
    for start in range(0, resamples, step):
        drawn = generator.multinomial(count, even, size=min(step, resamples - start)).astype(np.float64)
        parts.append(drawn @ together / (drawn @ sizes)[:, None])
    splits = np.cumsum([side.shape[1] for side in sides])[:-1]
    by_side = np.split(np.concatenate(parts), splits, axis=1)
    return [Resampled(k, side.mean(axis=0), means) for k, side, means in zip(ks, sides, by_side, strict=True)]


def band(side: Resampled) -> Curve:
    """The side's pass@k with its interval at each k."""
    return _curve(side.ks, side.value, side.means)


def difference(first: Resampled, second: Resampled) -> Curve:
    """second − first at each k that both have, with its paired interval."""
    return _curve(*_differences(first, second))


def crossing(first: Resampled, second: Resampled) -> Crossing:
    """Where the two curves change places; its interval counts a resample without a crossing as one beyond the end."""
    ks, value, means = _differences(first, second)
    last = int(ks[-1])
    different = np.flatnonzero(np.abs(value) > _TIE)
    if not len(different):
        return Crossing(None, None, None, None, last, 0.0, 0)
    sign = np.sign(value[different[0]])
    changes = int((np.diff(np.sign(value[different])) != 0).sum())
    places = _first_k(ks, sign * value[None, :] < -_TIE)[0]
    drawn = np.sort(_first_k(ks, sign * means < -_TIE))
    low, high = _order_statistics(drawn)
    return Crossing(
        ahead=1 if sign > 0 else 0,
        k=_within(places),
        low=_within(low),
        high=_within(high),
        last=last,
        share=float(np.isfinite(drawn).mean()),
        crossings=changes,
    )


def interval(values: Floats) -> tuple[float, float]:
    """The percentile interval of resampled figures [resamples]."""
    low, high = np.percentile(values, _percents())
    return float(low), float(high)


def _by_subject(values: Floats, subjects: Sequence[str] | None) -> tuple[Floats, Floats]:
    """The sums of each subject's rows and how many they are, subjects in the order of their first rows."""
    if subjects is None or len(set(subjects)) == len(subjects):
        return values, np.ones(len(values))
    numbers = {name: number for number, name in enumerate(dict.fromkeys(subjects))}
    which = np.array([numbers[name] for name in subjects])
    sizes = np.bincount(which)
    starts = np.cumsum(sizes) - sizes
    return np.add.reduceat(values[np.argsort(which, kind="stable")], starts, axis=0), sizes.astype(np.float64)


def _curve(ks: Ints, value: Floats, means: Floats) -> Curve:
    low, high = np.percentile(means, _percents(), axis=0)
    return Curve(ks, value, low, high)


def _percents() -> tuple[float, float]:
    tail = 50.0 * (1.0 - CONFIDENCE)
    return tail, 100.0 - tail


def _differences(first: Resampled, second: Resampled) -> tuple[Ints, Floats, Floats]:
    count = min(len(first.ks), len(second.ks))
    if not np.array_equal(first.ks[:count], second.ks[:count]):
        raise ValueError("the two sides have figures at different k")
    return (
        first.ks[:count],
        second.value[:count] - first.value[:count],
        second.means[:, :count] - first.means[:, :count],
    )


def _first_k(ks: Ints, holds: NDArray[np.bool_]) -> Floats:
    """The first k of each row at which it holds, infinite where it never does: shape [rows]."""
    return np.where(holds.any(axis=1), ks[holds.argmax(axis=1)], np.inf)


def _order_statistics(ordered: Floats) -> tuple[float, float]:
    """The ends of the percentile interval as values that were drawn: between 900 and never there is nothing."""
    tail = 0.5 * (1.0 - CONFIDENCE)
    cut = int(tail * len(ordered))
    return float(ordered[cut]), float(ordered[len(ordered) - 1 - cut])


def _within(k: float) -> int | None:
    return int(k) if np.isfinite(k) else None
