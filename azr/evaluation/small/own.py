"""Small functions of our own, which nothing that a model sees in a run shows: own.jsonl, a program a line.

{"id", "code", "inputs", "outputs", "message"}: five different inputs, of which deduction and abduction ask about the
first; no output is its input. The tests run them all, and compare them with every prompt, example and document.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from azr.evaluation.small.known import KnownProgram

_FILE = Path(__file__).with_name("own.jsonl")


@lru_cache(maxsize=1)
def own_programs() -> tuple[KnownProgram, ...]:
    """All of them, in the order of the file."""
    return tuple(read_programs(json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()))


def read_programs(rows: Iterable[Mapping[str, Any]]) -> list[KnownProgram]:
    """Programs from rows with "code" and either "inputs" and "outputs" or, as CRUXEval has it, "input" and "output".

    "id" and "message" may be left out. Raises KeyError for a row that lacks the others.
    """
    return [
        KnownProgram(
            id=str(row.get("id", number)),
            code=row["code"],
            inputs=tuple(row["inputs"]) if "inputs" in row else (row["input"],),
            outputs=tuple(row["outputs"]) if "outputs" in row else (row["output"],),
            message=row.get("message", ""),
        )
        for number, row in enumerate(rows)
    ]
