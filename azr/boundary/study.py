"""The study: sides counted, problems aligned, and everything that the page and the programs are told."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from azr.boundary.accuracy import Moves, histogram, moves
from azr.boundary.course import Course
from azr.boundary.curves import (
    CONFIDENCE,
    RESAMPLES,
    Crossing,
    Curve,
    Ints,
    Resampled,
    band,
    crossing,
    difference,
    k_grid,
    pass_at_ks,
    resample,
)
from azr.boundary.gap import Gap, sampling_gap
from azr.boundary.guessing import Marks, RareProblem, Reading, rare_problems, reading, without_lucky
from azr.boundary.perplexity import Perplexities
from azr.boundary.solved import Overlap, overlap
from azr.boundary.tally import Side, common_problems
from azr.evaluation.benchmark import subject_of

FEW_PROBLEMS = 20
COVERS = (
    f"{100 * CONFIDENCE:g} % percentile intervals of one bootstrap over the problems ({RESAMPLES:,} resamples, the "
    "same problems drawn for every side, questions about one thing together). They cover what other problems of this "
    "kind, and other samples of the same models on them, could have given. They do not cover another training run, "
    "prompt or temperature, nor wrong verdicts; and a band holds at each k by itself, not for a whole curve at once."
)


@dataclass(frozen=True, slots=True)
class SideFigures:
    """One side over the common problems, [problems] each: samples, right ones, and its curves where these are known.

    `read_curve` counts the answers that were marked as lucky as wrong; `reading` says how far the marking is. `entropy`
    is in nats a sampled token, None where the samples don't say.
    """

    side: Side
    n: Ints
    right: Ints
    curve: Curve | None
    histogram: tuple[int, ...] | None
    reading: Reading | None
    read_curve: Curve | None
    entropy: float | None = None

    @property
    def solved(self) -> int:
        """The problems that the side solves."""
        return int((self.right > 0).sum())


@dataclass(frozen=True, slots=True)
class Contrast:
    """What only counts can tell of two sides: the difference of their curves (second − first), and what follows."""

    difference: Curve
    crossing: Crossing
    moves: Moves
    gap: Gap


@dataclass(frozen=True, slots=True)
class Pair:
    """A side against the first. `contrast` is None where only the solved problems are known."""

    first: str
    second: str
    overlap: Overlap
    contrast: Contrast | None


@dataclass(frozen=True, slots=True)
class Study:
    """All of it. `left_out` are the problems that some side lacks, or has too few samples of (`least` are wanted).

    `course` is one run's, where the study is about its checkpoints; `perplexities` are there where they were asked for.
    """

    ids: tuple[str, ...]
    left_out: tuple[str, ...]
    sides: tuple[SideFigures, ...]
    pairs: tuple[Pair, ...]
    rare_below: float
    rare: tuple[RareProblem, ...]
    marks: Marks
    notes: tuple[str, ...]
    course: Course | None = None
    perplexities: tuple[Perplexities, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether counts are known, not only what is solved."""
        return all(figures.side.exact for figures in self.sides)


def study(sides: Sequence[Side], least: int | None, rare_below: float, marks: Marks) -> Study:
    """Compares every side with the first, over the problems that all have (with `least` samples, where it is given).

    Raises UserError where no problem is left.
    """
    ids, left_out = common_problems(sides, least)
    counts = [side.counts(ids) for side in sides]
    exact = all(side.exact for side in sides)
    rare = rare_problems(sides, ids, rare_below) if exact else []
    resampled: Sequence[Resampled | None] = [None] * len(sides)
    reread: Sequence[Resampled | None] = [None] * len(sides)
    if exact:
        subjects = [subject_of(task_id) for task_id in ids]
        resampled = _resampled(counts, subjects, least)
        if marks and rare:
            rights = [
                without_lucky(ids, right, rare, s.label, marks) for s, (_, right) in zip(sides, counts, strict=True)
            ]
            reread = _resampled([(n, right) for (n, _), right in zip(counts, rights, strict=True)], subjects, least)
    figures = tuple(
        SideFigures(
            side,
            n,
            right,
            curve=band(sampled) if sampled else None,
            histogram=histogram(n, right) if sampled else None,
            reading=reading(rare, side.label, marks) if sampled and side.has_texts else None,
            read_curve=band(again) if again else None,
            entropy=side.entropy(ids) if sampled else None,
        )
        for side, (n, right), sampled, again in zip(sides, counts, resampled, reread, strict=True)
    )
    first = figures[0]
    pairs = tuple(
        Pair(
            first.side.label,
            second.side.label,
            overlap(ids, list(first.right > 0), list(second.right > 0)),
            _contrast(first, second, resampled[0], sampled),
        )
        for second, sampled in zip(figures[1:], resampled[1:], strict=True)
    )
    notes = (*(_size_notes(ids) if exact else ()), *_notes(figures, left_out, least, rare_below, rare, marks))
    return Study(ids, left_out, figures, pairs, rare_below, tuple(rare), marks, notes)


def _resampled(counts: Sequence[tuple[Ints, Ints]], subjects: Sequence[str], least: int | None) -> list[Resampled]:
    ends = [min(int(n.min()), least or int(n.min())) for n, _ in counts]
    grid = k_grid(ends)
    ks = [grid[grid <= end] for end in ends]
    values = [pass_at_ks(n, right, k) for (n, right), k in zip(counts, ks, strict=True)]
    return resample(values, ks, subjects=subjects)


def _contrast(
    first: SideFigures, second: SideFigures, one: Resampled | None, other: Resampled | None
) -> Contrast | None:
    if one is None or other is None:
        return None
    return Contrast(
        difference(one, other),
        crossing(one, other),
        moves((first.n, first.right), (second.n, second.right)),
        sampling_gap(one, other),
    )


def _size_notes(ids: Sequence[str]) -> list[str]:
    """How many things the problems are about, where that is not the number of problems, and whether these are few."""
    subjects = len({subject_of(task_id) for task_id in ids})
    notes = []
    if subjects < len(ids):
        notes.append(
            f"The {len(ids)} problems are questions about {subjects} things (ids that differ behind a # alone, or by "
            "the kind of a small set's question): intervals draw the questions about one thing together."
        )
    if subjects < FEW_PROBLEMS:
        few = f"{subjects} problems" if subjects == len(ids) else f"{subjects} things are asked about"
        notes.append(f"Only {few}: intervals of a bootstrap over so few are too narrow.")
    return notes


def _notes(
    sides: Sequence[SideFigures],
    left_out: Sequence[str],
    least: int | None,
    rare_below: float,
    rare: Sequence[RareProblem],
    marks: Marks,
) -> tuple[str, ...]:
    """What a reader must know before believing a number."""
    notes = []
    if left_out:
        why = f"some side has fewer than {least} samples of them" if least else "some side has no sample of them"
        notes.append(f"{len(left_out)} problems are left out, since {why}.")
    for figures in sides:
        label, n = figures.side.label, figures.n
        if figures.side.bad_lines:
            first = figures.side.line_problems[0]
            notes.append(
                f"{label}: {figures.side.bad_lines} lines could not be used, the first of them line {first.line} "
                f"({first.reason})."
            )
        usual = int(np.median(n))
        if figures.side.exact and n.min() < usual and not least:
            few = int((n < usual).sum())
            notes.append(
                f"{label}: the curve ends at k = {n.min()}, because {few} problems have fewer than {usual} samples; "
                f"--k {usual} leaves these out instead."
            )
    if len({int(n) for figures in sides for n in (figures.n.min(), figures.n.max())}) > 1 and all(
        figures.side.exact for figures in sides
    ):
        notes.append("Problems have different numbers of samples: who has more of them also solves more by chance.")
    if not all(figures.side.exact for figures in sides):
        notes.append("Some side says only which problems it solves, so there are no curves, only the sets.")
    stray = len(marks) - len({(p.task_id, a.digest) for p in rare for a in p.answers} & set(marks))
    if stray:
        notes.append(f"{stray} marks are of answers that are not to be read here (below {100 * rare_below:g} % right).")
    return tuple(notes)
