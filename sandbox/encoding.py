"""Plain data as JSON text, written where hostile code runs and read where it does not.

A value of JSON stands for itself: null, true, numbers, strings, and arrays for lists. Every other type is an object
with one key, its tag: `{"t": [1, 2]}` is a tuple, `{"d": [key, value, ...]}` a dict. The set of tags is closed,
nothing else can be written down, and each is read into exactly the type that was written. JSON holds no reference, so
what is read is no larger than its text.

What is read may be forged in every bit. Reading raises EncodingError and nothing else, builds nothing larger than the
text, converts no number longer than CPython writes one, and gives up where keys were chosen so that a table of them
takes quadratic time.
"""

import datetime
import json
import math
import operator
import time
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

from sandbox.values import FACTORIES, MAX_DIGITS, NotDataError, TooLargeError, integer_in_bounds, type_name

# Processor time for all sets and dicts of one text, and for each key; honest ones take a fifth.
_TABLE_S, _KEY_S = 0.25, 1e-6
_TABLE_STEP = 16  # keys between two looks at the clock
_SMALL_TABLE = 64  # keys that cannot take long, however they were chosen
SET_TAG, FROZENSET_TAG = '{"s":', '{"z":'  # in an encoding these can stand nowhere else: a string's quotes are escaped
_string: Callable[[str], str] = json.encoder.encode_basestring


class EncodingError(ValueError):
    """The text is not the encoding of a plain value."""


# -- writing ----------------------------------------------------------------------------------------------------------


def encode(value: object, *, limit: int = 1 << 22, nesting: int = 200) -> str:
    """The JSON text of `value`, at most about `limit` characters; `nesting` bounds containers within containers.

    Raises NotDataError (a foreign type, a cycle, too deep, an int past MAX_DIGITS) or TooLargeError, as `canonical`.
    """
    if type(value) is str and len(value) <= limit:  # most values, and the rest of this file stays untouched
        return _string(value)
    return _Encoder(limit, nesting).write(value, nesting)


class _Encoder:
    """One pass over one value. The budget counts text and visits, so shared containers cannot blow it up."""

    def __init__(self, limit: int, nesting: int) -> None:
        self.limit = limit
        self.budget = limit
        self.nesting = nesting

    def write(self, value: Any, depth: int) -> str:
        kind = type(value)
        if kind is str:
            self.spend(len(value))  # before a copy of it is made
            return _string(value)
        if kind is int:
            text = repr(integer_in_bounds(value))
        elif kind is float:
            text = _floating(value)
        elif value is None:
            text = "null"
        elif kind is bool:
            text = "true" if value else "false"
        else:
            writer = _WRITERS.get(kind)
            if writer is None:
                raise NotDataError(f"{type_name(kind)} is not plain data")
            if depth <= 0:
                raise NotDataError(f"nested deeper than {self.nesting} containers, or within itself")
            self.spend(2)
            return writer(self, value, depth - 1)
        self.spend(len(text))
        return text

    def array(self, values: Any, depth: int) -> str:
        """The texts of a container's elements, as an array."""
        self.spend(len(values))
        write = self.write
        return "[" + ",".join([write(value, depth) for value in values]) + "]"

    def sorted_array(self, values: Any, depth: int) -> str:
        """As `array`, in an order that depends on the values alone: whoever reads it builds the same set."""
        self.spend(len(values))
        write = self.write
        return "[" + ",".join(sorted([write(value, depth) for value in values])) + "]"

    def pairs(self, mapping: Any, depth: int, items: Callable[[Any], Iterable[tuple[Any, Any]]] = dict.items) -> str:
        """The texts of a mapping's keys and values in turn, as an array."""
        self.spend(2 * len(mapping))
        write = self.write
        return "[" + ",".join([f"{write(k, depth)},{write(v, depth)}" for k, v in items(mapping)]) + "]"

    def spend(self, characters: int) -> None:
        self.budget -= characters
        if self.budget < 0:
            raise TooLargeError(f"the value's text is longer than {self.limit} characters")


def _floating(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _bytes(w: _Encoder, value: bytes | bytearray) -> str:
    w.spend(len(value))
    return _string(value.decode("latin-1"))


def _factory(value: defaultdict[Any, Any]) -> str:
    factory = value.default_factory
    return _string(FACTORIES.get(factory, "None") if type(factory) is type else "None")


def _fraction(value: Fraction) -> str:
    top, bottom = value.numerator, value.denominator
    if type(top) is not int or type(bottom) is not int:
        raise NotDataError("a Fraction whose parts are not integers")
    return f'{{"F":[{integer_in_bounds(top)!r},{integer_in_bounds(bottom)!r}]}}'


def _range(value: range) -> str:
    bounds = [integer_in_bounds(bound) for bound in (value.start, value.stop, value.step)]
    return f'{{"r":{bounds!r}}}'


def _naive(value: Any) -> Any:
    if value.tzinfo is not None:
        raise NotDataError("a time with a time zone is not plain data")
    return value


def _datetime(value: datetime.datetime) -> str:
    v = _naive(value)
    return f'{{"w":[{v.year},{v.month},{v.day},{v.hour},{v.minute},{v.second},{v.microsecond},{v.fold}]}}'


def _time(value: datetime.time) -> str:
    v = _naive(value)
    return f'{{"h":[{v.hour},{v.minute},{v.second},{v.microsecond},{v.fold}]}}'


_WRITERS: dict[type, Callable[[_Encoder, Any, int], str]] = {
    list: lambda w, v, d: w.array(v, d),
    tuple: lambda w, v, d: f'{{"t":{w.array(v, d)}}}',
    dict: lambda w, v, d: f'{{"d":{w.pairs(v, d)}}}',
    set: lambda w, v, d: f"{SET_TAG}{w.sorted_array(v, d)}}}",
    frozenset: lambda w, v, d: f"{FROZENSET_TAG}{w.sorted_array(v, d)}}}",
    bytes: lambda w, v, _: f'{{"b":{_bytes(w, v)}}}',
    bytearray: lambda w, v, _: f'{{"B":{_bytes(w, v)}}}',
    complex: lambda _, v, __: f'{{"c":[{_floating(v.real)},{_floating(v.imag)}]}}',
    range: lambda _, v, __: _range(v),
    Counter: lambda w, v, d: f'{{"C":{w.pairs(v, d)}}}',
    OrderedDict: lambda w, v, d: f'{{"O":{w.pairs(v, d, OrderedDict.items)}}}',
    defaultdict: lambda w, v, d: f'{{"D":[{_factory(v)},{w.pairs(v, d)}]}}',
    deque: lambda w, v, d: f'{{"q":[{json.dumps(v.maxlen)},{w.array(v, d)}]}}',
    Fraction: lambda _, v, __: _fraction(v),
    Decimal: lambda _, v, __: f'{{"m":{_string(str(v))}}}',
    datetime.date: lambda _, v, __: f'{{"y":[{v.year},{v.month},{v.day}]}}',
    datetime.timedelta: lambda _, v, __: f'{{"p":[{v.days},{v.seconds},{v.microseconds}]}}',
    datetime.datetime: lambda _, v, __: _datetime(v),
    datetime.time: lambda _, v, __: _time(v),
}


# -- reading ----------------------------------------------------------------------------------------------------------


def decode(text: str) -> Any:
    """The value that `text` encodes. Raises EncodingError, whatever the text is."""
    return Decoder().decode(text)


class Decoder:
    """Reads what one party wrote: its texts share one allowance of time. `decode` raises EncodingError alone."""

    def __init__(self) -> None:
        self.tables = Tables()

    def decode(self, text: str) -> Any:
        """The value that `text` encodes."""
        decoder = self._json if "{" in text else _WITHOUT_TAGS
        try:
            value, end = decoder.raw_decode(text)
            if end != len(text):
                raise EncodingError("more than one value")
            return value
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError) as error:
            raise EncodingError(f"not the encoding of plain data: {str(error)[:200]}") from error

    @cached_property
    def _json(self) -> json.JSONDecoder:
        return json.JSONDecoder(object_pairs_hook=self._tagged, parse_int=_int, parse_constant=_constant)

    def _tagged(self, pairs: list[tuple[str, Any]]) -> Any:
        """The value of an object of JSON, whose parts are read already."""
        ((tag, body),) = pairs
        if tag in _TEXT_READERS:
            return _TEXT_READERS[tag](_exactly(str, body))
        body = _exactly(list, body)
        if tag == "t":
            return tuple(body)
        if tag in _MAPPINGS:
            return self._mapping(tag, body)
        if tag == "s":
            return self.tables.set(body)
        if tag == "z":
            return frozenset(self.tables.set(body))
        if tag == "q":
            maxlen, items = body
            return deque(_exactly(list, items), None if maxlen is None else _exactly(int, maxlen))
        if tag == "D":
            name, items = body
            return defaultdict(_FACTORIES[_exactly(str, name)], self.tables.dict(_flat(_exactly(list, items))))
        if tag not in _NUMBER_READERS:
            raise EncodingError("an unknown tag")
        kind, read = _NUMBER_READERS[tag]
        return read(*[_exactly(kind, number) for number in body])

    def _mapping(self, tag: str, body: list[Any]) -> Any:
        table = self.tables.dict(_flat(body))
        return table if tag == "d" else _MAPPINGS[tag](table)


class Tables:
    """Makes sets and dicts of keys that may be hostile.

    Keys with one hash, or with hashes that were chosen well, make each insertion as slow as the table is long. No rule
    for keys tells these from others, but the clock does: an allowance of processor time, which machine's load leaves
    alone, for all tables together. Raises EncodingError beyond it, TypeError where a key cannot be hashed.
    """

    def __init__(self) -> None:
        self.left_s = _TABLE_S

    def set(self, keys: Any) -> set[Any]:
        """The set of the keys of a sequence."""
        if len(keys) <= _SMALL_TABLE:
            return set(keys)
        table: set[Any] = set()
        self._fill(table.update, keys)
        return table

    def dict(self, pairs: Any) -> dict[Any, Any]:
        """The dict of a sequence of pairs of key and value."""
        if len(pairs) <= _SMALL_TABLE:
            return dict(pairs)
        table: dict[Any, Any] = {}
        self._fill(table.update, pairs)
        return table

    def _fill(self, update: Callable[[Any], None], parts: Any) -> None:
        end = time.thread_time() + self.left_s + len(parts) * _KEY_S
        for start in range(0, len(parts), _TABLE_STEP):
            update(parts[start : start + _TABLE_STEP])
            if time.thread_time() > end:
                raise EncodingError("keys that were chosen to make a table slow")
        self.left_s = min(self.left_s, end - time.thread_time())


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS + 1:
        raise EncodingError("an integer that is too long")
    return int(digits)


def _constant(name: str) -> float:
    return float(name)  # a new nan each time, so that a set keeps as many as it had


_WITHOUT_TAGS = json.JSONDecoder(parse_int=_int, parse_constant=_constant)  # making one takes longer than most texts


def _exactly(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise EncodingError("a part of another type than its tag asks for")
    return value


def _flat(items: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(items[::2], items[1::2], strict=True))


def _datetime_of(year: int, month: int, day: int, h: int, m: int, s: int, us: int, fold: int) -> datetime.datetime:
    return datetime.datetime(year, month, day, h, m, s, us, fold=fold)


def _time_of(h: int, m: int, s: int, us: int, fold: int) -> datetime.time:
    return datetime.time(h, m, s, us, fold=fold)


def _fraction_of(top: int, bottom: int) -> Fraction:
    return Fraction(top, bottom)


def _range_of(start: int, stop: int, step: int) -> range:
    return range(start, stop, step)


def _timedelta_of(days: int, seconds: int, microseconds: int) -> datetime.timedelta:
    return datetime.timedelta(days, seconds, microseconds)


def _complex_of(real: float, imag: float) -> complex:
    return complex(real, imag)


_FACTORIES: dict[str, Any] = {"None": None, **{name: factory for factory, name in FACTORIES.items()}}
_MAPPINGS: dict[str, Callable[[Any], Any]] = {"d": dict, "C": Counter, "O": OrderedDict}
_TEXT_READERS: dict[str, Callable[[str], Any]] = {
    "b": operator.methodcaller("encode", "latin-1"),
    "B": lambda text: bytearray(text, "latin-1"),
    "m": Decimal,
}
_NUMBER_READERS: dict[str, tuple[type, Callable[..., Any]]] = {
    "c": (float, _complex_of),
    "r": (int, _range_of),
    "F": (int, _fraction_of),
    "y": (int, datetime.date),
    "p": (int, _timedelta_of),
    "w": (int, _datetime_of),
    "h": (int, _time_of),
}
