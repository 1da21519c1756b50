"""The three types of tasks side by side: what each offers, and which module it is."""

import random
from collections.abc import Sequence
from typing import Protocol

from sandbox import Sandbox
from tasks import abduction, deduction, induction
from tasks.prompts import Style
from tasks.triplet import Prompt, Proposal, Rejection, TaskType, Triplet, Verdict


class TaskKind(Protocol):
    """What the modules deduction, abduction and induction offer; their docstrings say what differs."""

    def propose_prompt(
        self, style: Style, references: Sequence[Triplet], rng: random.Random, inputs: int = 10
    ) -> Prompt:
        """A prompt that asks for a new task. For induction, `references[0]` is the program asked about."""
        ...

    def parse_proposal(self, style: Style, text: str, references: Sequence[Triplet]) -> Proposal | Rejection:
        """Reads `answer_prefix + response`. Never raises on any text."""
        ...

    def validate(self, sandbox: Sandbox, proposal: Proposal, runs: int = 2) -> Triplet | Rejection:
        """A task if the sandbox can run it. Blocking, thread safe."""
        ...

    def solve_prompt(self, style: Style, triplet: Triplet) -> Prompt:
        """A prompt that asks for the hidden part; the same for every sample of a task."""
        ...

    def parse_answer(self, style: Style, text: str) -> str | None:
        """Reads `answer_prefix + response`. Never raises on any text."""
        ...

    def verify(self, sandbox: Sandbox, triplet: Triplet, answers: Sequence[str | None]) -> list[Verdict]:
        """One verdict an answer, in order. One answer that loops does not harm the others. Blocking, thread safe."""
        ...


KINDS: dict[TaskType, TaskKind] = {
    TaskType.DEDUCTION: deduction,
    TaskType.ABDUCTION: abduction,
    TaskType.INDUCTION: induction,
}
