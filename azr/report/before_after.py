"""A model before and after, on the same problems: means with 95 % intervals, and those of the differences.

Intervals resample problems, the same ones before and after (Efron and Tibshirani 1993, the paired bootstrap). They say
what other problems of the kind could have given, not what another run would.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from azr.evaluation.benchmark import subject_of
from azr.evaluation.passk import Floats, bootstrap_interval


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
    before, after = values.T
    subjects = [subject_of(name) for name, _ in pairs]
    return Change(_estimate(before, subjects), _estimate(after, subjects), _estimate(after - before, subjects))


def _estimate(values: Floats, subjects: Sequence[str]) -> Estimate:
    """The mean over problems; of each call with the same subjects the same resamples."""
    return Estimate(float(values.mean()), *bootstrap_interval(values, subjects=subjects))
