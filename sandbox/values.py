"""Plain data: which values may leave the sandbox, and the text that stands for them.

A value is plain data when it and everything in it is of an exact built-in type, or of one of the few library types
below. Instances of subclasses are refused, so an `__eq__`, `__hash__` or `__repr__` that a program wrote is never
asked. The canonical text is Python source: it is the value's repr wherever that evaluates back to the value, and it
does not depend on hash seeds or addresses (the elements of a set are sorted by their own text).
"""

import datetime
import math
import operator
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

MAX_DIGITS = 4300  # CPython's own limit on the decimal text of an int (sys.int_info.default_max_str_digits)
_INT_BOUND = 10**MAX_DIGITS
_EXACT_REPR = frozenset([type(None), bool, str, bytes])
FACTORIES: dict[Any, str] = {t: t.__name__ for t in (int, float, str, bool, list, tuple, dict, set, bytes, complex)}


class NotDataError(Exception):
    """The value, or something in it, is not plain data."""


class TooLargeError(Exception):
    """The canonical text would be longer than the limit."""


def canonical(value: object, *, limit: int = 1 << 20, nesting: int = 200) -> str:
    """The text that stands for `value`, at most `limit` characters; `nesting` bounds containers within containers.

    Raises NotDataError (a foreign type, a cycle, too deep, an int past MAX_DIGITS) or TooLargeError.
    """
    return _Writer(limit, nesting).write(value, nesting)


class _Writer:
    """One pass over one value. The budget counts text and visits, so shared containers cannot blow it up."""

    def __init__(self, limit: int, nesting: int) -> None:
        self.limit = limit
        self.budget = limit
        self.nesting = nesting

    def write(self, value: Any, depth: int) -> str:
        kind = type(value)
        if kind in _EXACT_REPR:
            if (kind is str or kind is bytes) and len(value) > self.budget:
                self._spend(len(value))  # before a copy of it is made
            text = repr(value)
        elif kind is int:
            text = _integer(value)
        elif kind is float:
            text = _floating(value)
        else:
            writer = _WRITERS.get(kind)
            if writer is None:
                raise NotDataError(f"{type_name(kind)} is not plain data")
            if depth <= 0:
                raise NotDataError(f"nested deeper than {self.nesting} containers, or within itself")
            text = writer(self, value, depth - 1)
            self._spend(2)
            return text
        self._spend(len(text))
        return text

    def items(self, values: Any, depth: int) -> list[str]:
        """The texts of a container's elements."""
        self._spend(2 * len(values))
        write = self.write
        return [write(value, depth) for value in values]

    def pairs(self, mapping: Any, depth: int) -> str:
        """The text of a mapping's items as a dict display, in insertion order (read by dict's own methods)."""
        self._spend(4 * len(mapping))
        write = self.write
        return "{" + ", ".join([f"{write(k, depth)}: {write(v, depth)}" for k, v in dict.items(mapping)]) + "}"

    def _spend(self, characters: int) -> None:
        self.budget -= characters
        if self.budget < 0:
            raise TooLargeError(f"the value's text is longer than {self.limit} characters")


def type_name(kind: type) -> str:
    """A class's name, which a program may have made: asked of `type` itself, and cut."""
    name = type.__dict__["__name__"].__get__(kind)
    return str.__getitem__(name, slice(80))


def integer_in_bounds(value: int) -> int:
    """The integer again. Raises NotDataError for one past MAX_DIGITS."""
    if not -_INT_BOUND < value < _INT_BOUND:
        raise NotDataError(f"an integer of more than {MAX_DIGITS} digits has no decimal text")
    return value


def _integer(value: int) -> str:
    return repr(integer_in_bounds(value))


def _floating(value: float) -> str:
    return repr(value) if math.isfinite(value) else f"float('{value!r}')"


def _complex(_: _Writer, value: complex, __: int) -> str:
    text = repr(value)
    try:
        back = complex(text)
    except ValueError:
        back = 0j
    # Evaluated, a repr loses signed zeros ("-0j" is a negation, and so is "-1j", whose real part is -0.0): those take
    # the constructor.
    plain = math.isfinite(value.real) and math.isfinite(value.imag)
    if plain and back == value and "-0" not in text and not text.startswith("-"):
        return text
    return f"complex({_floating(value.real)}, {_floating(value.imag)})"


def _list(w: _Writer, value: list[Any], depth: int) -> str:
    return "[" + ", ".join(w.items(value, depth)) + "]"


def _tuple(w: _Writer, value: tuple[Any, ...], depth: int) -> str:
    items = w.items(value, depth)
    return f"({items[0]},)" if len(items) == 1 else "(" + ", ".join(items) + ")"


def _set(w: _Writer, value: set[Any], depth: int) -> str:
    return "{" + ", ".join(sorted(w.items(value, depth))) + "}" if value else "set()"


def _frozenset(w: _Writer, value: frozenset[Any], depth: int) -> str:
    return "frozenset({" + ", ".join(sorted(w.items(value, depth))) + "})" if value else "frozenset()"


def _dict(w: _Writer, value: dict[Any, Any], depth: int) -> str:
    return w.pairs(value, depth)


def _counter(w: _Writer, value: Counter[Any], depth: int) -> str:
    if not value:
        return "Counter()"
    counts = dict(dict.items(value))
    if all(type(count) is int for count in counts.values()):
        counts = dict(sorted(counts.items(), key=operator.itemgetter(1), reverse=True))
    return f"Counter({w.pairs(counts, depth)})"


def _ordered_dict(w: _Writer, value: OrderedDict[Any, Any], depth: int) -> str:
    pairs = [f"({w.write(k, depth)}, {w.write(v, depth)})" for k, v in OrderedDict.items(value)]
    return "OrderedDict([" + ", ".join(pairs) + "])" if pairs else "OrderedDict()"


def _default_dict(w: _Writer, value: defaultdict[Any, Any], depth: int) -> str:
    # Equality ignores the factory. One that has no plain name, a lambda say, is written as None.
    factory = value.default_factory
    name = FACTORIES.get(factory, "None") if type(factory) is type else "None"
    return f"defaultdict({name}, {w.pairs(value, depth)})"


def _deque(w: _Writer, value: deque[Any], depth: int) -> str:
    items = "[" + ", ".join(w.items(value, depth)) + "]"
    return f"deque({items})" if value.maxlen is None else f"deque({items}, maxlen={value.maxlen})"


def _range(_: _Writer, value: range, __: int) -> str:
    for bound in (value.start, value.stop, value.step):
        _integer(bound)
    return repr(value)


def _fraction(_: _Writer, value: Fraction, __: int) -> str:
    top, bottom = value.numerator, value.denominator
    if type(top) is not int or type(bottom) is not int:
        raise NotDataError("a Fraction whose parts are not integers")
    return f"Fraction({_integer(top)}, {_integer(bottom)})"


def _repr(_: _Writer, value: object, __: int) -> str:
    return repr(value)


def _clock(_: _Writer, value: Any, __: int) -> str:
    if value.tzinfo is not None:
        raise NotDataError("a time with a time zone is not plain data")
    return repr(value)


_WRITERS: dict[type, Callable[[_Writer, Any, int], str]] = {
    list: _list,
    tuple: _tuple,
    dict: _dict,
    set: _set,
    frozenset: _frozenset,
    complex: _complex,
    bytearray: _repr,
    range: _range,
    Counter: _counter,
    OrderedDict: _ordered_dict,
    defaultdict: _default_dict,
    deque: _deque,
    Fraction: _fraction,
    Decimal: _repr,
    datetime.date: _repr,
    datetime.timedelta: _repr,
    datetime.datetime: _clock,
    datetime.time: _clock,
}
