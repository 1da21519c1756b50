"""array.array without the places where CPython 3.11 writes to memory that it no longer has.

An array finds the place of an item, then asks the new value for its number, then writes: a value whose `__float__`
empties the array makes it write to freed memory. Here every value becomes a number before any memory is looked at.
"""

import array
import math
import operator
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

_FLOATS = frozenset("fd")


def _number(typecode: str, value: Any) -> Any:
    """What an array of that type takes for `value`, asked for once. No program says what an integer is."""
    return math.ldexp(value, 0) if typecode in _FLOATS else value


class Array:
    """array.array, around a real one that no program holds.

    It lends its memory to nobody: where the real one counts as bytes (b''.join, bytearray), this one is a sequence.
    """

    __slots__ = ("_items",)
    __hash__ = None  # type: ignore[assignment]
    __class_getitem__: Any = classmethod(types.GenericAlias)

    def __init__(self, typecode: Any, initializer: Any = (), /) -> None:
        self._items: Any = array.array(typecode)
        if isinstance(initializer, (bytes, bytearray, str)):
            self._items = array.array(typecode, initializer)
        else:
            self.extend(initializer)

    @property
    def typecode(self) -> str:
        """The letter that says what the items are."""
        return str(self._items.typecode)

    @property
    def itemsize(self) -> int:
        """Bytes an item."""
        return int(self._items.itemsize)

    def append(self, item: Any, /) -> None:
        """Put an item at the end."""
        self._items.append(_number(self._items.typecode, item))

    def insert(self, index: Any, item: Any, /) -> None:
        """Put an item before another."""
        self._items.insert(operator.index(index), _number(self._items.typecode, item))

    def extend(self, items: Iterable[Any], /) -> None:
        """Put items, or another array's of the same type, at the end."""
        if isinstance(items, Array):
            self._items.extend(items._items)
            return
        for item in items:
            self.append(item)

    def fromlist(self, items: Any, /) -> None:
        """Put a list's items at the end; none where one of them is no number."""
        if not isinstance(items, list):
            raise TypeError("arg must be list")
        self._items.extend(array.array(self.typecode, [_number(self._items.typecode, item) for item in items]))

    def __getitem__(self, index: Any) -> Any:
        found = self._items[index]
        return _around(found) if isinstance(index, slice) else found

    def __setitem__(self, index: Any, item: Any) -> None:
        if not isinstance(index, slice):
            self._items[operator.index(index)] = _number(self._items.typecode, item)
        elif isinstance(item, Array):
            self._items[index] = item._items
        else:
            raise TypeError(f'can only assign array (not "{type(item).__name__}") to array slice')

    def __delitem__(self, index: Any) -> None:
        del self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __contains__(self, item: Any) -> bool:
        return item in self._items

    def __repr__(self) -> str:
        return repr(self._items)

    def __bytes__(self) -> bytes:
        return bytes(self._items.tobytes())

    def __add__(self, other: Any) -> "Array":
        if not isinstance(other, Array):
            raise TypeError(f'can only append array (not "{type(other).__name__}") to array')
        return _around(self._items + other._items)

    def __iadd__(self, other: Any) -> "Array":
        if not isinstance(other, Array):
            raise TypeError(f'can only extend with array (not "{type(other).__name__}")')
        self._items.extend(other._items)
        return self

    def __mul__(self, count: Any) -> "Array":
        return _around(self._items * count)

    __rmul__ = __mul__

    def __imul__(self, count: Any) -> "Array":
        self._items *= count  # in place: the real array stays the same object
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """How copy takes it apart: the real array is no part."""
        return type(self), (self.typecode, self._items.tolist()), getattr(self, "__dict__", None)

    def __copy__(self) -> "Array":
        return _around(self._items[:])

    def __deepcopy__(self, memo: Any) -> "Array":
        return self.__copy__()


def _around(items: Any) -> Array:
    made = Array(items.typecode)
    made._items = items
    return made


def _handed_on(name: str) -> Callable[..., Any]:
    method = getattr(array.array, name)

    def call(self: Array, *args: Any) -> Any:
        return method(self._items, *args)

    call.__name__ = name
    return call


def _compared(name: str) -> Callable[[Array, Any], Any]:
    compare = getattr(operator, name)
    return lambda self, other: compare(self._items, other._items) if isinstance(other, Array) else NotImplemented


_AS_THEY_ARE = (
    "byteswap",
    "count",
    "frombytes",
    "fromunicode",
    "index",
    "pop",
    "remove",
    "reverse",
    "tobytes",
    "tolist",
)
for _name in (*_AS_THEY_ARE, "tounicode"):
    setattr(Array, _name, _handed_on(_name))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Array, f"__{_name}__", _compared(_name))
Array.__name__ = Array.__qualname__ = "array"
Array.__module__ = "array"
