"""One run's course: pass@1, pass@n and entropy, checkpoint by checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from azr.boundary.curves import Curve, band, pass_at_ks, resample
from azr.boundary.tally import Side, common_problems
from azr.evaluation.benchmark import subject_of

Interval = tuple[float, float, float]
"""A figure and its 95 % interval: value, low, high."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A checkpoint: pass@1 and pass@n over the problems, and nats a sampled token where the samples say."""

    step: int
    once: Interval
    often: Interval
    entropy: float | None


@dataclass(frozen=True, slots=True)
class Course:
    """The checkpoints in their order. `k` is the n of pass@n: the fewest samples that a problem has of any of them."""

    k: int
    problems: int
    stops: tuple[Stop, ...]


def course_of(sides: Mapping[int, Side], least: int | None = None) -> Course:
    """The course of the sides of these steps, over the problems that all have (`least` samples of, where given).

    One bootstrap draws the same problems for all steps. Raises UserError where no problem is left.
    """
    ordered = [sides[step] for step in sorted(sides)]
    ids, _ = common_problems(ordered, least)
    n, right = zip(*(side.counts(ids) for side in ordered), strict=True)
    k = min([int(counts.min()) for counts in n] + ([least] if least else []))
    ks = np.unique(np.array([1, k], dtype=np.int64))
    passes = [pass_at_ks(counts, rights, ks) for counts, rights in zip(n, right, strict=True)]
    resampled = resample(passes, [ks] * len(passes), subjects=[subject_of(task_id) for task_id in ids])
    bands = [band(side) for side in resampled]
    return Course(
        k,
        len(ids),
        tuple(
            Stop(step, _at(curve, 0), _at(curve, -1), side.entropy(ids))
            for step, curve, side in zip(sorted(sides), bands, ordered, strict=True)
        ),
    )


def series(course: Course) -> Sequence[tuple[str, Sequence[Interval]]]:
    """The lines of shares to draw: pass@1 and, where there are several samples, pass@n; a value a checkpoint."""
    lines = [("pass@1", [stop.once for stop in course.stops])]
    if course.k > 1:
        lines.append((f"pass@{course.k}", [stop.often for stop in course.stops]))
    return lines


def _at(curve: Curve, column: int) -> Interval:
    return float(curve.value[column]), float(curve.low[column]), float(curve.high[column])
