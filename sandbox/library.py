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
import sys
import typing
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from sandbox import guards
from sandbox.names import NameKind, is_field, store_kind

_real_namedtuple = collections.namedtuple
_real_reconstruct = copy._reconstruct  # type: ignore[attr-defined]
_real_dataclass = dataclasses.dataclass


def namedtuple(typename: str, field_names: str | Iterable[str], **options: Any) -> Any:
    """collections.namedtuple for names that may be matched and generated."""
    if type(field_names) is str:
        field_names = field_names.replace(",", " ").split()
    names = list(field_names)
    for name in [typename, *names]:
        if type(name) is not str or not is_field(name):
            raise guards.PolicyError(f"a named tuple may not have a field called {guards.shown(name)}")
    # typing.NamedTuple reads the frames above for the module's name; programs have no use for one.
    options["module"] = "program"
    return _real_namedtuple(typename, names, **options)


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
    """dataclasses.dataclass, which writes field names into source that it executes: inherited ones are checked."""
    if cls is None:
        return lambda decorated: dataclass(decorated, **options)
    if not isinstance(cls, type) or guards.is_foreign(cls):
        raise TypeError("dataclass() should be called on a class of the program")
    for base in type.mro(cls):
        for field in vars(base).get("__dataclass_fields__", {}).values():
            if type(field.name) is not str or not field.name.isidentifier() or not is_field(field.name):
                raise guards.PolicyError("a dataclass inherits a field whose name was changed")
    return _real_dataclass(**options)(cls)


class _Stream:
    """Where sys.stdout and sys.stderr would be: swallows everything."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        pass


most_frames = guards.MAX_RECURSION  # of this process; a job may ask for more


def set_recursion_limit(limit: int) -> None:
    """sys.setrecursionlimit, within what the stack of the child can take."""
    sys.setrecursionlimit(min(limit, most_frames))


REPLACEMENTS: dict[str, dict[str, Any]] = {
    "abc": {"ABCMeta": guards.make_abstract_class},
    "collections": {"namedtuple": namedtuple},
    "dataclasses": {"dataclass": dataclass},
    "functools": {"update_wrapper": update_wrapper, "wraps": wraps},
    "operator": {"attrgetter": attrgetter, "methodcaller": methodcaller},
    "sys": {"stdout": _Stream(), "stderr": _Stream(), "setrecursionlimit": set_recursion_limit},
}


def _refuse_register(cls: type, subclass: type) -> type:
    raise guards.PolicyError("an abstract class may not take in foreign classes")


def _plain_hints(annotated: Any, *_: Any, **__: Any) -> dict[str, Any]:
    hints = dict(annotated.__annotations__)
    if any(isinstance(hint, (str, typing.ForwardRef)) for hint in hints.values()):
        raise guards.PolicyError("annotations in strings are not evaluated")
    return hints


def _checked_reconstruct(x: Any, memo: Any, func: Any, args: Any, state: Any = None, *rest: Any, **options: Any) -> Any:
    if type(state) is tuple and len(state) == 2 and state[1] is not None:
        if type(state[1]) is not dict:
            raise guards.PolicyError("a copy takes its slots from a dict")
        for name in state[1]:
            if type(name) is not str or store_kind(name) is NameKind.REFUSED:
                raise guards.PolicyError("a copy may not set that attribute")
    return _real_reconstruct(x, memo, func, args, state, *rest, **options)


def _refuse_subclass(cls: type, **_: Any) -> None:
    raise guards.PolicyError("this class may not be subclassed")


def harden() -> None:
    """Change the library in this process. A program that reaches these through other library code meets them too."""
    abc.ABCMeta.register = _refuse_register  # type: ignore[method-assign]
    collections.namedtuple = namedtuple
    copy._reconstruct = _checked_reconstruct  # type: ignore[attr-defined]
    typing.get_type_hints = _plain_hints  # type: ignore[assignment]
    dataclasses.Field.__init_subclass__ = classmethod(_refuse_subclass)  # type: ignore[assignment]
    typing.ForwardRef.__init_subclass__ = classmethod(_refuse_subclass)  # type: ignore[assignment, method-assign]
