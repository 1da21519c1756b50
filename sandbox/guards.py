"""What hostile code finds at run time: its built-ins, and the guards that the policy puts into compiled code.

A guard is only met where the name of an attribute did not settle the matter at compile time.
"""

import abc
import builtins
import datetime
import importlib
import string
import types
from collections.abc import Callable, Iterator
from functools import partial
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from sandbox.names import NAME_LISTS, NameKind, attribute_kind, is_field, is_variable, store_kind, words

MAX_RECURSION = 20_000  # frames; the child's stack is 8 MiB or what the machine grants
PROGRAM = "<program>"  # the file name of code that the policy has compiled
EVAL_NESTING = 100  # levels of an expression given to eval
_MISSING = object()
_METHODS = (BuiltinFunctionType, types.MethodDescriptorType, types.ClassMethodDescriptorType)
_parse_format = string.Formatter().parse
_split_field: Any = importlib.import_module("_string").formatter_field_name_split  # as string.Formatter has it


class PolicyError(Exception):
    """What the program is about to do, or the text it wants compiled, is refused by the policy."""


def shown(value: object) -> str:
    """A short text for a message; asks nothing of the value unless it is an exact str."""
    return repr(value[:60]) if type(value) is str else f"<{type(value).__name__[:60]}>"


# -- which classes belong to the program ------------------------------------------------------------------------------


class _Foreign:
    """The classes that existed before the program ran."""

    def __init__(self) -> None:
        self.classes: frozenset[type] = frozenset()
        self.writable: frozenset[type] = frozenset()

    def close(self) -> None:
        """Take every class that exists now as foreign. Instances of few of them may be written to."""
        found: set[type] = {object}
        pending: list[type] = [object]
        while pending:
            subclasses: list[type] = type.__subclasses__(pending.pop())
            for cls in subclasses:
                if cls not in found:
                    found.add(cls)
                    pending.append(cls)
        self.classes = frozenset(found)
        ordinary = {FunctionType, types.SimpleNamespace, partial}
        contexts = {cls for cls in found if cls.__module__ == "decimal" and cls.__name__ == "Context"}
        self.writable = frozenset(ordinary | contexts | {cls for cls in found if issubclass(cls, BaseException)})


_foreign = _Foreign()
close_world = _foreign.close


def is_foreign(cls: type) -> bool:
    """Whether a class is not the program's own."""
    return cls in _foreign.classes


_private_verdicts: dict[tuple[type, str], bool] = {}


def _owns_private(ob: Any, name: str) -> bool:
    """Whether `name`, which begins with an underscore, can only be something that the program put on `ob`."""
    cls = ob if isinstance(ob, type) else type(ob)
    key = (cls, name)
    verdict = _private_verdicts.get(key)
    if verdict is None:
        classes = type.mro(cls) + (type.mro(type(cls)) if cls is ob else [])
        providers = [c for c in classes if is_foreign(c) and name in type.__dict__["__dict__"].__get__(c)]
        verdict = (not is_foreign(cls) or cls is FunctionType) and not providers
        _private_verdicts[key] = verdict
    return verdict


# -- guards that compiled code calls ----------------------------------------------------------------------------------


def get_private(ob: Any, name: str) -> Any:
    """ob._name, where the name is the program's own."""
    if not _owns_private(ob, name):
        raise PolicyError(f"{name!r} is private to {shown_type(ob)}")
    return getattr(ob, name)


def shown_type(ob: Any) -> str:
    """The name of an object's class, cut short."""
    return str(type.__dict__["__name__"].__get__(type(ob)))[:60]


def get_guarded(ob: Any, name: str) -> Any:
    """ob.format, ob.now and the like: harmless unless the owner is a str or a date."""
    value = getattr(ob, name)
    if isinstance(value, _METHODS):
        owner = value.__objclass__ if hasattr(value, "__objclass__") else value.__self__
        kind = owner if isinstance(owner, type) else type(owner)
        if name in ("format", "format_map"):
            if issubclass(kind, str):
                return _formatter(value, name)
        elif issubclass(kind, datetime.date):
            raise PolicyError(f"{name}() reads the clock")
    return value


def _formatter(method: Any, name: str) -> Callable[..., str]:
    """str.format or str.format_map once the template's attribute names are known to be harmless."""
    bound = method.__self__ if isinstance(method, BuiltinFunctionType) else None

    def checked(*args: Any, **keywords: Any) -> str:
        template, rest = (bound, args) if bound is not None else (args[0] if args else None, args[1:])
        if not isinstance(template, str):
            raise TypeError(f"unbound method str.{name}() needs an argument")
        exact = str.__str__(template)
        _check_template(exact, 2)
        return str.format_map(exact, *rest) if name == "format_map" else str.format(exact, *rest, **keywords)

    return checked


def _check_template(template: str, depth: int) -> None:
    if "." not in template and "[" not in template:
        return
    for _, field, spec, _ in _parse_format(template):
        for name in _field_attributes(field or ""):
            if attribute_kind(name) not in (NameKind.PLAIN, NameKind.CLASS):
                raise PolicyError(f"a format string may not read the attribute {name!r}")
        if spec and depth:
            _check_template(spec, depth - 1)


def _field_attributes(field: str) -> Iterator[str]:
    """The attributes that a replacement field walks, as str.format splits it: a.b[c].d gives b and d."""
    _, rest = _split_field(field)
    return (name for is_attribute, name in rest if is_attribute)


def writable(ob: Any) -> Any:
    """The object of `ob.name = value` and `del ob.name`: not foreign classes or modules, nor most foreign objects."""
    cls = ob if isinstance(ob, type) else type(ob)
    if cls in _foreign.classes and (cls is ob or cls not in _foreign.writable):
        raise PolicyError(f"the attributes of {shown_type(ob)} objects are not the program's to set")
    if _is_of_the_library(ob):
        raise PolicyError("the attributes of the library's functions are not the program's to set")
    return ob


def _is_of_the_library(ob: Any) -> bool:
    """Whether `ob` is a function that no program wrote: what one call puts on it the next one would find."""
    return type(ob) is FunctionType and ob.__code__.co_filename != PROGRAM


def own(ob: Any, name: str) -> Any:
    """The object of `ob._name = value`."""
    if not _owns_private(ob, name):
        raise PolicyError(f"{name!r} is private to {shown_type(ob)}")
    return writable(ob)


def type_of(ob: Any) -> Any:
    """type(ob) and ob.__class__, with the stand-in for `type` where that, or another metaclass, would come out."""
    cls = type(ob)
    return TypeStandIn if issubclass(cls, type) else cls


def variables(ob: Any) -> dict[str, Any]:
    """vars(ob) and ob.__dict__, for the program's own objects and for functions."""
    foreign = is_foreign(type(ob)) and type(ob) not in _foreign.writable
    if foreign or isinstance(ob, (type, ModuleType)) or _is_of_the_library(ob):
        raise PolicyError(f"the variables of {shown_type(ob)} objects are not the program's to see")
    return vars(ob)


def attribute_setter(ob: Any) -> Callable[..., None]:
    """ob.__setattr__, as super().__setattr__ and object.__setattr__ are used in classes that guard their attributes."""
    if ob is object:
        return lambda target, name, value: object.__setattr__(_storable(target, name), name, value)
    if type(ob) is super:
        return partial(_set_through_super, ob)
    return lambda name, value: set_attribute(ob, name, value)


def _set_through_super(ob: Any, name: str, value: Any) -> None:
    _storable(ob.__self__, name)
    ob.__setattr__(name, value)


def _storable(ob: Any, name: str) -> Any:
    """`ob`, if its attribute `name` may be set or deleted."""
    if type(name) is not str:
        raise TypeError("attribute name must be string")
    kind = store_kind(name)
    if kind is NameKind.REFUSED:
        raise PolicyError(f"the attribute {name!r} may not be set")
    return own(ob, name) if kind is NameKind.PRIVATE else writable(ob)


# -- built-ins --------------------------------------------------------------------------------------------------------

_READERS: dict[NameKind, Callable[[Any, str], Any]] = {
    NameKind.PLAIN: getattr,
    NameKind.PRIVATE: get_private,
    NameKind.GUARDED: get_guarded,
    NameKind.CLASS: lambda ob, _: type_of(ob),
    NameKind.DICT: lambda ob, _: variables(ob),
    NameKind.SETATTR: lambda ob, _: attribute_setter(ob),
}


def get_attribute(ob: Any, name: str, default: Any = _MISSING) -> Any:
    """getattr, by the rules for attributes in the source."""
    if type(name) is not str:
        raise TypeError("attribute name must be string")
    reader = _READERS.get(attribute_kind(name))
    if reader is None:
        raise PolicyError(f"the attribute {name!r} leads to the interpreter")
    if default is _MISSING:
        return reader(ob, name)
    try:
        return reader(ob, name)
    except AttributeError:
        return default


def set_attribute(ob: Any, name: str, value: Any) -> None:
    """setattr, by the rules for attributes in the source."""
    setattr(_storable(ob, name), name, value)


def delete_attribute(ob: Any, name: str) -> None:
    """delattr, by the rules for attributes in the source."""
    delattr(_storable(ob, name), name)


def _variables(*objects: Any) -> dict[str, Any]:
    if len(objects) != 1:
        raise PolicyError("vars() without an object reaches the interpreter")
    return variables(objects[0])


def _directory(*objects: Any) -> list[str]:
    if len(objects) != 1:
        raise PolicyError("dir() without an object reaches the interpreter")
    return dir(objects[0])


def _print(*values: Any, **_: Any) -> None:
    for value in values:
        str(value)


def _input(prompt: object = "") -> str:
    raise EOFError("EOF when reading a line")


def _make_class(metaclass: type, name: Any, bases: Any, namespace: Any, options: dict[str, Any]) -> Any:
    """A class from a dict: its names by the rules for names in a class statement."""
    if type(name) is not str or type(namespace) is not dict or type(bases) is not tuple:
        raise TypeError("a class is made of a str, a tuple and a dict")
    allowed = {"__module__", "__qualname__", "__doc__", "__classcell__", "__annotations__", *NAME_LISTS}
    members = dict(namespace)
    for key, value in members.items():
        if type(key) is not str or not (is_variable(key) or key in allowed):
            raise PolicyError(f"a class may not define {shown(key)}")
        if key in NAME_LISTS and not _harmless_names(value):
            raise PolicyError(f"{key} must be a tuple of ordinary names")
        if key == "__annotations__" and not _harmless_names(tuple(value) if type(value) is dict else None):
            raise PolicyError("annotations must be of ordinary names")
    return metaclass(name, bases, members, **options)


def _harmless_names(names: Any) -> bool:
    if type(names) not in (str, tuple):
        return False
    return all(type(n) is str and is_field(n) for n in ((names,) if type(names) is str else names))


def make_abstract_class(name: Any, bases: Any, namespace: Any, **options: Any) -> Any:
    """abc.ABCMeta as a metaclass."""
    return _make_class(abc.ABCMeta, name, bases, namespace, options)


class _TypeStandInMeta(type):
    def __instancecheck__(cls, ob: Any) -> bool:
        return isinstance(ob, type)

    def __subclasscheck__(cls, sub: Any) -> bool:
        return issubclass(sub, type)

    def __repr__(cls) -> str:
        return "<class 'type'>"


class TypeStandIn(metaclass=_TypeStandInMeta):
    """What programs know as `type`. The real one makes classes whose names no policy has seen."""

    def __new__(cls, *args: Any, **options: Any) -> Any:
        if len(args) == 1 and not options:
            return type_of(args[0])
        if len(args) != 3:
            raise TypeError("type() takes 1 or 3 arguments")
        return _make_class(type, *args, options)

    def __init_subclass__(cls, **_: Any) -> None:
        raise PolicyError("metaclasses are not for programs")

    def __class_getitem__(cls, item: Any) -> Any:
        return type[item]


TypeStandIn.__name__ = TypeStandIn.__qualname__ = "type"
TypeStandIn.__module__ = "builtins"

_PASSED = words(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float "
    "format frozenset hasattr hash hex id int isinstance issubclass iter len list map max min next object oct ord pow "
    "property range repr reversed round set slice sorted staticmethod str sum super tuple zip NotImplemented Ellipsis "
    "None True False __build_class__ __debug__"
)


def make_builtins(import_module: Callable[..., Any], evaluate: Callable[..., Any]) -> dict[str, Any]:
    """The built-ins of one program: harmless ones as they are, guarded ones, and every exception."""
    table = {name: getattr(builtins, name) for name in _PASSED}
    table |= {n: v for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException)}
    table |= {
        "type": TypeStandIn,
        "getattr": get_attribute,
        "setattr": set_attribute,
        "delattr": delete_attribute,
        "vars": _variables,
        "dir": _directory,
        "print": _print,
        "input": _input,
        "eval": evaluate,
        "__import__": import_module,
    }
    return table


# The names by which compiled code calls the guards. No program may use a name that begins and ends with an underscore.
GUARDS: dict[str, Callable[..., Any]] = {
    "_private_": get_private,
    "_guarded_": get_guarded,
    "_write_": writable,
    "_own_": own,
    "_type_": type_of,
    "_vars_": variables,
    "_setter_": attribute_setter,
}
