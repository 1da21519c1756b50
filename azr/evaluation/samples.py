"""Files of samples: JSON lines with a task's id and a completion, and, once judged, the verdict.

{"task_id": "HumanEval/0", "completion": "    return ...", "verdict": "right", "answer": "def ...", "detail": ""}
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from azr.errors import UserError
from azr.evaluation.judging.check import Judgement
from tasks.triplet import Verdict


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion for one task, with its verdict where it was judged, and whether it only repeats the question."""

    task_id: str
    completion: str
    verdict: Verdict | None = None
    repeats: bool | None = None


@dataclass(frozen=True, slots=True)
class LineProblem:
    """A line that could not be used: its number from 1, and why."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class SampleFile:
    """What a file holds: the usable samples in order, and what was wrong with the other lines."""

    samples: tuple[Sample, ...]
    problems: tuple[LineProblem, ...]


def read_samples(path: Path, known_ids: Collection[str] | None = None) -> SampleFile:
    """Reads every line; one that is broken, lacks a field or names an unknown task becomes a `LineProblem`.

    Without `known_ids` every task is known.

    Raises UserError where the file can't be read at all.
    """
    samples: list[Sample] = []
    problems: list[LineProblem] = []
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        found = _read_line(line, known_ids)
        if isinstance(found, Sample):
            samples.append(found)
        else:
            problems.append(LineProblem(number, found))
    return SampleFile(tuple(samples), tuple(problems))


def by_task(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The samples of each task, tasks and samples in the order of the file."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.task_id, []).append(sample)
    return groups


def write_judged(file: TextIO, task_id: str, completion: str, judgement: Judgement, **more: Any) -> None:
    """Appends one judged sample and flushes, so that a process that dies next loses nothing."""
    record = {
        "task_id": task_id,
        "completion": completion,
        "verdict": judgement.verdict,
        "answer": judgement.answer,
        "detail": judgement.detail,
        **({} if judgement.repeats is None else {"repeats": judgement.repeats}),
        **more,
    }
    file.write(json.dumps(record, ensure_ascii=False) + "\n")
    file.flush()


def _read_line(line: bytes, known_ids: Collection[str] | None) -> Sample | str:
    """The sample on a line, or why there is none."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    if not isinstance(record, dict):
        return "not a JSON object"
    for field in ("task_id", "completion"):
        if field not in record:
            return f"no field {field!r}"
    task_id, completion = str(record["task_id"]), record["completion"]
    if known_ids is not None and task_id not in known_ids:
        return f"unknown task {task_id!r}"
    if not isinstance(completion, str):
        return "the completion is not a string"
    verdict, repeats = record.get("verdict"), record.get("repeats")
    return Sample(
        task_id,
        completion,
        Verdict(verdict) if verdict in set(Verdict) else None,
        repeats if isinstance(repeats, bool) else None,
    )
