"""Triplets from files: what a buffer can start from, in the shape that the Absolute Zero authors publish theirs.

A line is a JSON object. {"snippet", "input", "output", "imports"} is a deduction and an abduction task, and
{"snippet", "inputs", "outputs", "message", "imports"} an induction task. `imports` are lines to go before the snippet.
A "type" key, as `azr buffer export` writes it, says which of the types a line is meant for. Outputs are computed
anew: what counts is what the program returns here.
"""

import json
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azr.buffer import Origin, TaskBuffer, TaskRow, task_fingerprint
from azr.errors import UserError
from azr.json_lines import read_json_lines
from azr.progress import Advance
from sandbox import Sandbox
from tasks.kinds import KINDS
from tasks.triplet import Proposal, Rejection, TaskType, Triplet

BOTH = (TaskType.DEDUCTION, TaskType.ABDUCTION)


@dataclass(frozen=True, slots=True)
class Seeded:
    """How the lines of the seed files fared: tasks kept, and refusals by reason ("duplicate" among them)."""

    kept: int
    refused: dict[str, int]


def read_seed_files(paths: Iterable[str]) -> list[Proposal]:
    """Every task in the files. Raises UserError that names the file and every broken line."""
    return [proposal for path in paths for proposal in _read_seed_file(Path(path))]


def store_seed_tasks(buffer: TaskBuffer, sandbox: Sandbox, proposals: list[Proposal], advance: Advance) -> Seeded:
    """Validate the tasks and store the good ones, in one transaction. `advance(n)` is called as they are judged."""

    def judge(proposal: Proposal) -> Triplet | Rejection:
        outcome = KINDS[proposal.type].validate(sandbox, proposal)
        advance(1)
        return outcome

    with ThreadPoolExecutor(4) as judges:
        outcomes = list(judges.map(judge, proposals))
    kept = 0
    refused: Counter[str] = Counter()
    with buffer.transaction():
        for outcome in outcomes:
            if isinstance(outcome, Rejection):
                refused[outcome.reason] += 1
            elif buffer.holds(task_fingerprint(outcome)):
                refused["duplicate"] += 1
            else:
                buffer.add_task(TaskRow(0, outcome, Origin.FILE))
                kept += 1
    return Seeded(kept, dict(refused))


def _read_seed_file(path: Path) -> list[Proposal]:
    proposals: list[Proposal] = []
    broken: list[str] = []
    for line in read_json_lines(path):
        try:
            if line.fault:
                raise ValueError(line.fault)
            proposals += _read_record(line.value)
        except (ValueError, KeyError, TypeError) as error:
            broken.append(f"line {line.number} ({_fault(error)})")
    if broken:
        more = f" and {len(broken) - 3} more" if len(broken) > 3 else ""
        raise UserError(f"seeding.files: {path} has broken lines: {', '.join(broken[:3])}{more}")
    return proposals


def _read_record(record: Any) -> list[Proposal]:
    if not isinstance(record, dict):
        raise TypeError("not an object")
    program = "\n".join([*_strings(record.get("imports", [])), _string(record["snippet"])])
    if "inputs" in record:
        inputs = tuple(_strings(record["inputs"]))
        return [Proposal(TaskType.INDUCTION, program, inputs, _string(record.get("message", "")))]
    types = (TaskType(record["type"]),) if "type" in record else BOTH
    return [Proposal(task_type, program, (_string(record["input"]),)) for task_type in types]


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{json.dumps(value)[:20]} is not a string")
    return value


def _strings(values: Any) -> list[str]:
    if not isinstance(values, list):
        raise TypeError("not a list of strings")
    return [_string(value) for value in values]


def _fault(error: Exception) -> str:
    return f"no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
