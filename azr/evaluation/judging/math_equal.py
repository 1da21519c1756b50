"""Whether a mathematical answer equals the reference. Runs in the grader's process: algebra on such text can hang."""

import math

from math_verify import parse, verify

from azr.evaluation.judging.math_text import Quantity, plain, plain_number, split_unit, squeezed

# A decimal reference was rounded by someone; Qwen2.5-Math's evaluation, which the paper used, allows this much.
_ROUNDED = 1e-4


def equal_answers(reference: str, answer: str, unit: str | None = None) -> bool:
    """Whether `answer` says the same as `reference`, whose unit is `unit` where it is not in the text.

    Two known units that differ make it wrong; a unit that one side leaves out does not. A bare letter that
    only one side has is not taken for a unit. Two plain numbers are compared
    as numbers: exactly, but within a relative 1e-4 where the reference is a decimal. All else goes to math-verify, and
    where that can't read one of the two, to a comparison as strings.
    """
    wanted, given = split_unit(reference), split_unit(answer)
    wanted_unit = wanted.unit or unit
    if wanted_unit and given.unit:
        if wanted_unit != given.unit:
            return False
    elif not (wanted.certain and given.certain):
        wanted, given = Quantity(plain(reference), None), Quantity(plain(answer), None)
    if squeezed(wanted.value) == squeezed(given.value):
        return True
    wanted_number, given_number = plain_number(wanted.value), plain_number(given.value)
    if wanted_number is not None and given_number is not None:
        if isinstance(wanted_number, int):
            return wanted_number == given_number
        return math.isclose(wanted_number, given_number, rel_tol=_ROUNDED)
    return _equal_by_algebra(wanted.value, given.value)


def _equal_by_algebra(wanted: str, given: str) -> bool:
    # No timeouts here: math-verify's need the main thread's alarm, and big integers do not hear it. The grader kills.
    reference = parse(f"\\boxed{{{wanted}}}", parsing_timeout=None)
    answer = parse(f"\\boxed{{{given}}}", parsing_timeout=None)
    return bool(reference and answer and verify(reference, answer, timeout_seconds=None))
