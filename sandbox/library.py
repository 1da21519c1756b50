"""Checked stand-ins for the few library functions through which a string could reach what the policy keeps away.

Three things make harmless-looking library code dangerous to a policy that judges names in the source: functions that
look an attribute up by a string, classes made from strings (their names end up in generated code, in __match_args__, in
setattr), and strings that are evaluated as annotations. `harden` also changes the library itself where it would do one
of these on its own; it is called once, in the process that runs hostile code and nothing else.
"""

import abc
import collections
import copy
import dataclasses
import enum
import functools
import inspect
import operator
import re
import struct
import sys
import types
import typing
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FunctionType
from typing import Any

from sandbox import guards
from sandbox.classes import (
    MODULE,
    TypeStandIn,
    checked_annotations,
    checked_enum,
    is_foreign,
    is_of_the_library,
    make_abstract_class,
    match_names,
)
from sandbox.names import PROGRAM, NameKind, attribute_kind, is_field
from sandbox.refused import PolicyError

_real_namedtuple = collections.namedtuple
_real_deepcopy = copy.deepcopy
_real_dataclass = dataclasses.dataclass


def namedtuple(typename: str, field_names: str | Iterable[str], **options: Any) -> Any:
    """collections.namedtuple for names that may be matched and generated."""
    if type(field_names) is str:
        field_names = field_names.replace(",", " ").split()
    names = list(field_names)
    for name in [typename, *names]:
        if type(name) is not str or not is_field(name):
            raise PolicyError(f"a named tuple may not have a field called {guards.shown(name)}")
    # typing.NamedTuple reads the frames above for the module's name; programs have no use for one.
    options["module"] = MODULE
    made: Any = _real_namedtuple(typename, names, **options)
    type.__setattr__(made, "__match_args__", match_names(made._fields))
    return made


def attrgetter(*names: str) -> Callable[[Any], Any]:
    """operator.attrgetter, by the rules for attributes."""
    if not names:
        raise TypeError("attrgetter expected at least 1 argument, got 0")
    if any(type(name) is not str for name in names):
        raise TypeError("attribute name must be a string")
    paths = [name.split(".") for name in names]

    def follow(value: Any, path: list[str]) -> Any:
        for name in path:
            value = guards.get_attribute(value, name)
        return value

    if len(paths) == 1:
        return lambda value: follow(value, paths[0])
    return lambda value: tuple(follow(value, path) for path in paths)


def methodcaller(name: str, /, *args: Any, **keywords: Any) -> Callable[[Any], Any]:
    """operator.methodcaller, by the rules for attributes."""
    if type(name) is not str:
        raise TypeError("method name must be a string")
    return lambda value: guards.get_attribute(value, name)(*args, **keywords)


def update_wrapper(wrapper: Any, wrapped: Any) -> Any:
    """functools.update_wrapper without the choice of attributes, which would copy any attribute anywhere."""
    if type(guards.writable(wrapper)) is FunctionType and type(wrapped) is FunctionType:
        wrapper.__name__, wrapper.__qualname__, wrapper.__doc__ = (
            wrapped.__name__,
            wrapped.__qualname__,
            wrapped.__doc__,
        )
        wrapper.__dict__.update(wrapped.__dict__)
    return wrapper


def wraps(wrapped: Any) -> Callable[[Any], Any]:
    """functools.wraps, as `update_wrapper`."""
    return lambda wrapper: update_wrapper(wrapper, wrapped)


def dataclass(cls: Any = None, /, **options: Any) -> Any:
    """dataclasses.dataclass, which writes field names into source that it executes, and reads attributes by them."""
    if cls is None:
        return lambda decorated: dataclass(decorated, **options)
    if not isinstance(cls, type) or is_foreign(cls):
        raise TypeError("dataclass() should be called on a class of the program")
    variables = guards.class_variables(cls)
    own = checked_annotations(variables.get("__annotations__", {}))
    if own:
        type.__setattr__(cls, "__annotations__", own)
    for base in type.mro(cls):
        for field in guards.class_variables(base).get("__dataclass_fields__", {}).values():
            _check_field(cls, field.name)
    for name in own:
        _check_field(cls, name)
        if type(default := variables.get(name)) is dataclasses.Field and default.name not in (None, name):
            raise PolicyError("a field keeps the name that it was given first")
    type.__setattr__(cls, "__module__", MODULE)
    sys.modules[MODULE] = _annotated_in(sys._getframe())
    try:
        made: Any = _real_dataclass(**options)(cls)
    finally:
        del sys.modules[MODULE]
    names = guards.class_variables(made).get("__match_args__")
    if type(names) is tuple:
        type.__setattr__(made, "__match_args__", match_names(names))
    return made


def _check_field(cls: type, name: Any) -> None:
    if type(name) is not str or not name.isidentifier() or not is_field(name):
        raise PolicyError("a dataclass has a field whose name is no ordinary one")
    if attribute_kind(name) is not NameKind.PLAIN and any(
        name in guards.class_variables(c) for c in type.mro(cls) if is_foreign(c)
    ):
        raise PolicyError(f"a dataclass of this kind may not have a field called {name!r}")


def _read_by_dataclasses(ob: Any, name: str, *default: Any) -> Any:
    """getattr as the dataclasses module finds it: fields by the rules for attributes, its own notes from classes."""
    if name.startswith("__"):
        return getattr(ob if isinstance(ob, type) else type(ob), name, *default)
    return guards.get_attribute(ob, name, *default)


def _signature(cls: type) -> str:
    """inspect.signature for a dataclass's docstring; the real one reads signatures, and what they name, from text."""
    init = guards.class_variables(cls).get("__init__")
    if type(init) is not FunctionType or init.__code__.co_filename == PROGRAM:
        return "()"
    _, *parameters = inspect.Signature.from_callable(init).parameters.values()
    return str(inspect.Signature(parameters))


def _annotated_in(frame: Any) -> Any:
    """The namespace in which the program's annotations that are strings say ClassVar, as the module of its classes."""
    while frame is not None and frame.f_code.co_filename != PROGRAM:
        frame = frame.f_back
    names = {} if frame is None else frame.f_globals
    # dataclasses compares modules by identity, and the program has copies.
    real = {name: sys.modules[value.__name__] for name, value in names.items() if _is_annotating(value)}
    return types.SimpleNamespace(**{**names, **real})


def _is_annotating(value: object) -> bool:
    return type(value) is types.ModuleType and value.__name__ in ("typing", "dataclasses")


def deepcopy(x: Any, memo: Any = None) -> Any:
    """copy.deepcopy with a memo that only remembers."""
    if memo is not None and type(memo) is not dict:
        raise PolicyError("a memo must be a dict")
    return _real_deepcopy(x, memo)


class Struct:
    """struct.Struct. The real one can be given another format while it packs, and then writes where it must not."""

    __slots__ = ("format", "size")
    format: str
    size: int

    def __init__(self, format: Any) -> None:
        text = bytes(format).decode() if isinstance(format, (bytes, bytearray)) else str.__str__(format)
        object.__setattr__(self, "size", struct.calcsize(text))
        object.__setattr__(self, "format", text)

    def pack(self, *values: Any) -> bytes:
        """struct.pack with this format."""
        return struct.pack(self.format, *values)

    def unpack(self, buffer: Any) -> tuple[Any, ...]:
        """struct.unpack with this format."""
        return struct.unpack(self.format, buffer)

    def unpack_from(self, buffer: Any, offset: int = 0) -> tuple[Any, ...]:
        """struct.unpack_from with this format."""
        return struct.unpack_from(self.format, buffer, offset)

    def iter_unpack(self, buffer: Any) -> Any:
        """struct.iter_unpack with this format."""
        return struct.iter_unpack(self.format, buffer)


# What decorators make anew of a program's functions.
_DECORATED = (
    *(type, FunctionType, property, staticmethod, classmethod),
    *(functools.partial, functools.partialmethod, functools.cached_property, type(functools.cache(len))),
)


def _marking(mark: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A decorator that notes something on what it is given, which has to be the program's."""

    def marked(decorated: Any) -> Any:
        if is_of_the_library(decorated) or (is_foreign(type(decorated)) and not isinstance(decorated, _DECORATED)):
            raise PolicyError("the library's classes and functions are not the program's to mark")
        return mark(decorated)

    return marked


class _Stream:
    """Where sys.stdout and sys.stderr would be: swallows everything."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


most_frames = guards.MAX_RECURSION  # of this process; a job may ask for more


def set_recursion_limit(limit: int) -> None:
    """sys.setrecursionlimit, within what the stack of the child can take."""
    exact = int.__add__(operator.index(limit), 0)  # a subclass compares as it likes
    sys.setrecursionlimit(min(exact, most_frames))


_tables: list[tuple[type, str, Any]] = []  # class, attribute, and a copy of what it had before any program


_values: list[tuple[dict[Any, Any], dict[Any, Any]]] = []  # of enums, which only ever take more in; and a copy


def watch(module: types.ModuleType) -> None:
    """Remember the tables of a module's classes, which a program may write to, for `restore`."""
    for cls in list(vars(module).values()):
        if isinstance(cls, enum.EnumType):
            _values.append((cls._value2member_map_, dict(cls._value2member_map_)))
        elif isinstance(cls, type) and cls.__module__ == module.__name__:
            for name, value in vars(cls).items():
                if not name.startswith("_") and type(value) in (dict, list, set):
                    _tables.append((cls, name, copy.copy(value)))


def restore() -> None:
    """Make the library what it was before any program, before a program is loaded anew."""
    for forget in (*typing._cleanups, re.purge, struct._clearcache):  # type: ignore[attr-defined]
        forget()
    if strptime := sys.modules.get("_strptime"):
        strptime._regex_cache.clear()
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(sys.int_info.default_max_str_digits)
    for values, before in _values:
        if len(values) != len(before):
            values.clear()
            values.update(before)
    for cls, name, value in _tables:
        setattr(cls, name, value.copy())
    dataclasses._EMPTY_METADATA = types.MappingProxyType({})  # type: ignore[attr-defined]


REPLACEMENTS: dict[str, dict[str, Any]] = {
    "abc": {"ABCMeta": make_abstract_class, "abstractmethod": _marking(abc.abstractmethod)},
    "collections": {"namedtuple": namedtuple},
    "copy": {"deepcopy": deepcopy},
    "dataclasses": {"dataclass": dataclass},
    "functools": {
        "total_ordering": _marking(functools.total_ordering),
        "update_wrapper": update_wrapper,
        "wraps": wraps,
    },
    "operator": {"attrgetter": attrgetter, "methodcaller": methodcaller},
    "struct": {"Struct": Struct},
    "sys": {"stdout": _Stream(), "stderr": _Stream(), "setrecursionlimit": set_recursion_limit},
    "typing": {
        "Type": typing._alias(TypeStandIn, 1, inst=False, name="Type"),  # type: ignore[attr-defined]
        "final": _marking(typing.final),
        "overload": lambda _: typing._overload_dummy,  # type: ignore[attr-defined]
        "runtime_checkable": _marking(typing.runtime_checkable),
    },
}
# What typing.NamedTuple and typing.TypedDict stand for among a class's bases.
BASES = (typing._NamedTuple, typing._TypedDict)  # type: ignore[attr-defined]


def _call_alias(alias: Any, *args: Any, **keywords: Any) -> Any:
    """List[int]() and the like, which leave their mark on what comes out, but not on what is the library's."""
    if not alias._inst:
        raise TypeError(f"Type {alias._name} cannot be instantiated; use {alias.__origin__.__name__}() instead")
    made = alias.__origin__(*args, **keywords)
    if not is_of_the_library(made) and not is_foreign(type(made)):
        with suppress(AttributeError):
            made.__orig_class__ = alias
    return made


def _refuse_register(cls: type, subclass: type) -> type:
    raise PolicyError("an abstract class may not take in foreign classes")


def _plain_hints(annotated: Any, *_: Any, **__: Any) -> dict[str, Any]:
    hints = dict(annotated.__annotations__)
    if any(isinstance(hint, (str, typing.ForwardRef)) for hint in hints.values()):
        raise PolicyError("annotations in strings are not evaluated")
    return hints


def _reconstruct(
    x: Any,
    memo: Any,
    func: Any,
    args: Any,
    state: Any = None,
    items: Any = None,
    pairs: Any = None,
    *,
    deepcopy: Any = _real_deepcopy,
) -> Any:
    """What copy and deepcopy make of an object's parts, in place of copy._reconstruct.

    A copy takes the attributes that the object has, and none that its parts or the memo were turned into meanwhile.
    """
    deep = memo is not None
    made = func(*([deepcopy(arg, memo) for arg in args] if deep else args))
    if deep:
        memo[id(x)] = made
    if state is not None:
        if type(made) is not type(x):
            raise PolicyError("a copy must be of its original's class")
        _restore_state(made, state, (lambda part: deepcopy(part, memo)) if deep else (lambda part: part))
    for item in items or ():
        made.append(deepcopy(item, memo) if deep else item)
    for key, value in pairs or ():
        if deep:
            key, value = deepcopy(key, memo), deepcopy(value, memo)
        made[key] = value
    return made


def _restore_state(made: Any, state: Any, copied: Callable[[Any], Any]) -> None:
    if any("__setstate__" in guards.class_variables(cls) for cls in type.mro(type(made))):
        made.__setstate__(copied(state))
        return
    variables, slots = state if type(state) is tuple and len(state) == 2 else (state, None)
    if type(variables) is dict:
        made.__dict__.update(copied(variables))
    if type(slots) is dict:
        for name in slots:
            if type(name) is not str or not is_field(name):
                raise PolicyError("a copy may not set that attribute")
        for name, value in list(slots.items()):
            setattr(made, name, copied(value))


def _of_a_class(find: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """functools._find_impl for what is a class: anything else would be compared with every class there is."""

    def find_for(cls: Any, registry: Any) -> Any:
        if not isinstance(cls, type):
            raise TypeError("dispatch() takes a class")
        return find(cls, registry)

    return find_for


def harden() -> None:
    """Change the library in this process. A program that reaches these through other library code meets them too."""
    abc.ABCMeta.register = _refuse_register  # type: ignore[method-assign]
    collections.namedtuple = namedtuple
    copy._reconstruct = _reconstruct  # type: ignore[attr-defined]
    enum.EnumType._create_ = checked_enum(enum.EnumType._create_)  # type: ignore[attr-defined]
    typing.get_type_hints = _plain_hints  # type: ignore[assignment]
    typing._BaseGenericAlias.__call__ = _call_alias  # type: ignore[attr-defined]
    dataclasses.getattr = _read_by_dataclasses  # type: ignore[attr-defined]
    dataclasses.inspect = types.SimpleNamespace(signature=_signature)  # type: ignore[attr-defined]
    functools._find_impl = _of_a_class(functools._find_impl)  # type: ignore[attr-defined]
