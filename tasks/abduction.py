"""Abduction: given a program and an output, what input leads there? (Zhao et al. 2025, section 3.2)"""

import random
from collections.abc import Sequence

from sandbox import Sandbox
from tasks import validation
from tasks.prompts import Style
from tasks.triplet import Prompt, Proposal, Rejection, TaskType, Triplet, Verdict
from tasks.verdicts import verdicts


def propose_prompt(style: Style, references: Sequence[Triplet], rng: random.Random, inputs: int = 1) -> Prompt:
    """Asks for a program and an input unlike the `references`. Always one input: `inputs` is induction's.

    `rng` draws the style's examples and hint; the same state gives the same prompt.
    """
    return style.prompt(
        "propose_abduction", references="\n\n".join(map(style.reference, references)), **style.variety(rng)
    )


def parse_proposal(style: Style, text: str, references: Sequence[Triplet]) -> Proposal | Rejection:
    """Reads a program and an input from `answer_prefix + response`. Never raises."""
    found = style.grammar.program_and_input(text)
    if found is None:
        return validation.UNPARSABLE
    program, arguments = found
    return Proposal(TaskType.ABDUCTION, program, (arguments,))


def validate(sandbox: Sandbox, proposal: Proposal, runs: int = 2) -> Triplet | Rejection:
    """Runs the proposal `runs` times. Blocking, thread safe."""
    return validation.validate_pair(sandbox, proposal, runs)


def solve_prompt(style: Style, triplet: Triplet) -> Prompt:
    """Asks for an input that gives the output."""
    return style.prompt("solve_abduction", program=triplet.program, output=triplet.output)


def parse_answer(style: Style, text: str) -> str | None:
    """Reads an argument list from `answer_prefix + response`; None where there is none. Never raises."""
    return style.grammar.arguments(text)


def verify(sandbox: Sandbox, triplet: Triplet, answers: Sequence[str | None]) -> list[Verdict]:
    """Any input that gives the output, by value, is right, if it is data and no code. Blocking, thread safe."""
    return verdicts(answers, lambda parsed: sandbox.accepts(triplet.program, parsed, triplet.output))
