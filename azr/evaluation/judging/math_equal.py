"""Whether a mathematical answer equals the reference. Runs in the grader's process: algebra on such text can hang."""

import re

import sympy

from azr.evaluation.judging import math_algebra as algebra
from azr.evaluation.judging.math_dress import braced, plain, squeezed
from azr.evaluation.judging.math_number import read_based, read_number, same_number
from azr.evaluation.judging.math_quantity import Quantity, split_unit, unwrapped_text, without_label, without_noun
from azr.evaluation.judging.math_shape import Items, Matrix, Ordered, Shape, Union, read_shape, split_sides

_RELATION = r"\\(?:le|ge)(?![A-Za-z])|<=|>=|<|>"
_GROUPED = re.compile(r"(?<![\w.,])\d{1,3}(?:,\d{3})+(?!\d|,\d)")
_NAME = re.compile(
    r"\(?(?:[A-Za-z]|\\[A-Za-z]+|\\text\{[^{}]*\})(?:_\{[^{}]*\}|'|\^\{\\prime\}|\\[A-Za-z]+\{[^{}]*\})*"
    r"(?:\([A-Za-z](?:, ?[A-Za-z])*\))?(?:, ?[A-Za-z](?:_\{\w+\})?)*\)?"
)
_LABEL = re.compile(r"(?:\\text\{[^{}]*\}|[A-Za-z]{3,}|[A-Za-z ]{4,})")


def equal_answers(reference: str, answer: str, unit: str | None = None) -> bool:
    r"""Whether `answer` says the same as `reference`, whose unit is `unit` where it is not in the text.

    Lists and sets are compared in any order, tuples, intervals and matrices piece by piece. Of two single values, two
    known units that differ make it wrong; a unit that one side leaves out does not. Numbers are compared exactly, but
    within a relative 1e-4 where the reference is a decimal; expressions by math_algebra.py. What can't be read as a
    whole is compared as a string: no part of it ever counts.
    """
    wanted, given = (_prepared(text) for text in (reference, answer))
    if not given:
        return False
    if squeezed(wanted) == squeezed(given):
        return True
    if not re.search(r"!", wanted) and re.fullmatch(r"[^!]*\d!", given) and equal_answers(reference, given[:-1], unit):
        return True
    return any(_same(w, g, unit) for w in _readings(wanted) for g in _readings(given))


def _readings(text: str) -> tuple[str, ...]:
    r"""Without the commas that may be marks between thousands, as in 1,000\pi; 1,250 alone may be a list as well."""
    ungrouped = _GROUPED.sub(lambda found: found[0].replace(",", ""), text)
    is_number = ungrouped == text or re.search(r"[A-Za-z$€£¥%]", text)
    return (ungrouped,) if is_number else (text, ungrouped)


def _prepared(text: str) -> str:
    return braced(without_label(unwrapped_text(plain(text))))


def _same(wanted: str, given: str, unit: str | None = None) -> bool:
    if wanted and squeezed(wanted) == squeezed(given):
        return True
    if _same_shape(read_shape(wanted), read_shape(given), unit):
        return True
    return bool(re.search(r"\\(?:cup|cap|setminus|mathbb)|[(\[]", wanted)) and algebra.same_set(wanted, given)


def _same_shape(wanted: Shape, given: Shape, unit: str | None) -> bool:
    if isinstance(wanted, str) and isinstance(given, str):
        return _same_leaf(wanted, given, unit)
    wanted, given = (_intervals(shape) for shape in (wanted, given))
    match wanted, given:
        case Items(parts=parts), Items(parts=others):
            return _same_members(parts, others, unit)
        case Union(parts=parts), Union(parts=others) | Items(parts=others):
            return _same_members(parts, others, unit)
        case Ordered(), Ordered():
            alike = (wanted.opening, wanted.ending) == (given.opening, given.ending) or len(wanted.parts) > 2
            return alike and _same_sequence(wanted.parts, given.parts, unit)
        case Ordered(opening="(", parts=parts), Items(parts=others, is_set=False):
            return _is_finite(parts) and _same_sequence(parts, others, unit)
        case Items(parts=parts, is_set=False), Ordered(opening="(", parts=others):
            return _is_finite(parts) and _same_sequence(parts, others, unit)
        case Ordered(), str():
            sides = split_sides(given, "=")
            return len(sides) == 2 and _is_name(sides[0]) and _same_shape(wanted, read_shape(sides[1]), unit)
        case str(), Ordered():
            sides = split_sides(wanted, "=")
            return len(sides) == 2 and _is_name(sides[0]) and _same_shape(read_shape(sides[1]), given, unit)
        case str(), Items(parts=(one,)):
            return _same(wanted, one, unit)
        case Items(parts=(one,)), str():
            return _same(one, given, unit)
        case Matrix(), Matrix():
            return len(wanted.rows) == len(given.rows) and all(
                _same_sequence(row, other, unit) for row, other in zip(wanted.rows, given.rows, strict=True)
            )
    return False


def _is_finite(parts: tuple[str, ...]) -> bool:
    return not any("infty" in part for part in parts)


def _same_sequence(wanted: tuple[str, ...], given: tuple[str, ...], unit: str | None) -> bool:
    return len(wanted) == len(given) and all(_same(w, g, unit) for w, g in zip(wanted, given, strict=True))


def _same_members(wanted: tuple[str, ...], given: tuple[str, ...], unit: str | None) -> bool:
    wanted, given = (tuple({squeezed(part): part for part in parts}.values()) for parts in (wanted, given))
    if len(wanted) != len(given):
        return False
    left = list(given)
    for part in wanted:
        found = next((other for other in left if _same(part, other, unit)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _intervals(shape: Shape) -> Shape:
    """Inequalities of one variable as the interval that they are: -2 < x \\le 7 is (-2, 7]."""
    if isinstance(shape, str):
        return _interval(shape) or shape
    return shape


def _interval(text: str) -> Ordered | None:
    signs = re.findall(_RELATION, text)
    sides = split_sides(text, _RELATION)
    if len(sides) != len(signs) + 1 or not signs:
        return None
    strict = ["=" not in sign and "e" not in sign for sign in signs]
    rising = ["<" in sign or "le" in sign for sign in signs]
    if len(signs) == 2 and _is_name(sides[1]) and rising[0] == rising[1]:
        low, high = (sides[0], sides[2]) if rising[0] else (sides[2], sides[0])
        strict = strict if rising[0] else strict[::-1]
        return Ordered("(["[not strict[0]], (low, high), ")]"[not strict[1]])
    if len(signs) == 1 and _is_name(sides[0]) != _is_name(sides[1]):
        bound = sides[1] if _is_name(sides[0]) else sides[0]
        if rising[0] == _is_name(sides[0]):
            return Ordered("(", ("-\\infty", bound), ")" if strict[0] else "]")
        return Ordered("(" if strict[0] else "[", (bound, "\\infty"), ")")
    return None


def _same_leaf(wanted: str, given: str, unit: str | None) -> bool:
    wanted_signs, given_signs = (re.findall(_RELATION, text) for text in (wanted, given))
    if wanted_signs or given_signs:
        return _same_inequality(wanted, given, wanted_signs, given_signs)
    wanted_sides, given_sides = split_sides(wanted), split_sides(given)
    if len(given_sides) == 1 and len(wanted_sides) == 1:
        return _same_quantity(wanted, given, unit)
    if len(wanted_sides) == 1:
        return _is_consistent(given_sides) and any(
            _same(wanted, side, unit) for side in _results(given_sides, "\\approx" in given)
        )
    is_assignment = _is_name(wanted_sides[0])
    if len(given_sides) == 1:
        return is_assignment and _same(wanted_sides[-1], given, unit)
    if is_assignment and (_is_label(given_sides[0]) or squeezed(wanted_sides[0]) == squeezed(given_sides[0])):
        return _same(wanted_sides[-1], given_sides[-1], unit)
    if set(map(squeezed, wanted_sides)) == set(map(squeezed, given_sides)):
        return True
    if len(wanted_sides) == len(given_sides) and _same_sequence(tuple(wanted_sides), tuple(given_sides), unit):
        return True
    ends = [(sides[0], sides[-1]) for sides in (wanted_sides, given_sides)]
    return algebra.same_relation(ends[0], ends[1]) is not None


def _same_inequality(wanted: str, given: str, wanted_signs: list[str], given_signs: list[str]) -> bool:
    """Intervals of the same variable, or one inequality that is a multiple of the other."""
    if (interval := _interval(wanted)) and (other := _interval(given)):
        names = [{squeezed(s) for s in split_sides(text, _RELATION) if _is_name(s)} for text in (wanted, given)]
        return names[0] == names[1] and _same_shape(interval, other, None)
    if len(wanted_signs) != 1 or len(given_signs) != 1:
        return False
    kinds = [("=" in sign or "e" in sign, "<" in sign or "le" in sign) for sign in (wanted_signs[0], given_signs[0])]
    sides = [split_sides(text, _RELATION) for text in (wanted, given)]
    if kinds[0][0] != kinds[1][0] or any(len(pair) != 2 for pair in sides):
        return False
    turned = algebra.same_relation((sides[0][0], sides[0][1]), (sides[1][0], sides[1][1]))
    return turned is not None and (turned == 1) == (kinds[0][1] == kinds[1][1])


def _results(sides: list[str], is_approximate: bool) -> list[str]:
    r"""The sides that a chain amounts to: the last; two in 5 = x and 10/3 \approx 3.33; all in bases, 101_2 = 5."""
    if _is_name(sides[-1]) and not _is_name(sides[0]):
        return [sides[-1], sides[-2]]
    based = [side for side in sides if read_based(side)]
    return based + (sides[-2:] if is_approximate else sides[-1:])


def _is_consistent(sides: list[str]) -> bool:
    """False where a chain of constants contradicts itself: 0 = 1 is no way to say 1."""
    values = [value for side in sides if (value := _constant(side)) is not None]
    return all(abs(value - values[0]) <= 0.01 * abs(values[0]) for value in values[1:])


def _constant(side: str) -> sympy.Expr | None:
    based = read_based(side)
    return algebra.numeric(str(based.value) if based else split_unit(side).value)


def _same_quantity(wanted_text: str, given_text: str, unit: str | None) -> bool:
    if squeezed(wanted_text) == squeezed(given_text):
        return True
    based, other = read_based(wanted_text), read_based(given_text)
    if based:
        return other == based if other else squeezed(given_text).upper() == based.digits
    if other:
        number = read_number(wanted_text)
        return number is not None and number.value == other.value
    wanted, given = split_unit(wanted_text), split_unit(given_text)
    wanted_unit = wanted.unit or unit
    if "\\pi" in wanted.value and (wanted_unit, given.unit) == (None, "degree"):
        given = Quantity(f"({given.value}) \\cdot \\frac{{\\pi}}{{180}}", None)
    if wanted_unit and given.unit:
        if wanted_unit != given.unit:
            return False
    elif not (wanted.certain and given.certain) and (re.search("[A-Za-z]", wanted_text) or not given.likely):
        wanted, given = Quantity(wanted_text, None), Quantity(given_text, None)
    bare_words = not re.search(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", wanted.value))
    return _same_bare(without_noun(wanted.value, bare_words=False), without_noun(given.value, bare_words))


def _same_bare(wanted: str, given: str) -> bool:
    """Whether two values without units are the same."""
    wanted, given = braced(wanted), braced(given)
    if wanted and _as_word(wanted) == _as_word(given):
        return True
    reference, number = read_number(wanted), read_number(given)
    if reference and number:
        return same_number(reference, number)
    if re.search(r"\d\s+\d", wanted + "|" + given):
        return False
    if reference:
        return algebra.same_value(reference.latex, given, reference.last_place is not None)
    return algebra.same_value(wanted, given, re.search(r"\.\d*[1-9]", wanted) is not None, number)


def _as_word(text: str) -> str:
    """A word without its article and brackets: the letter of \\text{(C)} is C."""
    text = re.sub(r"\\text\s*\{([^{}]*)\}", r"\1", text).strip(" .,")
    return re.sub(r"^\((\w)\)$", r"\1", squeezed(re.sub(r"^(?:the|an?)\s+", "", text, flags=re.IGNORECASE)))


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text.strip()) is not None and not re.fullmatch(r"\\(?:pi|infty|emptyset)|[ei]", text.strip())


def _is_label(text: str) -> bool:
    return _LABEL.fullmatch(text.strip()) is not None
