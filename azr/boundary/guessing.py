"""Guessing: right answers to problems that a side hardly ever solves, for a person to read and mark.

A right answer among very many may have been reached by luck. The paper read such answers by hand, for problems of which
fewer than 5 % of the samples were right, and asked whether any of them was reasoned. Here a person does the same on the
page; a mark belongs to a problem and a text, so that equal answers are read once and a reader need not know whose an
answer is. Answers marked as lucky then count as wrong in a second curve.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import numpy as np

from azr.boundary.curves import Ints
from azr.boundary.lines import SampleLine, parse_line
from azr.boundary.tally import Side
from azr.errors import UserError
from azr.json_lines import numbered_lines, read_json_lines

RARE = 0.05  # below this share of right samples a solved problem's answers are read (Yue et al. 2025)
SHOWN_ANSWERS = 2000  # on the page
SHOWN_CHARACTERS = 10_000_000


class Mark(StrEnum):
    """What a reader found."""

    REASONED = "reasoned"
    LUCKY = "lucky"


Marks = Mapping[tuple[str, str], Mark]
"""By task id and digest of the answer."""


@dataclass(frozen=True, slots=True)
class RareAnswer:
    """A right answer, and how often each side that hardly solves the problem gave it.

    `text` is None where the page has no room for it.
    """

    digest: str
    times: Mapping[str, int]
    text: str | None


@dataclass(frozen=True, slots=True)
class RareProblem:
    """A problem that some sides solve in few samples: (samples, right) of these sides, and their right answers."""

    task_id: str
    counts: Mapping[str, tuple[int, int]]
    answers: tuple[RareAnswer, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """How far the reading of one side's rare problems has come. A problem is `reasoned` if any of its answers is.

    `lucky` problems have nothing but lucky answers, `open` ones neither a reasoned answer nor a mark on all of them.
    """

    problems: int
    reasoned: int
    lucky: int
    open: int
    answers: int
    marked_answers: int


def digest(text: str) -> str:
    """An answer's name in the file of marks: the first 16 hexadecimal digits of the SHA-256 of its UTF-8."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_marks(path: Path) -> dict[tuple[str, str], Mark]:
    """Marks from lines {"task_id": ..., "answer": digest, "mark": "reasoned" or "lucky"}; of two for one the later.

    Raises UserError with the line's number where one is not of that shape.
    """
    marks = {}
    for line in read_json_lines(path):
        try:
            if line.fault:
                raise ValueError(line.fault)
            marks[str(line.value["task_id"]), str(line.value["answer"])] = Mark(line.value["mark"])
        except (ValueError, TypeError, KeyError) as error:
            raise UserError(
                f'{path}, line {line.number}: not a mark ({error!r}); a mark is {{"task_id": ..., "answer": ..., '
                '"mark": "reasoned" or "lucky"}'
            ) from error
    return marks


def rare_problems(sides: Sequence[Side], ids: Sequence[str], below: float) -> list[RareProblem]:
    """The problems that a side solves in less than this share of its samples, fewest right answers first.

    Reads these answers back from the sides' files. Texts are kept of the first problems, as many as a page can hold.
    Raises UserError where a file has changed meanwhile.
    """
    rare = {task_id: [side for side in sides if _is_rare(side, task_id, below)] for task_id in ids}
    ordered = [task_id for task_id in ids if rare[task_id]]
    ordered.sort(key=lambda task_id: max(side.tallies[task_id].right for side in rare[task_id]))
    shown = _first_that_fit(ordered, [sum(side.tallies[i].right for side in rare[i]) for i in ordered], SHOWN_ANSWERS)
    times: dict[str, dict[str, dict[str, int]]] = {task_id: {} for task_id in ordered}
    texts: dict[str, dict[str, str]] = {task_id: {} for task_id in ordered}
    for side in sides:
        wanted = [task_id for task_id in ordered if any(side is one for one in rare[task_id])]
        for task_id, text in _right_answers(side, wanted):
            name = digest(text)
            of_answer = times[task_id].setdefault(name, {})
            of_answer[side.label] = of_answer.get(side.label, 0) + 1
            if task_id in shown:
                texts[task_id][name] = text
    lengths = [sum(map(len, texts[task_id].values())) for task_id in ordered]
    shown &= _first_that_fit(ordered, lengths, SHOWN_CHARACTERS)
    return [
        RareProblem(
            task_id,
            {side.label: (side.tallies[task_id].n, side.tallies[task_id].right) for side in rare[task_id]},
            tuple(
                RareAnswer(name, times[task_id][name], texts[task_id][name] if task_id in shown else None)
                for name in sorted(times[task_id])  # an order that tells nothing of whose an answer is
            ),
        )
        for task_id in ordered
    ]


def reading(problems: Sequence[RareProblem], label: str, marks: Marks) -> Reading:
    """What the marks say of one side's rare problems."""
    reasoned = lucky = answers = marked = 0
    own = [problem for problem in problems if label in problem.counts]
    for problem in own:
        found = [marks.get((problem.task_id, a.digest)) for a in problem.answers if label in a.times]
        answers += len(found)
        marked += sum(mark is not None for mark in found)
        reasoned += Mark.REASONED in found
        lucky += all(mark is Mark.LUCKY for mark in found)
    return Reading(len(own), reasoned, lucky, len(own) - reasoned - lucky, answers, marked)


def without_lucky(ids: Sequence[str], right: Ints, problems: Sequence[RareProblem], label: str, marks: Marks) -> Ints:
    """The right answers of each problem in `ids` when those of this side that are marked as lucky count as wrong."""
    lucky = {
        problem.task_id: sum(
            answer.times.get(label, 0)
            for answer in problem.answers
            if marks.get((problem.task_id, answer.digest)) is Mark.LUCKY
        )
        for problem in problems
    }
    return right - np.array([lucky.get(task_id, 0) for task_id in ids], dtype=np.int64)


def _is_rare(side: Side, task_id: str, below: float) -> bool:
    tally = side.tallies[task_id]
    return len(tally.places) > 0 and tally.right < below * tally.n


def _first_that_fit(ids: Sequence[str], sizes: Sequence[int], room: int) -> set[str]:
    """The longest beginning of `ids` whose sizes fit into the room together."""
    ends = np.cumsum(sizes)
    return {task_id for task_id, end in zip(ids, ends, strict=True) if end <= room}


def _right_answers(side: Side, task_ids: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The right answers to these problems, read back from the side's file, with their task ids."""
    wanted: dict[int, list[int]] = {}
    owner: dict[int, str] = {}
    for task_id in task_ids:
        places = side.tallies[task_id].places
        for number, index in zip(places[::2], places[1::2], strict=True):
            wanted.setdefault(number, []).append(index)
            owner[number] = task_id
    last = max(wanted, default=0)
    for number, line in numbered_lines(side.file) if wanted else ():
        if number in wanted:
            found = parse_line(line)
            if not isinstance(found, SampleLine) or found.task_id != owner[number]:
                raise UserError(f"{side.file} was changed while it was read; run the command again")
            for index in wanted[number]:
                yield found.task_id, found.completions[index]
        if number >= last:
            return
