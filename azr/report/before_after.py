"""A model before and after, on the same problems: means with 95 % intervals, and those of the differences.

Intervals resample problems, the same ones before and after (Efron and Tibshirani 1993, the paired bootstrap). They say
what other problems of the kind could have given, not what another run would.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from azr.evaluation.benchmark import subject_of

RESAMPLES = 2000
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems, and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Change:
    """Before, after, and after − before."""

    before: Estimate
    after: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True)
class Row:
    """What became of some problems: shares of right answers, None where none of their answers is known, and lengths.

    `known` of the `problems` have answers, and `right` is over these. `tokens` is None where lengths were not kept.
    """

    name: str
    problems: int
    known: int
    right: Change | None
    tokens: Change | None


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem that was asked before and after: its share of right answers and their mean length, (before, after)."""

    id: str
    right: tuple[float, float] | None
    tokens: tuple[float, float] | None = None


def row(name: str, problems: Sequence[Problem]) -> Row:
    """The problems together."""
    rights = [(problem.id, problem.right) for problem in problems if problem.right]
    tokens = [(problem.id, problem.tokens) for problem in problems if problem.tokens]
    return Row(name, len(problems), len(rights), _change(rights), _change(tokens))


def _change(pairs: Sequence[tuple[str, tuple[float, float]]]) -> Change | None:
    if not pairs:
        return None
    values = np.array([pair for _, pair in pairs], dtype=np.float64)
    before, after = values.mean(axis=0)
    means = _resampled_means(values, [subject_of(name) for name, _ in pairs])
    return Change(
        _estimate(before, means[:, 0]),
        _estimate(after, means[:, 1]),
        _estimate(after - before, means[:, 1] - means[:, 0]),
    )


def _resampled_means(values: Floats, subjects: Sequence[str]) -> Floats:
    """[RESAMPLES, columns] from [problems, columns]: problems of one subject are drawn together, whole rows at once."""
    _, which = np.unique(np.array(subjects), return_inverse=True)
    sizes = np.bincount(which).astype(np.float64)
    sums = np.stack([np.bincount(which, weights=column) for column in values.T], axis=1)
    times = np.random.default_rng(0).multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=RESAMPLES)
    means: Floats = times @ sums / (times @ sizes)[:, None]
    return means


def _estimate(value: float, means: Floats) -> Estimate:
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(value), float(low), float(high))
