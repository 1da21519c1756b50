"""Reading a value that someone wrote down, without running anything.

There are two readings. A *literal* writes the whole value down: constants, signs, displays, and the constructors that
canonical text needs (sandbox/values.py). It leaves no work to who reads it. *Arithmetic* adds bounded calculation, for
answers that a public harness would have evaluated as expressions.

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
from sandbox.values import FACTORIES, MAX_DIGITS, NotDataError

MAX_COMPUTED_SIZE = 1_000_000  # elements and characters that a text may compute, all together
MAX_COMPUTED_BITS = 20_000  # bits of a computed integer, or of both parts of a Fraction
_FUNCTION = "f"


def read_value(text: str, *, nesting: int = 200) -> Any:
    """The value that a literal writes down. Raises NotDataError, and nothing else, where `text` is no literal."""
    return _read(text, _Literal(nesting).value)


def read_arguments(text: str, *, nesting: int = 200) -> Arguments:
    """The arguments that a list of literals writes down: with keywords, and stars before displays.

    Raises NotDataError, and nothing else, where it does not.
    """
    return _read(text, _Literal(nesting).arguments)


def compute_value(text: str, *, nesting: int = 200) -> Any:
    """The value of a literal or of bounded arithmetic on literals. Raises as `read_value`."""
    return _read(text, _Arithmetic(nesting).value)


def compute_arguments(text: str, *, nesting: int = 200) -> Arguments:
    """As `read_arguments`, with bounded arithmetic."""
    return _read(text, _Arithmetic(nesting).arguments)


def _read(text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except (ValueError, SyntaxError, TypeError, ArithmeticError, LookupError, RecursionError, MemoryError) as error:
        raise NotDataError(f"{type(error).__name__}: {str(error)[:200]}") from error


class _Literal:
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
            "deque": lambda items=(), maxlen=None: deque(_sequence(items), maxlen),
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
                yield from _sequence(self.read(node.value, depth))
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
        apply = _SIGNS.get(type(node.op))
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
            else [(key, value) for key, value in map(_sequence, _sequence(items))]
        )
        return OrderedDict(self.tables.dict([*pairs, *named.items()]))


_SIGNS: dict[type, Callable[[Any], Any]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
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


def _sequence(value: Any) -> Any:
    """A value whose elements may be spread out: each is written down, and they have an order."""
    if type(value) not in (list, tuple):
        raise NotDataError(f"a {type(value).__name__} is not spread out in a literal")
    return value


def _written_out(value: Any) -> list[Any]:
    return list(value) if type(value) is set else _sequence(value)


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


# -- arithmetic -------------------------------------------------------------------------------------------------------


class _Arithmetic(_Literal):
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
            pairs = [(key, value) for key, value in map(_sequence, self._ordered(items))]
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
    **_SIGNS,
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
