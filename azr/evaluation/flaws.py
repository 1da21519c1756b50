"""Tasks that are valid and teach nothing, and answers that only repeat the question.

A small solver's cheapest gain is to repeat what it is shown: where half of the tasks that it can solve are copies, that
is what pays, and it is all that it learns (docs/learning.md). So these are found by what the programs do, counted in
the metrics in any case, and refused where `propose.refuse` says so.
"""

import ast
from collections.abc import Sequence
from typing import Any

from azr.config.choices import Flaw
from sandbox import CallStatus, Job, Sandbox
from sandbox.syntax import parse
from tasks.triplet import TaskType, Triplet

MEANING = {
    Flaw.COPY: "repeating what it shows is right",
    Flaw.CONSTANT: "its output is the same for every input tried",
    Flaw.RESTATED: "the buffer holds a task of this program",
}

_UNREADABLE = (ValueError, SyntaxError, TypeError, RecursionError, MemoryError)
_SECONDS = 1.0  # for all tries; a program that another input sends into a long loop is none that ignores it
_FEWEST_TRIES = 3  # other inputs that have to work before an output counts as always the same


def find_flaws(sandbox: Sandbox, triplet: Triplet) -> tuple[Flaw, ...]:
    """`COPY` and `CONSTANT`, where they hold. `RESTATED` is for who knows the buffer. Blocking, thread safe."""
    found = []
    if _is_copied(sandbox, triplet):
        found.append(Flaw.COPY)
    if _is_constant(sandbox, triplet):
        found.append(Flaw.CONSTANT)
    return tuple(found)


def repeats_question(sandbox: Sandbox, triplet: Triplet, answers: Sequence[str | None]) -> list[bool]:
    """Of each answer, whether it is the value that the question shows; never so for induction's programs."""
    if triplet.type is TaskType.INDUCTION:
        return [False] * len(answers)
    shown = triplet.input if triplet.type is TaskType.DEDUCTION else triplet.output
    distinct = list(dict.fromkeys(answer for answer in answers if answer is not None))
    equal = sandbox.values_equal(distinct, [shown] * len(distinct)) if distinct else []
    repeating = {answer for answer, same in zip(distinct, equal, strict=True) if same}
    return [answer in repeating for answer in answers]


def _is_copied(sandbox: Sandbox, triplet: Triplet) -> bool:
    """Whether repeating the question is right: what is shown equals what is asked for, or, since any input that gives
    the output will do for abduction, the program gives it for itself, as sorted does for what is in order.
    """
    if all(sandbox.values_equal(triplet.inputs, triplet.outputs)):
        return True
    return triplet.type is TaskType.ABDUCTION and sandbox.accepts(triplet.program, [triplet.output], triplet.output)[0]


def _is_constant(sandbox: Sandbox, triplet: Triplet) -> bool:
    """Whether every other input that works gives the same output, of induction's own pairs or of varied inputs."""
    if len(triplet.outputs) > 1:
        return all(sandbox.values_equal(triplet.outputs[1:], [triplet.output] * (len(triplet.outputs) - 1)))
    others = varied_inputs(triplet.input)
    if not others:
        return False
    calls = sandbox.run(Job(triplet.program, tuple(others), timeout_s=_SECONDS)).calls
    outputs = [call.value for call in calls if call.status is CallStatus.OK and call.value is not None]
    return len(outputs) >= _FEWEST_TRIES and set(outputs) == {triplet.output}


def varied_inputs(arguments: str) -> list[str]:
    """Argument lists like `arguments` with other values of the same types; none where that is no list of literals."""
    try:
        values = ast.literal_eval(parse(f"({arguments},)", "eval"))
    except _UNREADABLE:
        return []
    varied = [", ".join(repr(_vary(value, way)) for value in values) for way in range(_WAYS)]
    return list(dict.fromkeys(text for text in varied if text != ", ".join(map(repr, values))))


_WAYS = 6


def _vary(value: Any, way: int) -> Any:
    """Another value of the type of `value`, and as long as not; there are _WAYS ways, the first one empties it."""
    match value:
        case bool():
            return bool(way % 2)
        case int() | float():
            return (type(value)(0), value + 1, -value - 1, 2 * value + 3, value + 10, -value * 7)[way]
        case str():
            return ("", value[::-1] + "b", value + " a1", value.swapcase()[1:], "Xy-" + value, value * 2 + "c")[way]
        case list() | tuple():
            items = [_vary(item, way) for item in value]
            return type(value)((items[:0], items[::-1], items + items[:1], items[1:], list(value) * 2, items)[way])
        case dict():
            return {} if not way else {key: _vary(item, way) for key, item in value.items()}
        case _:
            return value
