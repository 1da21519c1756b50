"""Reading a value that someone wrote down, without evaluating anything that is not plain data."""

import ast
import datetime
import math
import operator
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sandbox.values import FACTORIES, NotDataError

MAX_LITERAL_SIZE = 1_000_000  # items of a repeated sequence
MAX_LITERAL_BITS = 20_000  # bits of a computed integer


def literal(text: str, *, nesting: int = 200) -> Any:
    """The value that `text` writes down: constants, displays, arithmetic on them, and constructors of plain data.

    Nothing else is evaluated: no names but the constructors', no comprehension, no attribute but a known module's.
    Raises NotDataError where the text is another kind of expression or its value is too large, SyntaxError (ValueError
    for a null byte) where it is none at all, and what the constructor raises where its arguments are wrong.
    """
    return _Reader().read(ast.parse(text.strip(), mode="eval").body, nesting)


def _bounded_multiply(a: Any, b: Any) -> Any:
    for sequence, count in ((a, b), (b, a)):
        if isinstance(sequence, (str, bytes, list, tuple)):
            if type(count) is int and len(sequence) * count > MAX_LITERAL_SIZE:
                raise NotDataError("a repeated sequence in a literal is too long")
            return a * b
    _bounded_bits(a, b, operator.add)
    return a * b


def _bounded_power(a: Any, b: Any) -> Any:
    _bounded_bits(a, b, lambda bits, _: bits * abs(b))
    return a**b


def _bounded_shift(a: Any, b: Any) -> Any:
    if type(b) is int and b > MAX_LITERAL_BITS:
        raise NotDataError("an integer in a literal is too large")
    return a << b


def _bounded_bits(a: Any, b: Any, combine: Callable[[int, int], int]) -> None:
    if isinstance(a, int) and isinstance(b, int) and combine(a.bit_length(), b.bit_length()) > MAX_LITERAL_BITS:
        raise NotDataError("an integer in a literal is too large")


_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _bounded_multiply,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: _bounded_power,
    ast.LShift: _bounded_shift,
    ast.BitOr: operator.or_,
}
_UNARY: dict[type, Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_OPERANDS = (bool, int, float, complex, Fraction, Decimal, str, bytes, list, tuple, set, frozenset, datetime.timedelta)


def _sized(constructor: Callable[..., Any]) -> Callable[..., Any]:
    """`constructor` for data already at hand; a bare int would ask bytes and bytearray for that many zeros."""

    def construct(*args: Any) -> Any:
        if args and type(args[0]) is range and len(args[0]) > MAX_LITERAL_SIZE:
            raise NotDataError("a range in a literal is too long to be spread out")
        if args and type(args[0]) is int and args[0] > MAX_LITERAL_SIZE and constructor in (bytes, bytearray):
            raise NotDataError("a literal asks for too many bytes")
        return constructor(*args)

    return construct


_CONSTRUCTORS: dict[str, Callable[..., Any]] = {
    "int": int,
    "float": float,
    "bool": bool,
    "complex": complex,
    "str": str,
    "range": range,
    "OrderedDict": OrderedDict,
    "defaultdict": defaultdict,
    "dict": dict,
    "Fraction": Fraction,
    "Decimal": Decimal,
    **{kind.__name__: _sized(kind) for kind in (list, tuple, set, frozenset, bytes, bytearray, Counter)},
    "deque": lambda items=(), maxlen=None: _sized(lambda i: deque(i, maxlen))(items),
}
_MODULE_CONSTRUCTORS: dict[tuple[str, str], Callable[..., Any]] = {
    ("datetime", "date"): datetime.date,
    ("datetime", "time"): datetime.time,
    ("datetime", "datetime"): datetime.datetime,
    ("datetime", "timedelta"): datetime.timedelta,
    ("fractions", "Fraction"): Fraction,
    ("decimal", "Decimal"): Decimal,
    **{("collections", name): _CONSTRUCTORS[name] for name in ("Counter", "OrderedDict", "defaultdict", "deque")},
}
_MODULE_CONSTANTS = {
    ("math", "inf"): math.inf,
    ("math", "nan"): math.nan,
    ("math", "pi"): math.pi,
    ("math", "e"): math.e,
}
_FACTORY_NAMES = {name: factory for factory, name in FACTORIES.items()}


class _Reader:
    """Evaluates the expression tree of a literal."""

    def read(self, node: ast.expr, depth: int) -> Any:
        if depth <= 0:
            raise NotDataError("the literal is nested too deeply")
        reader = getattr(self, f"_{type(node).__name__.lower()}", None)
        if reader is None:
            raise NotDataError(f"{type(node).__name__} has no place in a literal")
        return reader(node, depth - 1)

    def _elements(self, nodes: list[ast.expr], depth: int) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, ast.Starred):
                yield from self.read(node.value, depth)
            else:
                yield self.read(node, depth)

    def _constant(self, node: ast.Constant, _: int) -> Any:
        if node.value is Ellipsis:
            raise NotDataError("Ellipsis is not plain data")
        return node.value

    def _list(self, node: ast.List, depth: int) -> list[Any]:
        return list(self._elements(node.elts, depth))

    def _tuple(self, node: ast.Tuple, depth: int) -> tuple[Any, ...]:
        return tuple(self._elements(node.elts, depth))

    def _set(self, node: ast.Set, depth: int) -> set[Any]:
        return set(self._elements(node.elts, depth))

    def _dict(self, node: ast.Dict, depth: int) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                result.update(self.read(value, depth))
            else:
                result[self.read(key, depth)] = self.read(value, depth)
        return result

    def _unaryop(self, node: ast.UnaryOp, depth: int) -> Any:
        return _UNARY[type(node.op)](self.read(node.operand, depth))

    def _binop(self, node: ast.BinOp, depth: int) -> Any:
        apply = _BINARY.get(type(node.op))
        if apply is None:
            raise NotDataError(f"{type(node.op).__name__} has no place in a literal")
        left, right = self.read(node.left, depth), self.read(node.right, depth)
        if type(left) not in _OPERANDS or type(right) not in _OPERANDS:
            raise NotDataError("arithmetic in a literal is for numbers and sequences")
        return apply(left, right)

    def _attribute(self, node: ast.Attribute, _: int) -> Any:
        if isinstance(node.value, ast.Name) and (node.value.id, node.attr) in _MODULE_CONSTANTS:
            return _MODULE_CONSTANTS[node.value.id, node.attr]
        raise NotDataError(f"attribute {node.attr!r} has no place in a literal")

    def _call(self, node: ast.Call, depth: int) -> Any:
        construct = self._constructor(node.func)
        if construct is defaultdict:
            args = [*self._factory(node.args[:1]), *self._elements(node.args[1:], depth)]
        else:
            args = list(self._elements(node.args, depth))
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            if keyword.arg is None:
                keywords.update(self.read(keyword.value, depth))
            else:
                keywords[keyword.arg] = self.read(keyword.value, depth)
        return construct(*args, **keywords)

    def _factory(self, nodes: list[ast.expr]) -> list[Any]:
        """A defaultdict's first argument: the name of a built-in type, or None."""
        if not nodes:
            return []
        node = nodes[0]
        if isinstance(node, ast.Constant) and node.value is None:
            return [None]
        if isinstance(node, ast.Name) and node.id in _FACTORY_NAMES:
            return [_FACTORY_NAMES[node.id]]
        raise NotDataError("a defaultdict in a literal takes the name of a built-in type")

    def _constructor(self, node: ast.expr) -> Callable[..., Any]:
        construct = None
        if isinstance(node, ast.Name):
            construct = _CONSTRUCTORS.get(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            construct = _MODULE_CONSTRUCTORS.get((node.value.id, node.attr))
        if construct is None:
            raise NotDataError("only constructors of plain data may be called in a literal")
        return construct
