"""The lines of a results file, one by one: samples with or without verdicts, or counts alone.

{"task_id": "7", "completion": "…", "verdict": "right"}                  a sample; true and false are verdicts too
{"task_id": "7", "completions": ["…", "…"], "verdicts": [true, false]}   several samples of a problem
{"task_id": "7", "n": 1024, "right": 12}                                 counts
{"task_id": "7", "n": 1024, "solved": true}                              solved or not, where no more is known

A sample may say how many `tokens` it has and their surprise in `nats`, as azr's own samples do: that gives an entropy.
azr/json_lines.py reads the file, packed or not; nothing but the line at hand is kept in memory.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from azr.json_lines import read_json
from tasks.triplet import Verdict

_WORDS = {str(verdict): verdict is Verdict.RIGHT for verdict in Verdict}


@dataclass(frozen=True, slots=True)
class SampleLine:
    """Samples of one problem: texts, and whether each is right (None: not judged yet).

    `spent`: a single sample's tokens, and the nats that they surprised by, -log p of each summed; None where unknown.
    """

    task_id: str
    completions: Sequence[str]
    rights: Sequence[bool | None]
    spent: tuple[int, float] | None = None


@dataclass(frozen=True, slots=True)
class CountLine:
    """`right` of `n` samples were right. Where `exact` is False all that is known is whether `right` is 0."""

    task_id: str
    n: int
    right: int
    exact: bool


def parse_line(line: bytes) -> SampleLine | CountLine | str:
    """What a line says, or why it can't be used."""
    record, fault = read_json(line)
    if fault:
        return fault
    if not isinstance(record, dict):
        return "not a JSON object"
    if "task_id" not in record:
        return "no field 'task_id'"
    task_id = str(record["task_id"])
    if "completion" in record:
        return _samples(task_id, [record["completion"]], [record.get("verdict")], _spent(record))
    if "completions" in record:
        completions, verdicts = record["completions"], record.get("verdicts")
        if not isinstance(completions, list):
            return "'completions' is not a list"
        return _samples(task_id, completions, [None] * len(completions) if verdicts is None else verdicts)
    if "right" in record:
        return _counts(task_id, record.get("n"), record["right"])
    if "solved" in record:
        return _solved(task_id, record.get("n", 1), record["solved"])
    return "neither a sample (completion), nor counts (n, right), nor solved"


def _samples(
    task_id: str, completions: list[Any], verdicts: Any, spent: tuple[int, float] | None = None
) -> SampleLine | str:
    if not isinstance(verdicts, list) or len(verdicts) != len(completions):
        return "'verdicts' is not a list with one verdict a completion"
    if not all(isinstance(completion, str) for completion in completions):
        return "the completion is not a string"
    rights: list[bool | None] = []
    for verdict in verdicts:
        if verdict is None or isinstance(verdict, bool):
            rights.append(verdict)
        elif isinstance(verdict, str) and verdict in _WORDS:
            rights.append(_WORDS[verdict])
        else:
            return f"the verdict {json.dumps(verdict)[:40]} is none of {', '.join(_WORDS)}, true, false"
    return SampleLine(task_id, completions, rights, spent)


def _spent(record: dict[str, Any]) -> tuple[int, float] | None:
    tokens, nats = record.get("tokens"), record.get("nats")
    if type(tokens) is int and type(nats) in (int, float) and tokens > 0:
        return tokens, float(nats or 0)
    return None


def _counts(task_id: str, n: Any, right: Any) -> CountLine | str:
    if type(n) is not int or type(right) is not int or not 0 <= right <= n or n < 1:
        return "counts want whole numbers with 0 <= right <= n and n >= 1"
    return CountLine(task_id, n, right, exact=True)


def _solved(task_id: str, n: Any, solved: Any) -> CountLine | str:
    if not isinstance(solved, bool) or type(n) is not int or n < 1:
        return "'solved' wants true or false, and 'n' a whole number from 1"
    return CountLine(task_id, n, int(solved), exact=False)
