"""When two answers are one vote: by value, never by text.

Mathematics by the judge's equality, plain data by the sandbox's, programs by their fingerprint, multiple choice by its
letter. Answers that are tests' business (HumanEval and its like) have no equality that a vote could use.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from azr.evaluation.judging.called_values import InputFor, OutputOf
from azr.evaluation.judging.check import Check, Judgement, Tools
from azr.evaluation.judging.letter_answer import LetterAnswer, letter
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.judging.task_answer import TaskAnswer
from azr.problems.voting import Tally, tally
from sandbox import Arguments, compute_arguments, compute_value, equal, read_arguments, read_value
from sandbox.values import NotDataError
from tasks.program import fingerprint
from tasks.triplet import TaskType


class Ballot(Protocol):
    """How the answers to a problem vote."""

    def vote(self, answer: str) -> str | None:
        """The answer as it votes; None where it says nothing that could be compared."""
        ...

    def same(self, tools: Tools, one: str, other: str) -> bool:
        """Whether two votes are for the same. Thread safe; never raises."""
        ...


class Mathematics:
    """Equal is what the judge of mathematics holds equal, the earlier answer being its reference."""

    def vote(self, answer: str) -> str | None:
        """See Ballot."""
        return answer.strip() or None

    def same(self, tools: Tools, one: str, other: str) -> bool:
        """See Ballot."""
        return tools.grader.equal(one, other)


@dataclass(frozen=True, slots=True)
class PlainData:
    """Equal are equal values. `read` makes a value of a text, or raises NotDataError."""

    read: Callable[[str], Any]

    def vote(self, answer: str) -> str | None:
        """See Ballot."""
        try:
            value = self.read(answer)
        except NotDataError:
            return None
        return value.text if isinstance(value, Arguments) else answer

    def same(self, tools: Tools, one: str, other: str) -> bool:
        """See Ballot."""
        left, right = self.read(one), self.read(other)
        if isinstance(left, Arguments):
            return equal((left.positional, dict(left.keywords)), (right.positional, dict(right.keywords)))
        return equal(left, right)


class Programs:
    """Equal are programs that differ in layout, comments and names of variables alone."""

    def vote(self, answer: str) -> str | None:
        """See Ballot."""
        return fingerprint(answer)

    def same(self, tools: Tools, one: str, other: str) -> bool:
        """See Ballot."""
        return one == other


class Letters:
    """Equal is the same letter of a multiple choice, however it is written."""

    def vote(self, answer: str) -> str | None:
        """See Ballot."""
        return letter(answer)

    def same(self, tools: Tools, one: str, other: str) -> bool:
        """See Ballot."""
        return one == other


_OF_TASKS: dict[TaskType, Ballot] = {
    TaskType.DEDUCTION: PlainData(read_value),
    TaskType.ABDUCTION: PlainData(read_arguments),
    TaskType.INDUCTION: Programs(),
}


def ballot_for(check: Check) -> Ballot | None:
    """How answers that `check` judges vote; None where they can't."""
    match check:
        case MathAnswer():
            return Mathematics()
        case LetterAnswer():
            return Letters()
        case TaskAnswer():
            return _OF_TASKS[check.task.type]
        case OutputOf():
            return PlainData(compute_value)
        case InputFor():
            return PlainData(compute_arguments)
        case _:
            return None


def count(tools: Tools, ballot: Ballot, judgements: Sequence[Judgement]) -> Tally:
    """The vote of judged answers. Thread safe."""
    votes = [None if judgement.answer is None else ballot.vote(judgement.answer) for judgement in judgements]
    return tally(votes, lambda one, other: ballot.same(tools, one, other))
