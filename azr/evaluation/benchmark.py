"""What a benchmark is: where its problems are, how each is asked, and how an answer is judged.

A benchmark is declared in one small file of azr/evaluation/benchmarks (docs/evaluation.md shows how to add one).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from azr.evaluation.images import ImageFile
from azr.evaluation.judging.check import Check
from tasks.triplet import Prompt

if TYPE_CHECKING:
    from azr.evaluation.data import DataPlaces

Row = Mapping[str, Any]


class Area(StrEnum):
    """Which average of the paper's table 1 a benchmark belongs to."""

    CODE = "code"
    MATH = "math"
    REASONING = "reasoning"  # not in the table: what self-play trains directly


class PromptForm(StrEnum):
    """The two ways of asking: a chat with room to think, or a text that the answer continues."""

    REASONING = "reasoning"
    COMPLETION = "completion"


def text_of(row: Row, field: str) -> str:
    """A field that must be text. Raises KeyError where it is missing, TypeError where it is anything else."""
    if not isinstance(row[field], str):
        raise TypeError(f"{field} is {type(row[field]).__name__} where text was expected")
    return row[field]


def answer_of(row: Row, field: str) -> str:
    """A mathematical answer as text; it may be a number in the row. Raises KeyError and TypeError as `text_of`."""
    value = row[field]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return text_of(row, field)
    return str(int(value)) if isinstance(value, int) or value.is_integer() else repr(value)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: its id in sample files, what the model is asked in each form, and how the answer is judged.

    Ids that differ behind a "#" alone are questions about one thing, which intervals take together. `grade`: how hard
    it is, where that is known. `most_tokens`: a bound on the answer's length in a form, below what is asked for.
    `images` are shown before the question; what has some is asked in the reasoning form alone, as a chat.
    """

    task_id: str
    prompts: Mapping[PromptForm, Prompt]
    check: Check
    grade: int | None = None
    most_tokens: Mapping[PromptForm, int] = field(default_factory=dict)
    images: tuple[ImageFile, ...] = ()


_KIND = re.compile(r"(small-\w+)-[dai](?=-(?:tune|held):)")  # of a pooled problem of azr/evaluation/benchmarks/small.py


def subject_of(task_id: str) -> str:
    """What a problem is a question about: the part of its id that all questions about it share.

    Where small sets are pooled, their questions of all kinds about a program share it: small-own-d-held:7 and
    small-own-a-held:7.
    """
    return _KIND.sub(r"\1", task_id.partition("#")[0], count=1)


@dataclass(frozen=True, slots=True)
class HubSource:
    """A data set on the Hugging Face hub, as `datasets.load_dataset` takes it.

    `files` are read as JSON lines from the data set's repository, for one that has only a loading script.
    """

    path: str
    name: str | None = None
    split: str = "test"
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A published set: a row is a problem.

    `files` are the places, relative to a data folder, where its rows may lie (JSON lines in .jsonl or .jsonl.gz,
    .parquet, or .json); each is a glob pattern and the first that matches wins. `problem` makes a problem from row
    number i. `size` is the number of problems in the full set, against which a cut file shows. `pictured`: each row has
    an image (images.py), which its problem is given.
    """

    name: str
    title: str
    area: Area
    size: int
    files: tuple[str, ...]
    hub: HubSource
    problem: Callable[[int, Row], Problem]
    pictured: bool = False

    @property
    def sources(self) -> "tuple[Benchmark, ...]":
        """The published sets that it is read from."""
        return (self,)


@dataclass(frozen=True, slots=True)
class DrawnBenchmark:
    """Problems that are no published set's rows: they come with azr, or are drawn from `sources` by a rule."""

    name: str
    title: str
    area: Area
    size: int
    sources: tuple[Benchmark, ...]
    draw: "Callable[[DataPlaces], Sequence[Problem]]"


AnyBenchmark = Benchmark | DrawnBenchmark
