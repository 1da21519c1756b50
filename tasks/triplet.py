"""The vocabulary of the domain: what a task is, who works on it, and what can become of it.

A task is a triplet (program, input, output); hiding one part gives a task type (Zhao et al. 2025, section 3.2).
"""

from dataclasses import dataclass
from enum import StrEnum


class TaskType(StrEnum):
    """Which part of the triplet the solver is asked for."""

    DEDUCTION = "deduction"  # given program and input, find the output
    ABDUCTION = "abduction"  # given program and output, find an input
    INDUCTION = "induction"  # given input/output pairs and a message, write the program


class Role(StrEnum):
    """The two roles that one policy plays."""

    PROPOSE = "propose"
    SOLVE = "solve"


@dataclass(frozen=True, slots=True)
class Triplet:
    """A validated task.

    `inputs[i]` is an argument list as source text, so that the call is `f(<inputs[i]>)`; `outputs[i]` is the repr of
    what the program returned for it. Deduction and abduction have exactly one pair, induction has several: the first
    half is shown to the solver, the rest is held out. `message` is induction's hint, empty for the other types.
    """

    type: TaskType
    program: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: str = ""

    @property
    def input(self) -> str:
        """The only input of a deduction or abduction task, the first one of an induction task."""
        return self.inputs[0]

    @property
    def output(self) -> str:
        """The output that belongs to `input`."""
        return self.outputs[0]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the policy is asked.

    `text` is the whole prompt (in a chat, the user's message). Generation ends at any of `stop`. `answer_prefix` is the
    tail of `text` that already belongs to the answer (a completion prompt ends in "def f(", say): a parser is given
    `answer_prefix + response`.
    """

    text: str
    stop: tuple[str, ...] = ()
    answer_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal that could be parsed and is not yet validated. Fields as in `Triplet`, without the outputs."""

    type: TaskType
    program: str
    inputs: tuple[str, ...]
    message: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a proposal did not become a task.

    `reason` is a short stable word that metrics count by (see `tasks.validation.REASONS`); `detail` is for a person.
    `well_formed` is False where the text could not be parsed at all, which costs more (tasks/reward.py).
    """

    reason: str
    detail: str = ""
    well_formed: bool = True


class Verdict(StrEnum):
    """What a solver's response was worth."""

    RIGHT = "right"
    WRONG = "wrong"  # parsed, and not right: another value, an error, a refusal by the sandbox, a limit
    UNPARSED = "unparsed"  # no answer could be read from the text
