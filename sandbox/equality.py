"""When two plain values are equal: as Python's `==` says, and every nan equals every nan.

Every verdict comes from here, in the user's process, of values that were decoded (sandbox/encoding.py) or read
(sandbox/literals.py) there. A child asks only whether its own two runs of a call agree.
"""

import math
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from sandbox.values import canonical


def equal(a: Any, b: Any) -> bool:
    """Whether two plain values are equal, nan included, wherever in them it stands. Never raises on plain values."""
    try:
        if a == b:
            return True
    except ArithmeticError:  # a signalling Decimal nan refuses to be compared
        pass
    return bool(_without_nan(a) == _without_nan(b))


class _Nan:
    """What stands for every nan: equal to itself."""

    def __repr__(self) -> str:
        return "nan"


_NAN = _Nan()


def _without_nan(value: Any) -> Any:
    """The value with what is equal exactly where the value is, and `==` of its own for every nan."""
    rewrite = _REWRITERS.get(type(value))
    return value if rewrite is None else rewrite(value)


def _decimal(value: Decimal) -> Any:
    return _NAN if value.is_nan() else value


def _floating(value: float) -> Any:
    return _NAN if value != value else value


def _complex(value: complex) -> Any:
    if not (math.isnan(value.real) or math.isnan(value.imag)):
        return value
    return (_NAN, _floating(value.real), _floating(value.imag)) if value.imag else _NAN


def _set(values: Any) -> Any:
    rewritten = frozenset(map(_without_nan, values))
    return rewritten if len(rewritten) == len(values) else (_NAN, sorted(map(_text, values)))


def _mapping(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def rewrite(mapping: Any) -> Any:
        pairs = [(_without_nan(key), _without_nan(value)) for key, value in mapping.items()]
        rewritten = kind(pairs)
        if len(rewritten) == len(pairs):
            return rewritten
        # Several keys are nan: which value belongs to which cannot be asked, so their texts decide.
        return (_NAN, sorted((_text(key), _text(value)) for key, value in mapping.items()))

    return rewrite


def _text(value: Any) -> str:
    return canonical(value, limit=sys.maxsize)


_REWRITERS: dict[type, Callable[[Any], Any]] = {
    float: _floating,
    complex: _complex,
    Decimal: _decimal,
    list: lambda values: list(map(_without_nan, values)),
    tuple: lambda values: tuple(map(_without_nan, values)),
    deque: lambda values: deque(map(_without_nan, values)),
    set: _set,
    frozenset: _set,
    dict: _mapping(dict),
    defaultdict: _mapping(dict),
    OrderedDict: _mapping(OrderedDict),
    Counter: _mapping(lambda pairs: Counter(dict(pairs))),
}
