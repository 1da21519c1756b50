"""The held-out probe: known programs, asked and judged as self-play asks and judges its own tasks.

Nothing of it reaches the buffer or the learner. Output prediction is a deduction task and input prediction an abduction
task (Gu et al. 2024, arXiv 2401.03065), so CRUXEval, whose functions have one input each, is asked in these two ways.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from azr.config.fields import ProbeConfig
from azr.errors import UserError
from azr.evaluation.benchmarks.small import SETS, small_programs
from azr.evaluation.data import data_places
from azr.evaluation.probe_counts import Look
from azr.evaluation.small.known import KnownProgram, Question, half_of, questions
from azr.evaluation.small.own import read_programs
from azr.json_lines import read_json_lines
from azr.progress import Advance
from azr.rollout.asking import Answer, Table, solve
from tasks.triplet import TaskType, Verdict


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and the answers to it."""

    question: Question
    answers: list[Answer]

    @property
    def count(self) -> int:
        """The number of right answers."""
        return sum(answer.verdict is Verdict.RIGHT for answer in self.answers)

    @property
    def right(self) -> float:
        """The share of right answers."""
        return self.count / len(self.answers)


def load_probe(config: ProbeConfig) -> list[Question]:
    """The probe's questions about `config.problems` programs of one half: the same in every run.

    Raises UserError where `config.data` is no set of ours, no readable file and no data set that the hub gives.
    """
    if not config.every:
        return []
    programs = [program for program in _programs(config.data) if half_of(program) is config.half]
    chosen = random.Random(0).sample(programs, min(config.problems, len(programs)))
    asked = [question for kind in config.types for program in chosen for question in questions(program, kind)]
    if not asked:
        raise UserError(f"probe.data={config.data}: nothing there can be asked as {', '.join(config.types)}")
    return asked


def ask_probe(table: Table, probe: Sequence[Question], advance: Advance) -> list[Asked]:
    """Every question with its answers, in the order of the questions."""
    config = table.config.probe
    groups = solve(
        table,
        [question.task for question in probe],
        config.samples,
        ("probe",),
        advance,
        max_tokens=config.max_tokens,
        temperature=0.0 if config.samples == 1 else None,
    )
    return [Asked(question, answers) for question, answers in zip(probe, groups, strict=True)]


def probe_metrics(asked: Sequence[Asked]) -> dict[str, float]:
    """The probe's metrics (azr/evaluation/probe_metrics.py): over all answers, each question counting alike."""
    metrics: dict[str, float] = {}
    for kind in _kinds(asked):
        metrics |= _metrics(kind, [one for one in asked if one.question.task.type is kind])
    return metrics


def look_at(step: int, asked: Sequence[Asked]) -> Look:
    """How many answers to each question are right."""
    right = {
        str(kind): {one.question.id: one.count for one in asked if one.question.task.type is kind}
        for kind in _kinds(asked)
    }
    return Look(step, len(asked[0].answers), right)


def _kinds(asked: Sequence[Asked]) -> list[TaskType]:
    return list(dict.fromkeys(one.question.task.type for one in asked))


def _metrics(kind: TaskType, asked: Sequence[Asked]) -> dict[str, float]:
    samples = len(asked[0].answers)
    metrics = {f"probe/{kind}": fmean(one.right for one in asked)}
    if samples > 1:
        metrics[f"probe/pass@{samples}/{kind}"] = fmean(one.right > 0 for one in asked)
    if kind is not TaskType.INDUCTION:  # an answer that is a program repeats nothing
        metrics[f"probe/copies/{kind}"] = fmean(answer.repeats for one in asked for answer in one.answers)
    for grade in sorted({one.question.grade for one in asked}):
        metrics[f"probe/grade-{grade}/{kind}"] = fmean(one.right for one in asked if one.question.grade == grade)
    return metrics


def _programs(data: str) -> Sequence[KnownProgram]:
    if data in SETS:
        return small_programs(data, data_places((), ()))
    path = Path(data).expanduser()
    if path.is_file():
        return read_programs(_records(data, path))
    if path.suffix or data.count("/") != 1:
        ours = ", ".join(SETS)
        raise UserError(f"probe.data: no file {data}; give a file, a hub id, {ours}, or turn it off (probe.every=0)")
    return read_programs(_from_hub(data))


def _records(data: str, path: Path) -> list[dict[str, str]]:
    records = []
    for line in read_json_lines(path):
        if fault := line.fault or _fault(line.value):
            raise UserError(f"probe.data={data}, line {line.number}: {fault}")
        records.append(line.value)
    return records


def _fault(record: Any) -> str | None:
    """What keeps a record from being a program (read_programs); None where nothing does."""
    if not isinstance(record, dict):
        return "not a JSON object"
    if "inputs" in record:
        given, outputs = _texts(record["inputs"]), _texts(record.get("outputs"))
        if not given or len(given) != len(outputs):
            return "inputs and outputs are not lists of as many texts"
    fields = ("code",) if "inputs" in record else ("code", "input", "output")
    for field in fields:
        if not isinstance(record.get(field), str):
            return f"{field} is no text; wanted are code, input and output, or code, inputs and outputs"
    return None


def _texts(value: Any) -> list[str]:
    return value if isinstance(value, list) and all(isinstance(item, str) for item in value) else []


def _from_hub(data: str) -> list[dict[str, str]]:
    try:
        from datasets import load_dataset
    except ImportError:
        raise UserError(f"probe.data={data} is on the hub: pip install datasets, or probe.data={SETS[0]}") from None
    try:
        records = [dict(row) for row in load_dataset(data, split="test")]
    except Exception as error:  # whatever the network and the hub's client raise
        raise UserError(
            f"probe.data={data} could not be fetched from the hub ({type(error).__name__}); give a file,"
            f" probe.data={SETS[0]}, or probe.every=0"
        ) from None
    if fault := next(filter(None, map(_fault, records)), None):
        raise UserError(f"probe.data={data}: {fault}")
    return records
