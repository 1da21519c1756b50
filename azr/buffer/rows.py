"""The rows that a buffer holds, as the program has them."""

from dataclasses import dataclass
from enum import StrEnum

from tasks.triplet import TaskType, Triplet, Verdict


class Origin(StrEnum):
    """Where a task came from."""

    IDENTITY = "identity"
    FILE = "file"
    SEEDING = "seeding"
    SELF_PLAY = "self-play"
    VARIED = "varied"  # a proposal's program with another input (azr/methods/absolute_zero/variations.py)


class Purpose(StrEnum):
    """Why an answer was sampled."""

    ESTIMATE = "estimate"
    SOLVE = "solve"


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """One text of the proposer's. `rejection` is None where it became a task, `reward` None while seeding."""

    step: int
    type: TaskType
    refs: tuple[int, ...]
    text: str
    tokens: int
    truncated: bool
    rejection: str | None = None
    detail: str | None = None
    reward: float | None = None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One validated triplet. `solve_rate` and `learnability` are None where nobody estimated them."""

    step: int
    triplet: Triplet
    origin: Origin
    proposal_id: int | None = None
    solve_rate: float | None = None
    learnability: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One judged answer."""

    step: int
    task_id: int
    purpose: Purpose
    text: str
    answer: str | None
    verdict: Verdict
    reward: float
    tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """One problem that was given, as it was first asked. `answer` is None where it is not known or kept back."""

    step: int
    method: str
    key: str
    level: str
    question: str
    answer: str | None


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One judged answer to a problem. `cluster` is None where it did not vote, `verdict` where nobody knows."""

    step: int
    problem_id: int
    text: str
    answer: str | None
    verdict: Verdict | None
    cluster: int | None
    label: bool
    trained: bool
    reward: float
    tokens: int
    truncated: bool


@dataclass(frozen=True, slots=True)
class LookRow:
    """What a look at a problem came to: `solved` of its answers are right, and whether their vote is.

    Both are None where the problem's answer is not known, `vote` also where the answers can't vote. `tokens` is the
    mean length of an answer.
    """

    step: int
    method: str
    key: str
    level: str
    answers: int
    solved: int | None
    vote: bool | None
    tokens: float


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A triplet with its id in the buffer."""

    id: int
    triplet: Triplet
