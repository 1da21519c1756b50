"""Two systems on the same problems: the difference, how sure it is, and who alone solves what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from azr.errors import UserError
from azr.evaluation.passk import bootstrap_interval
from azr.evaluation.samples import Sample, by_task, nothing_usable, read_samples
from tasks.triplet import Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """A and B on the problems that both answered. Scores are pass@1 in 0…1; `difference` is B − A.

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

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "benchmark": self.benchmark,
            "n_tasks": self.problems,
            "a": self.a,
            "b": self.b,
            "difference": self.difference,
            "interval": [self.low, self.high],
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "left_out": self.left_out,
        }


def judged_files(name: str, runs: Path = Path("runs")) -> dict[str, Path]:
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


def compare(benchmark: str, a: Sequence[Sample], b: Sequence[Sample]) -> Comparison:
    """Compares judged samples over the tasks that both have. Raises UserError where they share none."""
    shares_a, shares_b = _shares(a), _shares(b)
    both = [task_id for task_id in shares_a if task_id in shares_b]
    if not both:
        raise UserError(f"{benchmark}: the two have no problem in common")
    values_a = np.array([shares_a[task_id] for task_id in both])
    values_b = np.array([shares_b[task_id] for task_id in both])
    low, high = bootstrap_interval(values_b - values_a)
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
    )


def _shares(samples: Sequence[Sample]) -> Mapping[str, float]:
    """The share of right samples of each task."""
    return {
        task_id: sum(sample.verdict is Verdict.RIGHT for sample in group) / len(group)
        for task_id, group in by_task(samples).items()
    }
