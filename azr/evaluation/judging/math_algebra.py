"""Equality of expressions by algebra: latex2sympy2 (math-verify's) reads them, and values at high precision decide.

Runs in the grader's process: algebra on such text can hang, and raises anything.
"""

import random
import re
from fractions import Fraction

import sympy
from latex2sympy2_extended import latex2sympy
from latex2sympy2_extended.latex2sympy2 import ConversionConfig
from math_verify import verify
from sympy.core.function import AppliedUndef

from azr.evaluation.judging.math_number import ROUNDED, Number, is_rounding

_DIGITS = 60
_EXACT = sympy.Float(10) ** -45
_FINEST = 2000  # digits: two constants that agree so far in their difference are equal
_POINTS = 5
_DECIMAL = re.compile(r"(?<![\d.])(\d*)\.(\d+)(?!\d*\.)")
_BASED = re.compile(r"\d\s*_\s*\{?\s*\d")
_CIS = re.compile(r"\\text\s*\{\s*cis\s*\}\s*(\([^()]*\)|[^()+,=-]+)")  # cos + i sin
# Operators that leave the work to whoever evaluates them.
_UNEVALUATED = re.compile(
    r"\\(?:sum|prod|i{0,3}int|oint|lim|limsup|liminf|binom|choose|dbinom|tbinom|det|gcd|lcm|max|min|bmod|mod)(?![A-Za-z])"
    r"|\\begin\{[vV]matrix\}|\\text\{\s*(?:lcm|gcd|det|max|min|lim)\s*\}"
)
_LIMIT = re.compile(r"\\lim\s*_\s*\{[^{}]*\}")  # its arrow is no mapping's
# sympy takes the greatest common divisor of a and b for one of polynomials, 1.
_DIVISOR_OF_NAMES = re.compile(r"(?:\\gcd|\\text\s*\{\s*(?:gcd|lcm)\s*\}|\\lcm)\s*\(?[^()]*[A-Za-z]")
# Marks of what is more than one value, or no value: never read in part.
_UNREADABLE = re.compile(
    r"\\(?:ldots|pmod|pod|equiv|cong|to|neq|not|mid|nmid|propto|parallel|perp|implies|iff|forall|exists|sim|pm|mp|ll|gg|"
    r"subset|subseteq|supset|Rightarrow|Leftrightarrow|leftarrow|downarrow|uparrow|newline|cases)(?![A-Za-z])"
    r"|\\begin\{(?:cases|array|aligned|align|gathered|matrix)|\\\\|[:?&#]"
)


def is_unevaluated(text: str) -> bool:
    """Whether an expression has an operator that must still be carried out: a sum, integral, limit, binomial, ..."""
    return _UNEVALUATED.search(text) is not None


def is_readable(text: str) -> bool:
    r"""Whether a text can be one value or relation: no \\ldots, cases, \\pmod, arrow, \\neq, ratio."""
    patterns = (_UNREADABLE, _BASED, _DIVISOR_OF_NAMES)
    return not any(pattern.search(_LIMIT.sub("", text)) for pattern in patterns)


def read_expression(text: str) -> sympy.Basic | None:
    """The expression that a braced text is as a whole; None where the parser can't read all of it."""
    if not is_readable(text):
        return None
    text = _DECIMAL.sub(lambda m: rf"\frac{{{int(m[1] + m[2])}}}{{{10 ** len(m[2])}}}", text)
    text = re.sub(r"(\d|\})\s*\^\{\\circ\}", r"\1 \\cdot \\frac{\\pi}{180}", text)
    text = _CIS.sub(r"e^{i(\1)}", text)
    text = text.replace("'", "^{\\prime}")
    try:
        found = latex2sympy(
            text, normalization_config=None, conversion_config=ConversionConfig(lowercase_symbols=False)
        )
        if not isinstance(found, sympy.Basic):
            return None
        return _with_names(found)
    except Exception:  # the parser raises anything on what it can't read
        return None


def same_value(reference: str, answer: str, is_rounded: bool, number: Number | None = None) -> bool:
    """Whether two braced texts are expressions of one value.

    `is_rounded` allows a relative 1e-4; `number` is the answer where it is a plain decimal, which may be the reference
    rounded. All else must agree to 45 digits, at five points where there are variables.
    """
    if is_unevaluated(answer) and not is_unevaluated(reference) and not _has_closed_form(answer):
        return False
    wanted, given = read_expression(reference), read_expression(answer)
    if wanted is None or given is None:
        return False
    if _is_complex_in_j(wanted, given):
        given = given.subs(sympy.Symbol("j"), sympy.I)
    if wanted.free_symbols or given.free_symbols:
        return _agree(wanted, given, is_rounded)
    if not isinstance(wanted, sympy.Expr) or not isinstance(given, sympy.Expr):
        return bool(wanted == given)
    if number is not None and number.last_place is not None and not is_rounded:
        return _is_rounding_of(wanted, number)
    return _close(wanted, given, is_rounded)


def same_relation(reference: tuple[str, str], answer: tuple[str, str]) -> int | None:
    """How two equations (left and right side) relate: 1 if they are the same, -1 if turned round, None if different.

    Both are lhs - rhs compared with 0; that of one must be a constant multiple of the other's, whose sign is returned.
    """
    sides = [side for text in (*reference, *answer) if isinstance(side := read_expression(text), sympy.Expr)]
    if len(sides) < 4:
        return None
    wanted, given = sides[0] - sides[1], sides[2] - sides[3]
    if wanted.free_symbols != given.free_symbols or not wanted.free_symbols:
        return None
    ratios = [w / g for w, g in _values(wanted, given) if g != 0]
    if len(ratios) < 2 or any(abs(ratio - ratios[0]) > _EXACT * abs(ratios[0]) for ratio in ratios):
        return None
    return 1 if sympy.re(ratios[0]) > 0 else -1


def same_set(reference: str, answer: str) -> bool:
    """Whether two texts are the same set of numbers, by math-verify."""
    wanted, given = read_expression(reference), read_expression(answer)
    if not isinstance(wanted, sympy.Set) or not isinstance(given, sympy.Set):
        return False
    return bool(verify(wanted, given, timeout_seconds=None))


def numeric(text: str) -> sympy.Expr | None:
    """The value of a constant expression to 60 digits, None where it has variables or can't be read."""
    found = read_expression(text)
    if not isinstance(found, sympy.Expr) or found.free_symbols:
        return None
    return _evaluated(found)


def _with_names(found: sympy.Basic) -> sympy.Basic:
    """i is the imaginary unit; a function without a definition and a derivative are variables of their own."""
    found = found.replace(
        lambda part: isinstance(part, (AppliedUndef, sympy.Derivative)), lambda part: sympy.Symbol(f"<{part}>")
    )
    return found.subs(sympy.Symbol("i"), sympy.I)


def _has_closed_form(text: str) -> bool:
    r"""Whether only binomials of variables are left to evaluate: \binom{n}{2} is as closed as n(n-1)/2."""
    rest = re.sub(r"\\[dt]?binom\s*\{[^{}]*[A-Za-z][^{}]*\}\s*\{[^{}]*\}", "", text)
    return not is_unevaluated(rest)


def _is_complex_in_j(wanted: sympy.Basic, given: sympy.Basic) -> bool:
    return bool(wanted.has(sympy.I)) and not wanted.free_symbols and given.free_symbols == {sympy.Symbol("j")}


def _agree(wanted: sympy.Basic, given: sympy.Basic, is_rounded: bool) -> bool:
    if wanted == given:
        return True
    if wanted.free_symbols != given.free_symbols:
        return False
    if not isinstance(wanted, sympy.Expr) or not isinstance(given, sympy.Expr):
        return bool(verify(wanted, given, timeout_seconds=None))
    values = _values(wanted, given)
    allowed = sympy.Float(ROUNDED.numerator) / ROUNDED.denominator if is_rounded else _EXACT
    return len(values) >= 2 and all(abs(w - g) <= allowed * max(abs(w), abs(g)) for w, g in values)


def _values(wanted: sympy.Expr, given: sympy.Expr) -> list[tuple[sympy.Expr, sympy.Expr]]:
    """Both expressions' values at the same points, where both are finite."""
    symbols = sorted(wanted.free_symbols | given.free_symbols, key=str)
    wanted, given = wanted.doit(), given.doit()
    draw = random.Random(" ".join(map(str, symbols)))
    steps = wanted.has(sympy.floor, sympy.ceiling, sympy.Mod) or given.has(sympy.floor, sympy.ceiling, sympy.Mod)
    roots = any(
        expression.has(sympy.log) or any(not power.exp.is_integer for power in expression.atoms(sympy.Pow))
        for expression in (wanted, given)
    )
    values = []
    for number in range(3 * _POINTS if steps else _POINTS):
        lowest = -3000 if not roots and number % 2 else 300
        point = {
            symbol: sympy.Integer(draw.randint(1, 40)) if steps else sympy.Rational(draw.randint(lowest, 3000), 1009)
            for symbol in symbols
        }
        pair = _evaluated(wanted.subs(point)), _evaluated(given.subs(point))
        if all(value is not None and value.is_finite for value in pair):
            values.append(pair)
    return values


def _close(wanted: sympy.Expr, given: sympy.Expr, is_rounded: bool) -> bool:
    w, g = _evaluated(wanted), _evaluated(given)
    if w is None or g is None:
        return False
    if not (w.is_finite and g.is_finite):
        return bool(w == g) and w is not sympy.nan and w is not sympy.zoo
    if w == 0 or g == 0:
        return sympy.simplify(wanted - given) == 0
    if is_rounded:
        return bool(abs(w - g) <= sympy.Float(ROUNDED.numerator) / ROUNDED.denominator * abs(w))
    return bool(abs(w - g) <= _EXACT * abs(w)) and _vanishes(wanted.doit() - given.doit())


def _vanishes(difference: sympy.Expr) -> bool:
    """Whether a constant is zero: exactly, or as far as 2,000 digits show (100! + 1 is not 100!)."""
    if difference.is_Rational:
        return bool(difference == 0)
    value = difference.evalf(15, maxn=_FINEST)
    return all(part == 0 or part._prec == 1 for part in value.as_real_imag())


def _is_rounding_of(wanted: sympy.Expr, number: Number) -> bool:
    value = _evaluated(wanted)
    if value is None or not value.is_real or not value.is_finite:
        return False
    exact = Fraction(str(sympy.Rational(str(value))))
    return exact == number.value or is_rounding(exact, number)


def _evaluated(expression: sympy.Expr) -> sympy.Expr | None:
    value = sympy.N(expression.doit(), _DIGITS)
    return value if value.is_number and not value.has(sympy.Symbol) else None
