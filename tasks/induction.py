"""Induction: given input/output pairs and a message, what is the program? (Zhao et al. 2025, section 3.2)

The proposer is given a program and invents inputs and a message. The first half of the pairs is shown to the solver,
the rest is held out to judge by, so that a table of the shown pairs earns nothing.
"""

import random
from collections.abc import Sequence

from sandbox import CallStatus, Job, JobResult, JobStatus, Sandbox
from tasks import validation
from tasks.program import tidy
from tasks.prompts import Style
from tasks.triplet import Prompt, Proposal, Rejection, TaskType, Triplet, Verdict
from tasks.verdicts import verdicts

MIN_INPUTS = 4  # different inputs that work: two to show, two to judge by
MAX_INPUTS = 64  # a response that goes on and on is cut here
MAX_MESSAGE = 500  # characters


def propose_prompt(style: Style, references: Sequence[Triplet], rng: random.Random, inputs: int = 10) -> Prompt:
    """Asks for `inputs` inputs of the first reference's program, and a message about it.

    The style may show the reference's own input. `rng` draws the style's examples and hint; the same state gives the
    same prompt.
    """
    known = references[0]
    return style.prompt(
        "propose_induction", program=known.program, input=known.input, count=inputs, **style.variety(rng)
    )


def parse_proposal(style: Style, text: str, references: Sequence[Triplet]) -> Proposal | Rejection:
    """Reads inputs and a message from `answer_prefix + response`, for the first reference's program. Never raises."""
    found = style.grammar.inputs_and_message(text)
    if found is None:
        return validation.UNPARSABLE
    inputs, message = found
    distinct = tuple(dict.fromkeys(inputs))[:MAX_INPUTS]
    return Proposal(TaskType.INDUCTION, references[0].program, distinct, message[:MAX_MESSAGE])


def validate(sandbox: Sandbox, proposal: Proposal, runs: int = 2) -> Triplet | Rejection:
    """Runs every input `runs` times and keeps those that work, if they are enough. Blocking, thread safe."""
    if rejection := validation.too_long(proposal.program, proposal.inputs):
        return rejection
    result = sandbox.evaluate(proposal.program, proposal.inputs, repeats=runs)
    if result.status is not JobStatus.OK:
        return validation.job_rejection(result)
    pairs = [
        (given, call.value)
        for given, call in zip(proposal.inputs, result.calls, strict=True)
        if call.status is CallStatus.OK and call.value is not None and len(call.value) <= validation.MAX_VALUE
    ]
    if len(pairs) < MIN_INPUTS:
        failed = [call for call in result.calls if call.status is not CallStatus.OK]
        detail = validation.call_rejection(failed[0]).detail if failed else f"{len(pairs)} of {MIN_INPUTS}"
        return Rejection("too_few_inputs", detail)
    inputs, outputs = zip(*pairs, strict=True)
    return Triplet(TaskType.INDUCTION, tidy(proposal.program), inputs, outputs, proposal.message)


def shown(triplet: Triplet) -> tuple[tuple[str, str], ...]:
    """The pairs that the solver sees: the first half, rounded down."""
    return tuple(zip(triplet.inputs, triplet.outputs, strict=True))[: len(triplet.inputs) // 2]


def held_out(triplet: Triplet) -> tuple[tuple[str, str], ...]:
    """The pairs that judge the answer."""
    return tuple(zip(triplet.inputs, triplet.outputs, strict=True))[len(triplet.inputs) // 2 :]


def solve_prompt(style: Style, triplet: Triplet) -> Prompt:
    """Asks for the program behind the shown pairs and the message."""
    return style.prompt("solve_induction", pairs=style.pairs(shown(triplet)), message=triplet.message)


def parse_answer(style: Style, text: str) -> str | None:
    """Reads a program from `answer_prefix + response`; None where there is none. Never raises."""
    return style.grammar.program(text)


def verify(sandbox: Sandbox, triplet: Triplet, answers: Sequence[str | None]) -> list[Verdict]:
    """A program is right if every held-out pair holds. Blocking, thread safe."""
    inputs, outputs = zip(*held_out(triplet), strict=True)

    def judge(programs: list[str]) -> list[bool]:
        jobs = [Job(program, calls=inputs, expected=outputs) for program in programs]
        return [_reproduces(result) for result in sandbox.map(jobs)]

    return verdicts(answers, judge)


def _reproduces(result: JobResult) -> bool:
    return result.status is JobStatus.OK and all(call.equal for call in result.calls)
