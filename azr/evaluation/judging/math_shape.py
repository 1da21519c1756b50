r"""The shape of an answer: one expression, a list or set, a tuple or interval, a union, a matrix."""

import re
from dataclasses import dataclass

from azr.evaluation.judging.math_dress import closing

_SEPARATOR = re.compile(
    r"(?:[,;]\s*(?:(?:\\text\s*\{\s*)?(?:and|or)\s*\}?)?|\\text\s*\{\s*,?\s*(?:and|or)\s*,?\s*\}|(?<![A-Za-z])(?:and|or)(?![A-Za-z]))"
)
_MATRIX = re.compile(
    r"\(?\[?\s*\\begin\{([pbB]?(?:small)?matrix|array)\}(?:\{[^{}]*\})?(.*)\\end\{\1\}\s*\]?\)?", re.DOTALL
)
_MEMBER = re.compile(r"^[A-Za-z](?:_\{\w+\}|\([a-z]\))?\s*\\in(?![A-Za-z])\s*")
_FRENCH = re.compile(r"([\[\]])([^\[\]]*[,;][^\[\]]*)([\[\]])")  # ]0, 1[ is (0, 1)
_ENVIRONMENT = re.compile(r"\\(begin|end)\{")


@dataclass(frozen=True, slots=True)
class Items:
    """A list or set: order says nothing. `is_set` where it is in braces."""

    parts: tuple[str, ...]
    is_set: bool = False


@dataclass(frozen=True, slots=True)
class Ordered:
    """A tuple or an interval, with its brackets as they are."""

    opening: str
    parts: tuple[str, ...]
    ending: str


@dataclass(frozen=True, slots=True)
class Union:
    """Pieces of a union, as they are."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of entries."""

    rows: tuple[tuple[str, ...], ...]


Shape = Items | Ordered | Union | Matrix | str


def read_shape(text: str) -> Shape:
    r"""The shape of a braced answer (math_dress.py); a string where it is one expression, brackets around it taken off.

    a \pm b is a list of two, and so is 1,250: marks between thousands must be gone before.
    """
    text = _MEMBER.sub("", text.strip()).strip()
    text = re.sub(r"\\rangle(?![A-Za-z])", ")", re.sub(r"\\langle(?![A-Za-z])", "(", text))
    if french := _FRENCH.fullmatch(text):
        text = f"{'[('[french[1] == ']']}{french[2]}{'])'[french[3] == '[']}"
    if matrix := _MATRIX.fullmatch(text):
        rows = [row for row in re.split(r"\\\\|\\cr(?![A-Za-z])", matrix[2]) if row.strip()]
        return Matrix(tuple(tuple(cell.strip() for cell in row.split("&")) for row in rows))
    if len(pieces := _split(text, re.compile(r"\\cup(?![A-Za-z])"))) > 1:
        return Union(tuple(pieces))
    if len(parts := _split(text, _SEPARATOR)) > 1:
        return Items(_both_signs(parts))
    if text.startswith("\\{") and text.endswith("\\}") and not re.search(r"\\mid|\||:", text):
        return Items(_both_signs(_split(text[2:-2], _SEPARATOR)), is_set=True)
    if text[:1] in ("(", "[") and text[-1:] in (")", "]") and _encloses(text):
        parts = _split(text[1:-1], re.compile(r"[,;]"))
        if len(parts) > 1:
            return Ordered(text[0], tuple(parts), text[-1])
        if text[0] == "(" and text[-1] == ")":
            return read_shape(text[1:-1])
    if len(signs := _both_signs([text])) > 1:
        return Items(signs)
    return text


def split_sides(text: str, sign: str = r"=|\\approx(?![A-Za-z])") -> list[str]:
    """The sides of an equation or of a chain of them; one where there is no equality sign at the top."""
    return _split(text, re.compile(rf"(?<![<>!:])(?:{sign})"))


def _both_signs(parts: list[str]) -> tuple[str, ...]:
    out: list[str] = []
    for part in parts:
        if re.search(r"\\pm(?![A-Za-z])", part):
            plus = re.sub(r"^(.*=\s*|\s*)\\pm(?![A-Za-z])", r"\1", part)
            out.append(re.sub(r"\\mp(?![A-Za-z])", "-", re.sub(r"\\pm(?![A-Za-z])", "+", plus)))
            out.append(re.sub(r"\\mp(?![A-Za-z])", "+", re.sub(r"\\pm(?![A-Za-z])", "-", part)))
        else:
            out.append(part)
    return tuple(out)


def _encloses(text: str) -> bool:
    """Whether the bracket at the start closes at the end, whatever kind each is ([0, 1) is an interval)."""
    depth = 0
    for position, sign in enumerate(text):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(sign, 0)
        if depth == 0:
            return position == len(text) - 1
    return False


def _split(text: str, separator: re.Pattern[str]) -> list[str]:
    """Splits where no bracket, brace or environment is open."""
    parts: list[str] = []
    depth, start, position = 0, 0, 0
    while position < len(text):
        if environment := _ENVIRONMENT.match(text, position):
            depth += 1 if environment[1] == "begin" else -1
            position = environment.end() - 1
            position = max(closing(text, position), position) + 1
        elif depth <= 0 and (found := separator.match(text, position)):
            parts.append(text[start:position])
            position = start = found.end()
        elif text[position] == "\\":
            depth += {"{": 1, "}": -1}.get(text[position + 1 : position + 2], 0)
            position += 2
        else:
            depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(text[position], 0)
            position += 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]
