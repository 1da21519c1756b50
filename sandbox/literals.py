"""Reading a value that someone wrote down, without running anything.

A *literal* writes the whole value down: constants, signs, displays, and the constructors that canonical text needs
(sandbox/values.py). It leaves no work to who reads it; sandbox/arithmetic.py reads what does.

The text is hostile, and it is read in the user's process: whatever it is, the outcome is a value or NotDataError, soon.
No value is built before its size is known to be bounded.
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
from sandbox.encoding import Tables
from sandbox.syntax import parse
from sandbox.values import FACTORIES, NotDataError

_FUNCTION = "f"


def read_value(text: str, *, nesting: int = 200) -> Any:
    """The value that a literal writes down. Raises NotDataError, and nothing else, where `text` is no literal."""
    return reading(text, LiteralReader(nesting).value)


def read_arguments(text: str, *, nesting: int = 200) -> Arguments:
    """The arguments that a list of literals writes down: with keywords, and stars before displays.

    Raises NotDataError, and nothing else, where it does not.
    """
    return reading(text, LiteralReader(nesting).arguments)


def reading(text: str, read: Callable[[str], Any]) -> Any:
    """What `read` makes of the text. Raises NotDataError for whatever it raises."""
    try:
        return read(text)
    except (ValueError, SyntaxError, TypeError, ArithmeticError, LookupError, RecursionError, MemoryError) as error:
        raise NotDataError(f"{type(error).__name__}: {str(error)[:200]}") from error


class LiteralReader:
    """Reads one text; method names are those of the syntax tree's nodes."""

    def __init__(self, nesting: int) -> None:
        self.nesting = nesting
        self.tables = Tables()
        self.constructors: dict[str, Callable[..., Any]] = {
            "float": _nonfinite,
            "complex": lambda real, imag: complex(_real(real), _real(imag)),
            "set": lambda items=(): self.tables.set(_written_out(items)),
            "frozenset": lambda items=(): frozenset(self.tables.set(_written_out(items))),
            "bytearray": lambda items=b"": bytearray(_exactly(bytes, items)),
            "range": lambda *bounds: range(*[_exactly(int, bound) for bound in bounds]),
            "dict": lambda **items: items,
            "Counter": lambda items=None: Counter({} if items is None else _exactly(dict, items)),
            "OrderedDict": self._ordered_dict,
            "defaultdict": lambda factory=None, items=None: defaultdict(
                factory, {} if items is None else _exactly(dict, items)
            ),
            "deque": lambda items=(), maxlen=None: deque(sequence(items), maxlen),
            "Fraction": lambda top=0, bottom=1: Fraction(_exactly(int, top), _exactly(int, bottom)),
            "Decimal": lambda text="0": Decimal(_exactly(str, text)),
        }

    # -- the text -----------------------------------------------------------------------------------------------------

    def value(self, text: str) -> Any:
        return self.read(parse(text.strip(), mode="eval").body, self.nesting)

    def arguments(self, text: str) -> Arguments:
        call = parse(f"{_FUNCTION}({text}\n)", mode="eval").body
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            raise NotDataError("not one list of arguments")
        positional, keywords = self._arguments(call, self.nesting)
        return Arguments(tuple(positional), keywords)

    # -- the tree -----------------------------------------------------------------------------------------------------

    def read(self, node: ast.expr, depth: int) -> Any:
        """The value of a node. Raises NotDataError where it is no part of a literal, and what constructors raise."""
        if depth <= 0:
            raise NotDataError(f"nested deeper than {self.nesting} levels")
        reader = getattr(self, f"_{type(node).__name__.lower()}", None)
        if reader is None:
            raise NotDataError(f"{type(node).__name__} has no place in a literal")
        return reader(node, depth - 1)

    def _constant(self, node: ast.Constant, _: int) -> Any:
        if node.value is Ellipsis:
            raise NotDataError("Ellipsis is not plain data")
        return node.value

    def _list(self, node: ast.List, depth: int) -> list[Any]:
        return list(self._elements(node.elts, depth))

    def _tuple(self, node: ast.Tuple, depth: int) -> tuple[Any, ...]:
        return tuple(self._elements(node.elts, depth))

    def _set(self, node: ast.Set, depth: int) -> set[Any]:
        return self.tables.set(list(self._elements(node.elts, depth)))

    def _elements(self, nodes: list[ast.expr], depth: int) -> Iterator[Any]:
        for node in nodes:
            if isinstance(node, ast.Starred):
                yield from sequence(self.read(node.value, depth))
            else:
                yield self.read(node, depth)

    def _dict(self, node: ast.Dict, depth: int) -> dict[Any, Any]:
        pairs: list[tuple[Any, Any]] = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                pairs += _exactly(dict, self.read(value, depth)).items()
            else:
                pairs.append((self.read(key, depth), self.read(value, depth)))
        return self.tables.dict(pairs)

    def _unaryop(self, node: ast.UnaryOp, depth: int) -> Any:
        apply = SIGNS.get(type(node.op))
        value = self.read(node.operand, depth)
        if apply is None or type(value) not in (int, float, complex):
            raise NotDataError(f"{type(node.op).__name__} has no place in a literal")
        return apply(value)

    def _binop(self, node: ast.BinOp, depth: int) -> Any:
        """A complex number: a real one and an imaginary one that is a constant."""
        apply = {ast.Add: operator.add, ast.Sub: operator.sub}.get(type(node.op))
        left, right = self.read(node.left, depth), self.read(node.right, depth)
        if apply is None or type(left) not in (int, float) or type(right) is not complex or right.real:
            raise NotDataError("a literal does not calculate")
        return apply(left, right)

    def _attribute(self, node: ast.Attribute, _: int) -> Any:
        if isinstance(node.value, ast.Name) and (node.value.id, node.attr) in _CONSTANTS:
            return _CONSTANTS[node.value.id, node.attr]
        raise NotDataError(f"attribute {node.attr!r} has no place in a literal")

    def _call(self, node: ast.Call, depth: int) -> Any:
        construct = self._constructor(node.func)
        factory: list[Any] = []
        if construct is self.constructors["defaultdict"] and node.args:
            factory = [_factory(node.args.pop(0))]
        positional, keywords = self._arguments(node, depth)
        return construct(*factory, *positional, **keywords)

    def _arguments(self, node: ast.Call, depth: int) -> tuple[list[Any], dict[str, Any]]:
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.read(keyword.value, depth)
            named = {keyword.arg: value} if keyword.arg is not None else _exactly(dict, value)
            for name, item in named.items():
                if type(name) is not str or name in keywords:
                    raise NotDataError("a keyword that is no string or is there twice")
                keywords[name] = item
        return list(self._elements(node.args, depth)), keywords

    def _constructor(self, node: ast.expr) -> Callable[..., Any]:
        if isinstance(node, ast.Name) and node.id in self.constructors:
            return self.constructors[node.id]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in _IN_MODULES.get(node.value.id, ()):
                return self.constructors[node.attr]
            if node.value.id == "datetime" and node.attr in _CLOCK:
                return _CLOCK[node.attr]
        raise NotDataError("only constructors of plain data may be called in a literal")

    def _ordered_dict(self, items: Any = (), **named: Any) -> OrderedDict[Any, Any]:
        pairs = (
            list(items.items())
            if type(items) is dict
            else [(key, value) for key, value in map(sequence, sequence(items))]
        )
        return OrderedDict(self.tables.dict([*pairs, *named.items()]))


SIGNS: dict[type, Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_CONSTANTS = {("math", "inf"): math.inf, ("math", "nan"): math.nan}
_IN_MODULES = {
    "collections": ("Counter", "OrderedDict", "defaultdict", "deque"),
    "fractions": ("Fraction",),
    "decimal": ("Decimal",),
}


def _whole(kind: Callable[..., Any]) -> Callable[..., Any]:
    """A constructor that takes whole numbers alone."""

    def construct(*numbers: Any, **named: Any) -> Any:
        return kind(*[_exactly(int, n) for n in numbers], **{k: _exactly(int, n) for k, n in named.items()})

    return construct


_CLOCK = {kind.__name__: _whole(kind) for kind in (datetime.date, datetime.time, datetime.datetime, datetime.timedelta)}
_FACTORY_NAMES = {name: factory for factory, name in FACTORIES.items()}
_NONFINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


def _exactly(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise NotDataError(f"{kind.__name__} was needed, not {type(value).__name__}")
    return value


def sequence(value: Any) -> Any:
    """A value whose elements may be spread out: each is written down, and they have an order."""
    if type(value) not in (list, tuple):
        raise NotDataError(f"a {type(value).__name__} is not spread out in a literal")
    return value


def _written_out(value: Any) -> list[Any]:
    return list(value) if type(value) is set else sequence(value)


def _nonfinite(text: Any) -> float:
    if not _NONFINITE.fullmatch(_exactly(str, text)):
        raise NotDataError("float() in a literal is for nan and inf")
    return float(text)


def _real(value: Any) -> float:
    if type(value) not in (int, float):
        raise NotDataError("complex() in a literal takes numbers")
    return float(value)


def _factory(node: ast.expr) -> Any:
    """A defaultdict's first argument: the name of a built-in type, or None."""
    if isinstance(node, ast.Constant) and node.value is None:
        return None
    if isinstance(node, ast.Name) and node.id in _FACTORY_NAMES:
        return _FACTORY_NAMES[node.id]
    raise NotDataError("a defaultdict in a literal takes the name of a built-in type")
