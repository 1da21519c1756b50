"""How programs come by classes: every way there is ends here, and the names of a class are judged by one rule.

A class is more than a namespace: the interpreter and the library read some of its names as orders (which attributes a
pattern reads, who counts as an instance, what `index` means), and generate source from others. A class statement shows
its names to the policy; `type`, `ABCMeta`, enums and named tuples make classes of names that nobody has seen. And the
class of a class, the metaclass, supplies the namespace in which the guards are looked for. So a program never holds a
metaclass, and none but those below makes its classes. Nor does it derive from a class of the library that it was not
given by name: the type of some object may trust its subclasses with what no program should have.
"""

import abc
import builtins
import functools
import types
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from sandbox.names import NAME_LISTS, PROGRAM, is_field, is_matchable, is_variable
from sandbox.refused import PolicyError

_REPLACED = NAME_LISTS | {"__new__"}  # members whose checked form takes the place of what the program wrote
_IMPLIED = frozenset({"__module__", "__qualname__", "__doc__", "__classcell__", "__orig_bases__", "__annotations__"})
MODULE = "program"  # the __module__ of every class that a program makes


class _World:
    """The classes that were there before any program, and those of them that programs are given by name."""

    def __init__(self) -> None:
        self.foreign: frozenset[type] = frozenset()
        self.given: set[type] = set()

    def give(self, values: Iterable[Any]) -> None:
        """Programs may derive from the classes among these. Not from super, which reads for others."""
        self.given.update(value for value in values if isinstance(value, type) and value is not super)

    def close(self) -> None:
        """Take every class that exists now as foreign."""
        found: set[type] = {object}
        pending: list[type] = [object]
        while pending:
            subclasses: list[type] = type.__subclasses__(pending.pop())
            for cls in subclasses:
                if cls not in found:
                    found.add(cls)
                    pending.append(cls)
        self.foreign = frozenset(found)


world = _World()


def is_foreign(cls: type) -> bool:
    """Whether a class is not the program's own."""
    return cls in world.foreign


def is_of_the_library(ob: Any) -> bool:
    """Whether `ob` is a class or a function that no program wrote: what one call puts on it the next one would find."""
    if isinstance(ob, type):
        return is_foreign(ob)
    return type(ob) is FunctionType and ob.__code__.co_filename != PROGRAM


def checked_members(namespace: dict[str, Any]) -> dict[str, Any]:
    """A copy of a class's namespace, made before it is judged. Raises PolicyError."""
    members = dict(dict.items(namespace))
    for key, value in members.items():
        if type(key) is not str or not (is_variable(key) or key in _IMPLIED or key in NAME_LISTS):
            raise PolicyError(f"a class may not define {_shown(key)}")
        if key in NAME_LISTS:
            members[key] = _checked_names(key, value)
        elif key == "__annotations__":
            checked_annotations(
                value
            )  # the dict stays the program's, as in CPython: who reads names there checks again
        elif key in ("__module__", "__qualname__") and type(value) is not str:
            raise PolicyError(f"{key} must be a string")
        elif key == "__new__":
            members[key] = _checked_new(value)
    return members


def _keeps_notes(ob: Any) -> bool:
    """Whether an attribute could be set on an object that is no program's function."""
    return type(ob) is not FunctionType and hasattr(ob, "__dict__")


def _checked_new(new: Any) -> Any:
    """A program's __new__. Enums and generic aliases write to what it gives, so that is nothing of the library's."""
    function = new.__func__ if type(new) is staticmethod else new
    if type(function) is not FunctionType:
        raise PolicyError("__new__ must be a function")

    def __new__(*args: Any, **options: Any) -> Any:
        made = function(*args, **options)
        if is_of_the_library(made) or (is_foreign(type(made)) and _keeps_notes(made)):
            raise PolicyError("__new__ may not give what is the library's")
        return made

    return staticmethod(functools.update_wrapper(__new__, function))


def _shown(value: object) -> str:
    return repr(value[:60]) if type(value) is str else "what is no string"


def _checked_names(key: str, value: Any) -> tuple[str, ...]:
    names = (value,) if type(value) is str else tuple(value) if type(value) in (tuple, list) else (None,)
    allowed = is_matchable if key == "__match_args__" else is_field
    if not all(type(name) is str and allowed(name) for name in names):
        raise PolicyError(f"{key} must be a tuple of ordinary names")
    return names


def checked_annotations(annotations: Any) -> dict[str, Any]:
    """A copy of a class's annotations whose names are fit to stand in source. Raises PolicyError."""
    copied: dict[Any, Any] = dict(annotations) if type(annotations) is dict else {None: None}
    if not all(type(name) is str and name.isidentifier() and is_field(name) for name in copied):
        raise PolicyError("annotations must be of ordinary names")
    return copied


def match_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The leading names of a generated class that patterns may read by place."""
    for index, name in enumerate(names):
        if not is_matchable(name):
            return names[:index]
    return names


def _checked_bases(bases: tuple[Any, ...]) -> tuple[type, ...]:
    for base in bases:
        if not isinstance(base, type):
            raise TypeError(f"bases must be classes, not {type(base).__name__[:60]!r} objects")
        if issubclass(base, type):
            raise PolicyError("metaclasses are not for programs")
        if is_foreign(base) and base not in world.given:
            raise PolicyError(f"{type.__dict__['__name__'].__get__(base)} is not for programs to derive from")
    return bases


def _checked_options(options: dict[str, Any]) -> dict[str, Any]:
    """The keywords of a class. Those with an underscore are between the library and itself."""
    for name in options:
        if name.startswith("_"):
            raise PolicyError(f"a class may not have the keyword {name!r}")
    return options


def _metaclass(named: Any, bases: tuple[type, ...]) -> type:
    """The most derived metaclass, as CPython finds it, from the one that is named and those of the bases."""
    known = _METACLASSES.get(id(named))
    if known is None:
        raise PolicyError("metaclasses are not for programs")
    winner = known
    for base in bases:
        other = type(base)
        if issubclass(other, winner):
            winner = other
        elif not issubclass(winner, other):
            raise TypeError(
                "metaclass conflict: the metaclass of a derived class must be a (non-strict) subclass of the "
                "metaclasses of all its bases"
            )
    return winner


class _Maker:
    """The metaclass while a class statement runs: asked for the namespace, then for the class."""

    def __init__(self, metaclass: type, original_bases: tuple[Any, ...] | None) -> None:
        self.metaclass = metaclass
        self.original_bases = original_bases

    def __prepare__(self, name: str, bases: tuple[type, ...], **options: Any) -> Any:
        return self.metaclass.__prepare__(name, bases, **options)

    def __call__(self, name: str, bases: tuple[type, ...], namespace: Any, **options: Any) -> Any:
        if self.original_bases is not None:
            namespace["__orig_bases__"] = self.original_bases
        checked = checked_members(namespace)
        for key in checked.keys() & _REPLACED:
            dict.__setitem__(namespace, key, checked[key])  # an enum's namespace has to stay the object that it is
        return self.metaclass(name, bases, namespace, **options)


def build_class(function: Any, name: str, /, *bases: Any, metaclass: Any = None, **options: Any) -> Any:
    """What a class statement calls, in place of builtins.__build_class__."""
    resolved = _checked_bases(types.resolve_bases(bases))
    _checked_options(options)
    maker = _Maker(_metaclass(metaclass, resolved), None if resolved is bases else bases)
    return builtins.__build_class__(function, name, *resolved, metaclass=maker, **options)


def _from_namespace(metaclass: type, name: Any, bases: Any, namespace: Any, options: dict[str, Any]) -> Any:
    """A class from a dict, as type() and ABCMeta() make it."""
    if type(name) is not str or type(namespace) is not dict or type(bases) is not tuple:
        raise TypeError("a class is made of a str, a tuple and a dict")
    members = checked_members(namespace) | {"__module__": MODULE}
    return metaclass(name, _checked_bases(bases), members, **_checked_options(options))


def make_abstract_class(name: Any, bases: Any, namespace: Any, **options: Any) -> Any:
    """abc.ABCMeta as a metaclass."""
    return _from_namespace(abc.ABCMeta, name, bases, namespace, options)


def type_of(ob: Any) -> Any:
    """type(ob) and ob.__class__, with the stand-in for `type` where that, or another metaclass, would come out."""
    cls = type(ob)
    if issubclass(cls, types.GenericAlias):
        raise PolicyError("an alias marks what it is made to call, so none is made by hand")
    return TypeStandIn if issubclass(cls, type) else cls


class _TypeStandInMeta(type):
    def __instancecheck__(cls, ob: Any) -> bool:
        return isinstance(ob, type)

    def __subclasscheck__(cls, sub: Any) -> bool:
        return issubclass(sub, type)

    def __repr__(cls) -> str:
        return "<class 'type'>"


class _TypeHint(types.GenericAlias):
    """type[...], not to be called: it would leave its mark on the class that comes out."""

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("type[...] is a hint")


class TypeStandIn(metaclass=_TypeStandInMeta):
    """What programs know as `type`. The real one makes classes whose names no policy has seen."""

    def __new__(cls, *args: Any, **options: Any) -> Any:
        if len(args) == 1 and not options:
            return type_of(args[0])
        if len(args) != 3:
            raise TypeError("type() takes 1 or 3 arguments")
        return _from_namespace(type, *args, options)

    def __class_getitem__(cls, item: Any) -> Any:
        return _TypeHint(TypeStandIn, item)


TypeStandIn.__name__ = TypeStandIn.__qualname__ = "type"
TypeStandIn.__module__ = "builtins"

# What a program may name as a metaclass, and what then makes the class.
_METACLASSES: dict[int, type] = {id(None): type, id(TypeStandIn): type, id(make_abstract_class): abc.ABCMeta}


def checked_enum(create: Callable[..., Any]) -> Callable[..., Any]:
    """EnumType._create_, behind Enum('E', names): the names by the rule for class statements."""

    def checked(cls: Any, class_name: Any, names: Any, *, module: Any = None, **options: Any) -> Any:
        if type(class_name) is not str:
            raise TypeError("an enum's name must be a string")
        if isinstance(names, str):
            names = str.__str__(names).replace(",", " ").split()
        elif hasattr(names, "items"):
            names = names.items()
        members = [item if isinstance(item, str) else tuple(item) for item in names or ()]
        for item in members:
            name = item if isinstance(item, str) else item[0]
            if type(name) is not str or name in NAME_LISTS or not is_variable(name):
                raise PolicyError(f"an enum may not have a member called {_shown(name)}")
        if (mixin := options.get("type")) is not None:
            _checked_bases((mixin,))
        return create(cls, class_name, members, module=MODULE, **options)

    return checked
