"""Perplexity of one side's answers under another: could it have said that? (Yue et al. 2025, figure 6)

The perplexity of an answer y to a prompt x under a model is exp(-1/T Σ log p(y_t | x, y_<t)) over its T tokens, at
temperature 1. Answers of a trained model that its base finds as likely as its own were in the base's reach before.

How they are computed is scoring.py's, which needs the models; what was computed lies beside a side's samples:

    RESULTS/perplexity/BENCHMARK.jsonl    {"task_id": "7", "answer": digest of the text, "tokens": 31, "nats": 18.25}
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from azr.boundary.curves import Floats
from azr.boundary.guessing import digest
from azr.boundary.lines import SampleLine, parse_line
from azr.errors import UserError
from azr.json_lines import numbered_lines, read_json_lines

PERCENTS = (5, 25, 50, 75, 95)
Key = tuple[str, str]
"""Task id, and the digest of an answer's text."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Whose answers, and these: (task id, text)."""

    label: str
    texts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Perplexities:
    """Of the answers `of` somebody `under` a model, ascending. `empty` ones have no token to score."""

    under: str
    of: str
    values: Floats
    empty: int

    def at(self, percent: float) -> float:
        """The value that this share of the answers is below."""
        return float(np.percentile(self.values, percent))


def first_answers(label: str, file: Path, ids: Sequence[str], each: int) -> Answers:
    """The first `each` answers to each of these problems in a file of samples.

    Raises UserError where the file can't be read, or has no text for any of them.
    """
    room = dict.fromkeys(ids, each)
    found = []
    for _, line in numbered_lines(file):
        sample = parse_line(line)
        if isinstance(sample, SampleLine) and room.get(sample.task_id):
            taken = sample.completions[: room[sample.task_id]]
            room[sample.task_id] -= len(taken)
            found += [(sample.task_id, text) for text in taken]
    if not found:
        raise UserError(f"{file} has no answers to score to any of the problems")
    return Answers(label, tuple(found))


def perplexities(under: str, answers: Answers, scored: Mapping[Key, tuple[int, float]]) -> Perplexities:
    """The distribution from what was scored: tokens and nats by problem and text."""
    spent = [scored[task_id, digest(text)] for task_id, text in answers.texts]
    values = sorted(math.exp(nats / tokens) for tokens, nats in spent if tokens)
    if not values:
        raise UserError(f"none of the answers of {answers.label} has a token to score")
    return Perplexities(under, answers.label, np.array(values), sum(not tokens for tokens, _ in spent))


def read_scored(file: Path) -> dict[Key, tuple[int, float]]:
    """What was scored before; a last line that a crash cut short is not among it."""
    if not file.is_file():
        return {}
    return {
        (line.value["task_id"], line.value["answer"]): (line.value["tokens"], line.value["nats"])
        for line in read_json_lines(file)
        if not line.fault
    }
