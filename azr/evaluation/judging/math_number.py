r"""Numbers as people write them, read exactly: 1,250 / 2 1/2 / -\frac{3}{4} / 4.5 \times 10^{33} / 62.5% / 2516_8."""

import re
from dataclasses import dataclass
from fractions import Fraction

# A decimal reference was rounded by someone; Qwen2.5-Math's evaluation, which the paper used, allows this much.
ROUNDED = Fraction(1, 10_000)
_ENOUGH_DIGITS = 5  # of a decimal that stands for an exact value, such as 0.33333
_LARGEST_EXPONENT = 5000

_WHOLE = r"\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d+"
_DECIMAL = rf"(?:(?P<whole>{_WHOLE})(?:\.(?P<decimals>\d*))?|\.(?P<only>\d+))"
_EXPONENT = (
    r"(?: ?(?:\\text\{ ?)?[eE](?: ?\})? ?\{? ?(?P<e>[-+]?\d+) ?\}?"
    r"| ?(?:\\times|\\cdot|\*|[xX]) ?10 ?\^ ?\{ ?(?P<ten>[-+]? ?\d+) ?\})"
)
_PLAIN = re.compile(rf"(?P<open>\()?{_DECIMAL}(?P<close>\))?{_EXPONENT}?(?P<percent> ?%)?")
_POWER_OF_TEN = re.compile(r"10 ?\^ ?\{ ?([-+]? ?\d+) ?\}")
_REPEATING = re.compile(r"(\d*)\.(\d*) ?\\(?:overline|bar) ?\{ ?(\d+) ?\}")
_SIMPLE = r"-? ?\d+(?:\.\d+)?\.?"
_FRACTION = re.compile(rf"\\frac ?\{{ ?({_SIMPLE}) ?\}} ?\{{ ?({_SIMPLE}) ?\}}|({_SIMPLE}) ?/ ?({_SIMPLE})")
_MIXED = re.compile(r"(\d+)(?: ?\\frac ?\{ ?(\d+) ?\} ?\{ ?(\d+) ?\}| +(\d+) ?/ ?(\d+))")
_BASED = re.compile(
    r"(?:\( ?|\\overline ?\{ ?)?(?P<digits>[0-9A-Fa-f]+(?:,[0-9]{3})*) ?[)}]? ?"
    r"(?:_ ?\{ ?(?:\\text ?\{)? ?\(?(?:base)? ?\}? ?(?P<low>\w+) ?\)?\}? ?\}"
    r"|\(? ?(?:\\text ?\{)? ?\(? ?(?:in )?base[- ]?\}? ?(?P<word>\w+) ?\)?\}?"
    r"|\\text ?\{ ?\(? ?(?:in )?(?P<named>binary|octal|decimal|hexadecimal|hex) ?\)? ?\})"
)
_BASES = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "sixteen": 16, "binary": 2, "octal": 8, "decimal": 10, "hex": 16, "hexadecimal": 16,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value; `last_place` is that of the last decimal shown, None where the number is written exactly."""

    value: Fraction
    last_place: Fraction | None = None
    percent: bool = False
    digits: int = 0

    @property
    def latex(self) -> str:
        """The value as an exact fraction."""
        value = self.value / 100 if self.percent else self.value
        return str(value) if value.denominator == 1 else f"\\frac{{{value.numerator}}}{{{value.denominator}}}"


@dataclass(frozen=True, slots=True)
class Based:
    """Digits in a base that was named."""

    digits: str
    base: int

    @property
    def value(self) -> int | None:
        """What the digits amount to; None where they are not digits of the base."""
        try:
            return int(self.digits, self.base)
        except ValueError:
            return None


def read_number(text: str) -> Number | None:
    """The number that `text` (braced, see math_dress.py) spells out, None if it is anything else."""
    text = " ".join(text.split())
    sign = 1
    while signed := re.match(r"([-+]) ?", text):
        sign = -sign if signed[1] == "-" else sign
        text = text[signed.end() :]
    found = _unsigned(text)
    return found and Number(sign * found.value, found.last_place, found.percent, found.digits)


def read_based(text: str) -> Based | None:
    """The number in a named base that `text` spells out: 2516_8, 2516_{eight}, 2516 \\text{ (base 8)}."""
    found = _BASED.fullmatch(" ".join(text.split()))
    if not found:
        return None
    name = (found["low"] or found["word"] or found["named"]).lower()
    base = int(name) if name.isdigit() else _BASES.get(name, 0)
    return Based(found["digits"].replace(",", "").upper(), base) if 2 <= base <= 36 else None


def same_number(reference: Number, answer: Number) -> bool:
    """Equal; within 1e-4 where the reference is a decimal; to the last place shown where only the answer is one.

    One side may leave out the percent sign, or be written as the fraction that it means.
    """
    values = [answer.value]
    if answer.percent != reference.percent:
        values.append(answer.value / 100 if answer.percent else answer.value * 100)
    return any(_same_value(reference, Number(value, answer.last_place, digits=answer.digits)) for value in values)


def is_rounding(exact: Fraction, answer: Number) -> bool:
    """Whether a decimal is `exact` to the last place shown, with at least five digits."""
    return (
        answer.last_place is not None
        and answer.digits >= _ENOUGH_DIGITS
        and abs(exact - answer.value) < answer.last_place
    )


def _same_value(reference: Number, answer: Number) -> bool:
    if reference.value == answer.value:
        return True
    if reference.last_place is not None:
        return abs(reference.value - answer.value) <= ROUNDED * abs(reference.value)
    return reference.value.denominator != 1 and is_rounding(reference.value, answer)


def _unsigned(text: str) -> Number | None:
    if found := _PLAIN.fullmatch(text):
        return _plain(found)
    if found := _POWER_OF_TEN.fullmatch(text):
        exponent = int(found[1].replace(" ", ""))
        return Number(Fraction(10) ** exponent) if abs(exponent) <= _LARGEST_EXPONENT else None
    if found := _REPEATING.fullmatch(text):
        whole, fixed, period = found.groups()
        repeated = Fraction(int(period), 10 ** len(period) - 1) / 10 ** len(fixed)
        return Number(Fraction(f"{whole or 0}.{fixed or 0}") + repeated)
    if found := _MIXED.fullmatch(text):
        whole, *parts = (group for group in found.groups() if group)
        top, bottom = map(int, parts)
        return Number(int(whole) + Fraction(top, bottom)) if bottom else None
    if found := _FRACTION.fullmatch(text):
        top_text, bottom_text = (group.replace(" ", "").rstrip(".") for group in found.groups() if group)
        return Number(Fraction(top_text) / Fraction(bottom_text)) if Fraction(bottom_text) else None
    return None


def _plain(found: re.Match[str]) -> Number | None:
    whole = re.sub("[, ]", "", found["whole"] or "0")
    decimals = found["decimals"] or found["only"] or ""
    exponent = int((found["e"] or found["ten"] or "0").replace(" ", ""))
    if abs(exponent) > _LARGEST_EXPONENT or bool(found["open"]) != bool(found["close"]):
        return None
    scale = Fraction(10) ** exponent
    is_rounded = bool(decimals.strip("0")) or found["e"] is not None or (found["ten"] is not None and bool(decimals))
    return Number(
        Fraction(f"{whole}.{decimals or 0}") * scale,
        scale / 10 ** len(decimals) if is_rounded else None,
        found["percent"] is not None,
        len((whole + decimals).lstrip("0")),
    )
