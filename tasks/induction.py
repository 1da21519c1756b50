"""Induction: given input/output pairs and a message, what is the program? (Zhao et al. 2025, section 3.2)

The proposer is given a program and invents inputs and a message. The first half of the pairs is shown to the solver,
the rest is held out to judge by, so that a table of the shown pairs earns nothing.
"""

import random
from collections.abc import Sequence

from sandbox import Arguments, CallResult, CallStatus, Job, Sandbox, equal
from tasks import validation
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
    """Runs every input `runs` times and keeps those that work, if they are enough and their outputs are not all equal.

    Inputs that are equal by value count once. Blocking, thread safe.
    """
    prepared = validation.prepare(sandbox, proposal, runs)
    if isinstance(prepared, Rejection):
        return prepared
    inputs = _different([given for given in prepared.inputs if isinstance(given, Arguments)])
    refused = [given for given in prepared.inputs if isinstance(given, Rejection)]
    if len(inputs) < MIN_INPUTS:
        return _too_few(len(inputs), refused)
    result = sandbox.run(Job(prepared.program, tuple(inputs), repeats=runs))
    if len(result.calls) < len(inputs):
        return validation.job_rejection(result)
    pairs = [(given, call) for given, call in zip(inputs, result.calls, strict=True) if _works(call)]
    if len(pairs) < MIN_INPUTS:
        failed = [validation.call_rejection(call) for call in result.calls if call.status is not CallStatus.OK]
        return _too_few(len(pairs), failed + refused)
    if all(equal(call.data, pairs[0][1].data) for _, call in pairs):
        return Rejection("constant", f"the output is always {pairs[0][1].value}")
    outputs = tuple(call.value or "" for _, call in pairs)
    return Triplet(TaskType.INDUCTION, prepared.program, tuple(i.text for i, _ in pairs), outputs, proposal.message)


def _works(call: CallResult) -> bool:
    return call.status is CallStatus.OK and call.value is not None and len(call.value) <= validation.MAX_VALUE


def _too_few(count: int, failed: list[Rejection]) -> Rejection:
    return Rejection("too_few_inputs", failed[0].detail if failed else f"{count} of {MIN_INPUTS}")


def _different(inputs: list[Arguments]) -> list[Arguments]:
    """The first of each group that are equal by value."""
    found: list[Arguments] = []
    for given in inputs:
        if not any(_equal(given, other) for other in found):
            found.append(given)
    return found


def _equal(one: Arguments, other: Arguments) -> bool:
    return equal((one.positional, dict(one.keywords)), (other.positional, dict(other.keywords)))


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
    pairs = held_out(triplet)
    return verdicts(answers, lambda programs: list(sandbox.reproduce(programs, pairs)))
