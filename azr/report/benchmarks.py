"""Other benchmarks before and after a run: results of `azr eval`, paired by problem (figure 3 of arXiv 2504.16084).

A person names the results of both ends, or they are found where `azr eval run` leaves them: those of the newest
checkpoint that has some in RUN/eval, those of the untrained model in eval/ beside the run, made in the same way.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from azr.browse.folders import read_config
from azr.errors import UserError
from azr.evaluation.comparison import judged_files, read_judged
from azr.evaluation.samples import by_task
from azr.report.before_after import Problem, Row, row
from azr.training.run import Run
from tasks.triplet import Verdict

Files = Mapping[str, Path]  # of judged samples, by benchmark


def named_benchmarks(before: Sequence[str], after: Sequence[str]) -> tuple[Row, ...]:
    """The benchmarks that results of both ends have; each word is a folder of results, a run with one, or a file.

    Raises UserError where there are none, or a word stands for none.
    """
    old, new = (
        {name: file for word in words for name, file in judged_files(word).items()} for words in (before, after)
    )
    if len(before) == len(after) == 1 and Path(before[0]).is_file() and Path(after[0]).is_file():
        old = dict(zip(new, old.values(), strict=True))  # two files are meant, whatever they are called
    rows = _rows(old, new)
    if not rows:
        raise UserError(f"no problem in common: --before has {', '.join(old)}; --after has {', '.join(new)}")
    return rows


def found_benchmarks(run: Run) -> tuple[Row, ...]:
    """What lies where `azr eval run` leaves it, nothing where an end is missing."""
    steps = sorted(run.folder.glob("eval/step-*"), reverse=True)
    name = str(read_config(run).get("model", {}).get("name", ""))
    untrained = run.folder.parent / "eval" / name.strip("/").replace("/", "--")
    for step in steps:
        ways = sorted(folder for folder in step.iterdir() if folder.is_dir() and any(folder.glob("*.jsonl")))
        pairs = [(untrained / way.name, way) for way in ways if _asked_alike(untrained / way.name, way)]
        if pairs:
            several = len(pairs) > 1
            return tuple(
                found
                for before, after in pairs
                for found in _rows(_results(before), _results(after), f" ({after.name})" if several else "")
            )
    return ()


def _results(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in sorted(folder.glob("*.jsonl"))}


def _asked_alike(before: Path, after: Path) -> bool:
    """Whether both were sampled with the same settings, but for the model and the seed."""
    found = [_settings(folder / "settings.json") for folder in (before, after)]
    return None not in found and found[0] == found[1]


def _settings(file: Path) -> dict[str, Any] | None:
    """What decides how samples are made; None where nothing is there. Raises UserError where it can't be read."""
    if not file.is_file():
        return None
    try:
        settings = dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(f"{file} is damaged ({error}); remove its folder, or name results with --before") from None
    return {name: value for name, value in settings.items() if name not in ("model", "seed")}


def _rows(before: Files, after: Files, way: str = "") -> tuple[Row, ...]:
    """Of the benchmarks of which both ends have some problem; `way`, of asking, goes behind their names."""
    shared = {name + way: _problems(before[name], after[name]) for name in after if name in before}
    return tuple(row(name, problems) for name, problems in shared.items() if problems)


def _problems(before: Path, after: Path) -> list[Problem]:
    old, new = _shares(before), _shares(after)
    return [Problem(task_id, (old[task_id], new[task_id])) for task_id in new if task_id in old]


def _shares(file: Path) -> dict[str, float]:
    groups = by_task(read_judged(file))
    return {task_id: sum(s.verdict is Verdict.RIGHT for s in group) / len(group) for task_id, group in groups.items()}
