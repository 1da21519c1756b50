"""Files of samples: JSON lines with a task's id and a completion, and, once judged, the verdict.

{"task_id": "HumanEval/0", "completion": "    return ...", "verdict": "right", "answer": "def ...", "detail": ""}
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from azr.errors import UserError
from azr.evaluation.judging.check import Judgement
from azr.json_lines import json_line, read_json_lines
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
    for line in read_json_lines(path):
        found = line.fault or _read_sample(line.value, known_ids)
        if isinstance(found, Sample):
            samples.append(found)
        else:
            problems.append(LineProblem(line.number, found))
    return SampleFile(tuple(samples), tuple(problems))


def by_task(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """The samples of each task, tasks and samples in the order of the file."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.task_id, []).append(sample)
    return groups


def nothing_usable(file: SampleFile) -> str:
    """What to say of a file that has no sample: a score of it would be 0 for a wrong reason."""
    if not file.problems:
        return "there are no samples in it"
    first = file.problems[0]
    return f"none of its {len(file.problems)} lines can be used; line {first.line}: {first.reason}"


@contextmanager
def written_whole(path: Path) -> Iterator[TextIO]:
    """A file to write that is at `path` only once all of it is written; where that fails, what was there stays.

    Raises UserError where nothing can be written there.
    """
    if path.is_dir():
        raise UserError(f"{path} can't be written: it is a folder")
    partial = path.with_name(path.name + ".partial")
    try:
        file = partial.open("w", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror or error}") from None
    try:
        with file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_judged(file: TextIO, task_id: str, completion: str, judgement: Judgement) -> None:
    """Appends one judged sample and flushes, so that a process that dies next loses nothing."""
    file.write(judged_line(task_id, completion, judgement))
    file.flush()


def judged_line(task_id: str, completion: str, judgement: Judgement, **more: Any) -> str:
    """The line of one judged sample, its end included."""
    record = {
        "task_id": task_id,
        "completion": completion,
        "verdict": judgement.verdict,
        "answer": judgement.answer,
        "detail": judgement.detail,
        **({} if judgement.repeats is None else {"repeats": judgement.repeats}),
        **more,
    }
    return json_line(record)


def _read_sample(record: Any, known_ids: Collection[str] | None) -> Sample | str:
    """The sample that a line's value is, or why it is none."""
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
    is_known = isinstance(verdict, str) and verdict in set(Verdict)
    return Sample(
        task_id,
        completion,
        Verdict(str(verdict)) if is_known else None,
        repeats if isinstance(repeats, bool) else None,
    )
