"""Two systems on the same problems: the difference, how sure it is, and who alone solves what."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from azr.errors import UserError
from azr.evaluation.benchmark import subject_of
from azr.evaluation.passk import bootstrap_interval, pass_at_k
from azr.evaluation.samples import Sample, by_task, nothing_usable, read_samples
from azr.training.run import RUNS
from tasks.triplet import Verdict

Shares = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A and B on the problems that both answered. Scores are `measure` in 0…1; `difference` is B − A.

    `low` and `high` bound the difference: a 95 % bootstrap interval that resamples problems, both systems' figures
    together (Efron and Tibshirani 1993). A system solves a problem if any of its samples is right.
    """

    benchmark: str
    problems: int
    a: float
    b: float
    difference: float
    low: float
    high: float
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    left_out: int
    measure: str = "pass@1"

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "benchmark": self.benchmark,
            "measure": self.measure,
            "n_tasks": self.problems,
            "a": self.a,
            "b": self.b,
            "difference": self.difference,
            "interval": [self.low, self.high],
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "left_out": self.left_out,
        }


def judged_files(name: str, runs: Path = RUNS) -> dict[str, Path]:
    """The files of judged samples that `name` stands for, by benchmark: a file, a results folder, or a run's only one.

    Raises UserError where there is none, or several to choose from.
    """
    path = next((p for p in (Path(name), runs / name, runs / "eval" / name) if p.exists()), None)
    if path is None:
        raise UserError(f"{name}: no such file, results folder or run")
    if path.is_file():
        return {path.stem: path}
    folders = sorted({file.parent for file in (*path.glob("*.jsonl"), *path.glob("**/settings.json"))})
    folders = [folder for folder in folders if any(folder.glob("*.jsonl")) and not (folder / "config.yaml").exists()]
    if len(folders) != 1:
        there = ", ".join(str(folder) for folder in folders) or "none"
        raise UserError(f"{name}: name one folder of results (there: {there}); azr eval run makes them")
    return {file.stem: file for file in sorted(folders[0].glob("*.jsonl"))}


def read_judged(path: Path) -> list[Sample]:
    """The samples of a file, all with verdicts. Raises UserError where some have none, or there are none."""
    file = read_samples(path)
    if not file.samples:
        raise UserError(f"{path}: {nothing_usable(file)}")
    if unjudged := sum(sample.verdict is None for sample in file.samples):
        raise UserError(
            f"{path}: {unjudged} samples have no verdict; judge them first with azr eval score NAME --samples {path} "
            "--judged OUT"
        )
    return list(file.samples)


def compare(benchmark: str, a: Sequence[Sample], b: Sequence[Sample], k: int = 1) -> Comparison:
    """Compares pass@k of judged samples over the tasks that both have.

    Raises UserError where they share none, or a task has fewer than k samples.
    """
    return _compare(benchmark, f"pass@{k}", _passes(benchmark, a, k), _passes(benchmark, b, k))


def compare_repeats(benchmark: str, a: Sequence[Sample], b: Sequence[Sample]) -> Comparison | None:
    """Compares the shares of answers that only repeat the question; None where one of the two was not asked that."""
    if any(sample.repeats is None for sample in (*a, *b)):
        return None
    return _compare(benchmark, "repeats", _shares(a, _repeats), _shares(b, _repeats))


def _compare(benchmark: str, measure: str, shares_a: Shares, shares_b: Shares) -> Comparison:
    both = [task_id for task_id in shares_a if task_id in shares_b]
    if not both:
        raise UserError(f"{benchmark}: the two have no problem in common")
    values_a = np.array([shares_a[task_id] for task_id in both])
    values_b = np.array([shares_b[task_id] for task_id in both])
    low, high = bootstrap_interval(values_b - values_a, subjects=list(map(subject_of, both)))
    return Comparison(
        benchmark=benchmark,
        problems=len(both),
        a=float(values_a.mean()),
        b=float(values_b.mean()),
        difference=float((values_b - values_a).mean()),
        low=low,
        high=high,
        only_a=tuple(task_id for task_id in both if shares_a[task_id] and not shares_b[task_id]),
        only_b=tuple(task_id for task_id in both if shares_b[task_id] and not shares_a[task_id]),
        left_out=len(shares_a) + len(shares_b) - 2 * len(both),
        measure=measure,
    )


def _passes(benchmark: str, samples: Sequence[Sample], k: int) -> Shares:
    """pass@k of each task."""
    passes = {}
    for task_id, group in by_task(samples).items():
        if len(group) < k:
            raise UserError(f"{benchmark}: {task_id} has {len(group)} samples, which is too few for --k {k}")
        passes[task_id] = pass_at_k(len(group), sum(map(_right, group)), k)
    return passes


def _shares(samples: Sequence[Sample], holds: Callable[[Sample], bool]) -> Shares:
    """The share of each task's samples of which something holds."""
    return {task_id: sum(map(holds, group)) / len(group) for task_id, group in by_task(samples).items()}


def _right(sample: Sample) -> bool:
    return sample.verdict is Verdict.RIGHT


def _repeats(sample: Sample) -> bool:
    return bool(sample.repeats)
