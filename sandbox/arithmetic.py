"""Reading a value that someone wrote down as a calculation, for answers that a public harness would have evaluated.

Literals (sandbox/literals.py) and bounded arithmetic on them. The text is hostile: what is computed has a size, and all
of it a limit, which is looked at before anything is built.
"""

import ast
import datetime
import math
import operator
import re
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sandbox.arguments import Arguments
from sandbox.literals import SIGNS, LiteralReader, reading, sequence
from sandbox.values import MAX_DIGITS, NotDataError

MAX_COMPUTED_SIZE = 1_000_000  # elements and characters that a text may compute, all together
MAX_COMPUTED_BITS = 20_000  # bits of a computed integer, or of both parts of a Fraction


def compute_value(text: str, *, nesting: int = 200) -> Any:
    """The value of a literal or of bounded arithmetic on literals. Raises as `read_value`."""
    return reading(text, _ArithmeticReader(nesting).value)


def compute_arguments(text: str, *, nesting: int = 200) -> Arguments:
    """As `read_arguments`, with bounded arithmetic."""
    return reading(text, _ArithmeticReader(nesting).arguments)


class _ArithmeticReader(LiteralReader):
    """Literals and bounded calculation on them. What is computed has a size, and all of it a limit."""

    def __init__(self, nesting: int) -> None:
        super().__init__(nesting)
        self.left = MAX_COMPUTED_SIZE
        self.constructors |= {
            "int": lambda *args: int(*map(_bounded_number, args)),
            "float": lambda value=0.0: float(_bounded_number(value)),
            "bool": bool,
            "str": lambda value="": str(_scalar(value)),
            "complex": complex,
            "Decimal": Decimal,
            "Fraction": lambda *args: Fraction(*map(_bounded_number, args)),
            "list": lambda items=(): list(self._ordered(items)),
            "tuple": lambda items=(): tuple(self._ordered(items)),
            "bytes": lambda items=b"": bytes(self._octets(items)),
            "bytearray": lambda items=b"": bytearray(self._octets(items)),
            "set": lambda items=(): self.tables.set(self._spread(items)),
            "frozenset": lambda items=(): frozenset(self.tables.set(self._spread(items))),
            "deque": lambda items=(), maxlen=None: deque(self._ordered(items), maxlen),
            "dict": self._table,
            "OrderedDict": lambda items=(), **named: OrderedDict(self._table(items, **named)),
            "Counter": self._counter,
            "defaultdict": lambda factory=None, items=(), **named: defaultdict(factory, self._table(items, **named)),
        }

    def _elements(self, nodes: list[ast.expr], depth: int) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, ast.Starred):
                yield from self._ordered(self.read(node.value, depth))
            else:
                yield self.read(node, depth)

    def _unaryop(self, node: ast.UnaryOp, depth: int) -> Any:
        return _UNARY[type(node.op)](self.read(node.operand, depth))

    def _binop(self, node: ast.BinOp, depth: int) -> Any:
        apply = _BINARY.get(type(node.op))
        if apply is None:
            raise NotDataError(f"{type(node.op).__name__} has no place in a literal")
        left, right = self.read(node.left, depth), self.read(node.right, depth)
        if type(left) not in _OPERANDS or type(right) not in _OPERANDS:
            raise NotDataError("arithmetic in a literal is for numbers and sequences")
        if type(left) in _SEQUENCES or type(right) in _SEQUENCES:
            self._spend(_size_of_result(node.op, left, right))
        else:
            _bound_bits(node.op, left, right)
        return apply(left, right)

    def _attribute(self, node: ast.Attribute, depth: int) -> Any:
        if isinstance(node.value, ast.Name) and node.value.id == "math" and node.attr in ("pi", "e"):
            return getattr(math, node.attr)
        return super()._attribute(node, depth)

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise NotDataError(f"a text may not compute more than {MAX_COMPUTED_SIZE} elements")

    def _spread(self, items: Any) -> list[Any]:
        """The elements of whatever can be iterated, once there is room for them."""
        self._spend(_size(items))
        return list(items)

    def _ordered(self, items: Any) -> list[Any]:
        """The elements of what has an order of its own."""
        if type(items) in (set, frozenset) and len(items) > 1:
            raise NotDataError("a set has no order in which to be spread out")
        return self._spread(items)

    def _octets(self, items: Any) -> Any:
        if type(items) is int:
            self._spend(items)
            return items
        return items if type(items) in (bytes, bytearray) else self._ordered(items)

    def _table(self, items: Any = (), **named: Any) -> dict[Any, Any]:
        if isinstance(items, dict):
            self._spend(_size(items))
            pairs = list(items.items())
        else:
            pairs = [(key, value) for key, value in map(sequence, self._ordered(items))]
        return self.tables.dict([*pairs, *named.items()])

    def _counter(self, items: Any = (), **named: Any) -> Counter[Any]:
        if isinstance(items, dict):
            return Counter(self._table(items, **named))
        elements = self._spread(items)
        self.tables.set(elements)  # what is slow to count is slow to put into a set, where it is noticed
        counts = Counter(elements)
        counts.update(named)
        return counts


_UNARY: dict[type, Callable[[Any], Any]] = {
    **SIGNS,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.BitOr: operator.or_,
}
_SEQUENCES = (str, bytes, list, tuple, set, frozenset)
_OPERANDS = (bool, int, float, complex, Fraction, Decimal, datetime.timedelta, *_SEQUENCES)
_EXPONENT = re.compile(r"[eE][+-]?0*([0-9_]*)")


def _size(value: Any) -> int:
    """How many elements and characters there are to visit in a value."""
    if isinstance(value, (str, bytes, bytearray, range)):
        return len(value)
    if isinstance(value, dict):
        return sum(1 + _size(key) + _size(item) for key, item in value.items())
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return sum(1 + _size(item) for item in value)
    return 0


def _size_of_result(operation: ast.operator, left: Any, right: Any) -> int:
    if isinstance(operation, ast.Mult):
        sequence, count = (left, right) if type(left) in _SEQUENCES else (right, left)
        return _size(sequence) * max(count, 0) if isinstance(count, int) else 0
    return _size(left) + _size(right)


def _bits(value: Any) -> int:
    if isinstance(value, int):
        return value.bit_length()
    return value.numerator.bit_length() + value.denominator.bit_length() if type(value) is Fraction else 0


def _bound_bits(operation: ast.operator, left: Any, right: Any) -> None:
    """Refuse an operation on numbers whose exact result may be too long."""
    bits = _bits(left) + _bits(right)
    if isinstance(operation, ast.Pow) and (type(left) is Decimal or type(right) is Decimal):
        raise NotDataError("a literal raises no Decimal to a power")
    if isinstance(operation, ast.Pow) and isinstance(right, (int, Fraction)):
        exponent: Any = abs(right)
        bits = _bits(left) * max(math.ceil(exponent), 1)
    elif isinstance(operation, ast.LShift) and isinstance(right, int):
        bits = _bits(left) + max(right, 0)
    if bits > MAX_COMPUTED_BITS:
        raise NotDataError("an integer in a literal is too large")


def _scalar(value: Any) -> Any:
    """What str() writes without looking into anything."""
    if type(value) not in (str, int, float, bool, type(None), complex, Fraction, Decimal):
        raise NotDataError("str() in a literal is for numbers")
    return value


def _bounded_number(value: Any) -> Any:
    """A number, or a text that is one, whose exact value is not long."""
    if type(value) is Decimal and value.is_finite() and abs(value.adjusted()) > MAX_DIGITS:
        raise NotDataError("a Decimal in a literal is too large")
    if type(value) is str:
        if len(value) > MAX_DIGITS:
            raise NotDataError("a number in a literal is too long")
        for digits in _EXPONENT.findall(value):
            if len(digits) > len(str(MAX_DIGITS)) or int(digits or "0") > MAX_DIGITS:
                raise NotDataError("a number in a literal is too large")
    return value
