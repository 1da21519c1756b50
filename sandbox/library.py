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
import operator
import struct
import sys
import types
import typing
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from sandbox import guards
from sandbox.classes import (
    MODULE,
    TypeStandIn,
    checked_annotations,
    checked_enum,
    make_abstract_class,
    match_names,
)
from sandbox.names import GUARDED_NAMES, is_field
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
    if type(wrapper) is FunctionType and type(wrapped) is FunctionType:
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
    if not isinstance(cls, type) or guards.is_foreign(cls):
        raise TypeError("dataclass() should be called on a class of the program")
    own = checked_annotations(guards.class_variables(cls).get("__annotations__", {}))
    if own:
        type.__setattr__(cls, "__annotations__", own)
    for base in type.mro(cls):
        for field in guards.class_variables(base).get("__dataclass_fields__", {}).values():
            _check_field(cls, field.name)
    for name in own:
        _check_field(cls, name)
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
    if name in GUARDED_NAMES and any(name in guards.class_variables(c) for c in type.mro(cls) if guards.is_foreign(c)):
        raise PolicyError(f"a dataclass of this kind may not have a field called {name!r}")


def _annotated_in(frame: Any) -> Any:
    """The namespace in which the program's annotations that are strings say ClassVar, as the module of its classes."""
    while frame is not None and frame.f_code.co_filename != guards.PROGRAM:
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


def watch(module: types.ModuleType) -> None:
    """Remember the tables of a module's classes, which a program may write to, for `restore`."""
    for cls in list(vars(module).values()):
        if isinstance(cls, type) and cls.__module__ == module.__name__:
            for name, value in vars(cls).items():
                if not name.startswith("_") and type(value) in (dict, list, set):
                    _tables.append((cls, name, copy.copy(value)))


def restore() -> None:
    """Make the library what it was before any program, before a program is loaded anew."""
    for forget in typing._cleanups:  # type: ignore[attr-defined]
        forget()
    for cls, name, value in _tables:
        setattr(cls, name, value.copy())
    dataclasses._EMPTY_METADATA = types.MappingProxyType({})  # type: ignore[attr-defined]


REPLACEMENTS: dict[str, dict[str, Any]] = {
    "abc": {"ABCMeta": make_abstract_class},
    "collections": {"namedtuple": namedtuple},
    "copy": {"deepcopy": deepcopy},
    "dataclasses": {"dataclass": dataclass},
    "functools": {"update_wrapper": update_wrapper, "wraps": wraps},
    "operator": {"attrgetter": attrgetter, "methodcaller": methodcaller},
    "struct": {"Struct": Struct},
    "sys": {"stdout": _Stream(), "stderr": _Stream(), "setrecursionlimit": set_recursion_limit},
    "typing": {"Type": typing._alias(TypeStandIn, 1, inst=False, name="Type")},  # type: ignore[attr-defined]
}


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
    if hasattr(made, "__setstate__"):
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


def _refuse_subclass(cls: type, **_: Any) -> None:
    raise PolicyError("this class may not be subclassed")


def harden() -> None:
    """Change the library in this process. A program that reaches these through other library code meets them too."""
    abc.ABCMeta.register = _refuse_register  # type: ignore[method-assign]
    collections.namedtuple = namedtuple
    copy._reconstruct = _reconstruct  # type: ignore[attr-defined]
    enum.EnumType._create_ = checked_enum(enum.EnumType._create_)  # type: ignore[attr-defined]
    typing.get_type_hints = _plain_hints  # type: ignore[assignment]
    dataclasses.Field.__init_subclass__ = classmethod(_refuse_subclass)  # type: ignore[assignment]
    typing.ForwardRef.__init_subclass__ = classmethod(_refuse_subclass)  # type: ignore[assignment, method-assign]
