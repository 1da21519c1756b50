"""One side of the study: how many samples of each problem there are, how many are right, and where these stand.

A thousand problems of a thousand samples are gigabytes of text, so that only counts are kept, and for each right answer
its place in the file: the few that a person is to read are fetched later (guessing.py).
"""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from azr.boundary.curves import Ints
from azr.boundary.lines import CountLine, SampleLine, parse_line
from azr.errors import UserError
from azr.evaluation.samples import LineProblem
from azr.json_lines import numbered_lines

SHOWN_LINES = 10  # of the lines that can't be used
WAITING = 4096  # samples that are judged together
WAITING_BYTES = 1 << 26

JudgeTexts = Callable[[Sequence[tuple[str, str]]], Sequence[bool]]
"""Says of each (task id, completion) whether it is right."""


@dataclass(slots=True)
class Tally:
    """Of one problem. `places` holds the line and the index in the line of each right answer, one after the other.

    `measured` of the samples say how many tokens they have and by how many nats these surprised.
    """

    n: int = 0
    right: int = 0
    places: "array[int]" = field(default_factory=lambda: array("q"))
    measured: int = 0
    tokens: int = 0
    nats: float = 0.0


@dataclass(frozen=True, slots=True)
class Side:
    """A file of results, counted. Where `exact` is False it only says what is solved, and n and right say no more.

    `bad_lines` is how many lines could not be used, `line_problems` the first of them.
    """

    label: str
    file: Path
    tallies: Mapping[str, Tally]
    exact: bool
    has_texts: bool
    bad_lines: int
    line_problems: tuple[LineProblem, ...]

    def only(self, ids: Collection[str]) -> "Side":
        """The side with these of its problems alone."""
        return replace(self, tallies={task_id: tally for task_id, tally in self.tallies.items() if task_id in ids})

    def counts(self, ids: Sequence[str]) -> tuple[Ints, Ints]:
        """The samples of each of these problems, and the right ones among them, [problems] each."""
        tallies = [self.tallies[task_id] for task_id in ids]
        n = np.array([tally.n for tally in tallies], dtype=np.int64)
        return n, np.array([tally.right for tally in tallies], dtype=np.int64)

    def entropy(self, ids: Sequence[str]) -> float | None:
        """Nats a sampled token over these problems; None where some sample doesn't say what its tokens were.

        It is the mean of -log p over the tokens as they were drawn, p at the temperature of sampling: an unbiased
        estimate of the entropy where top-p cut nothing, and else one that is too low. Then it also depends on the
        engine: transformers' p is the one before the cut, vLLM's (`processed_logprobs`) the one after it, whose -log is
        smaller by that of the mass that was left.
        """
        tallies = [self.tallies[task_id] for task_id in ids]
        if any(tally.measured < tally.n for tally in tallies) or not any(tally.tokens for tally in tallies):
            return None
        return sum(tally.nats for tally in tallies) / sum(tally.tokens for tally in tallies)


def common_problems(sides: Sequence[Side], least: int | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The problems that all sides have (`least` samples of, where given), and the others, in the order of the files.

    Raises UserError where the sides have none in common.
    """
    everything = dict.fromkeys(task_id for side in sides for task_id in side.tallies)
    ids: list[str] = []
    left_out: list[str] = []
    for task_id in everything:
        enough = all(task_id in side.tallies and side.tallies[task_id].n >= max(1, least or 1) for side in sides)
        (ids if enough else left_out).append(task_id)
    if not ids:
        wanted = f" with {least} samples or more on every side" if least else ""
        raise UserError(f"{' and '.join(side.label for side in sides)} have no problem in common{wanted}")
    return tuple(ids), tuple(left_out)


def read_side(
    label: str,
    file: Path,
    judge: JudgeTexts | None = None,
    known_ids: Collection[str] | None = None,
    most: int | None = None,
) -> Side:
    """Counts a file of results in one pass. Verdicts that are given are taken; `judge` gives the others.

    Of a problem with more samples than `most` the first count; lines of counts have no first ones and count whole.
    Raises UserError where the file can't be read, holds nothing of use, or lacks verdicts and there is no `judge`.
    """
    counting = _Counting(file, judge, most)
    bad_lines = 0
    problems: list[LineProblem] = []
    for number, line in numbered_lines(file):
        found = parse_line(line)
        if not isinstance(found, str) and known_ids is not None and found.task_id not in known_ids:
            found = f"unknown task {found.task_id!r}"
        if isinstance(found, str):
            bad_lines += 1
            if len(problems) < SHOWN_LINES:
                problems.append(LineProblem(number, found))
        elif isinstance(found, CountLine):
            counting.add_counts(found)
        else:
            counting.add_samples(number, found)
    counting.judge_waiting()
    if not counting.tallies:
        reason = f"; line {problems[0].line}: {problems[0].reason}" if problems else ""
        raise UserError(f"{file}: there is no line that can be used{reason}")
    return Side(label, file, counting.tallies, counting.exact, counting.has_texts, bad_lines, tuple(problems))


@dataclass(slots=True)
class _Counting:
    """The counts so far, and the samples that wait to be judged."""

    file: Path
    judge: JudgeTexts | None
    most: int | None
    tallies: dict[str, Tally] = field(default_factory=dict)
    exact: bool = True
    has_texts: bool = False
    _taken: Counter[str] = field(default_factory=Counter)
    _waiting: list[tuple[str, str, int, int]] = field(default_factory=list)
    _waiting_bytes: int = 0

    def add_counts(self, line: CountLine) -> None:
        tally = self.tallies.setdefault(line.task_id, Tally())
        tally.n += line.n
        tally.right += line.right
        self.exact = self.exact and line.exact

    def add_samples(self, number: int, line: SampleLine) -> None:
        self.has_texts = True
        for index, right in enumerate(line.rights):
            if self.most is not None and self._taken[line.task_id] >= self.most:
                return
            self._taken[line.task_id] += 1
            if line.spent:
                self._measure(line.task_id, *line.spent)
            if right is None:
                self._wait(line.task_id, line.completions[index], number, index)
            else:
                self._count(line.task_id, right, number, index)

    def judge_waiting(self) -> None:
        if self._waiting and self.judge:
            rights = self.judge([(task_id, text) for task_id, text, _, _ in self._waiting])
            for (task_id, _, number, index), right in zip(self._waiting, rights, strict=True):
                self._count(task_id, right, number, index)
        self._waiting, self._waiting_bytes = [], 0

    def _wait(self, task_id: str, text: str, number: int, index: int) -> None:
        if self.judge is None:
            raise UserError(
                f"{self.file}, line {number}: no verdict. Say with --benchmark NAME which problems these are, and they "
                f"are judged; or judge them once and for all: azr eval score NAME --samples {self.file} --judged OUT"
            )
        self.tallies.setdefault(task_id, Tally())  # now, so that problems stay in the file's order
        self._waiting.append((task_id, text, number, index))
        self._waiting_bytes += len(text)
        if len(self._waiting) >= WAITING or self._waiting_bytes >= WAITING_BYTES:
            self.judge_waiting()

    def _measure(self, task_id: str, tokens: int, nats: float) -> None:
        tally = self.tallies.setdefault(task_id, Tally())
        tally.measured += 1
        tally.tokens += tokens
        tally.nats += nats

    def _count(self, task_id: str, right: bool, number: int, index: int) -> None:
        tally = self.tallies.get(task_id)
        if tally is None:
            tally = self.tallies[task_id] = Tally()
        tally.n += 1
        if right:
            tally.right += 1
            tally.places.extend((number, index))
