"""What hostile code finds at run time: its built-ins, and the guards that the policy puts into compiled code.

A guard is only met where the name of an attribute did not settle the matter at compile time.
"""

import builtins
import datetime
import importlib
import string
import types
from collections.abc import Callable
from functools import partial
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from sandbox.classes import TypeStandIn, build_class, is_foreign, is_of_the_library, type_of, world
from sandbox.names import REFUSED_BUILTINS, NameKind, attribute_kind, is_variable, store_kind, words
from sandbox.refused import PolicyError, Refused

MAX_RECURSION = 20_000  # frames; the child's stack is 8 MiB or what the machine grants
EVAL_NESTING = 100  # levels of an expression given to eval
_MISSING = object()
_METHODS = (BuiltinFunctionType, types.MethodDescriptorType, types.ClassMethodDescriptorType)
_parse_format = string.Formatter().parse
_split_field: Any = importlib.import_module("_string").formatter_field_name_split  # as string.Formatter has it


def shown(value: object) -> str:
    """A short text for a message; asks nothing of the value unless it is an exact str."""
    return repr(value[:60]) if type(value) is str else f"<{type(value).__name__[:60]}>"


# -- which classes belong to the program ------------------------------------------------------------------------------


_written: set[type] = set()  # the foreign classes whose instances may be written to


def close_world() -> None:
    """Take every class that exists now as foreign. Instances of few of them may be written to."""
    world.close()
    _written.update({FunctionType, types.SimpleNamespace, partial})
    _written.update(cls for cls in world.foreign if cls.__module__ == "decimal" and cls.__name__ == "Context")
    _written.update(cls for cls in world.foreign if issubclass(cls, BaseException))


class_variables: Callable[[type], Any] = type.__dict__["__dict__"].__get__  # a class's own, whatever its class says

_private_verdicts: dict[tuple[type, str], bool] = {}


def _owns_private(ob: Any, name: str) -> bool:
    """Whether `name`, which begins with an underscore, can only be something that the program put on `ob`."""
    ob = _behind_super(ob)
    cls = ob if isinstance(ob, type) else type(ob)
    if cls is FunctionType:
        return not is_of_the_library(ob)
    key = (cls, name)
    verdict = _private_verdicts.get(key)
    if verdict is None:
        classes = type.mro(cls) + (type.mro(type(cls)) if cls is ob else [])
        providers = [c for c in classes if is_foreign(c) and name in class_variables(c)]
        verdict = not is_foreign(cls) and not providers
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
    """ob.format, ob.now and the like: harmless unless the owner is a str, a date or an AttributeError."""
    value = getattr(ob, name)
    if name == "__init__":
        return _initializer(ob, value)
    if name == "__init_subclass__":
        if is_foreign(_behind_super(ob)):
            raise PolicyError("the library's classes are not the program's to initialize")
        return value
    if name == "obj":
        owner = _behind_super(ob)
        if issubclass(owner if isinstance(owner, type) else type(owner), AttributeError):
            raise PolicyError("what lacked an attribute is not the program's to see")
        return value
    if isinstance(value, _METHODS):
        owner = value.__objclass__ if hasattr(value, "__objclass__") else value.__self__
        kind = owner if isinstance(owner, type) else type(owner)
        if name in ("format", "format_map"):
            if issubclass(kind, str):
                return _formatter(value, name)
        elif issubclass(kind, datetime.date):
            raise PolicyError(f"{name}() reads the clock")
    return value


def _behind_super(ob: Any) -> Any:
    """The object that a super object reads for; any other object as it is."""
    return super.__dict__["__self__"].__get__(ob) if type(ob) is super else ob


def _initializer(ob: Any, init: Any) -> Any:
    """ob.__init__: what the library made before, a type's alias say, may not be made anew."""
    function = init.__func__ if type(init) is types.MethodType else init
    if type(function) is FunctionType and not is_of_the_library(function):
        return init
    owner = _behind_super(ob)
    if not isinstance(owner, type):
        return _own_init(owner, init)

    def checked(*args: Any, **options: Any) -> None:
        init(*(_own_init(arg, arg) for arg in args[:1]), *args[1:], **options)

    return checked


def _own_init(ob: Any, init: Any) -> Any:
    if isinstance(ob, type) or is_foreign(type(ob)):
        raise PolicyError(f"{shown_type(ob)} objects are not the program's to initialize")
    return init


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
        _check_field(field or "")
        if spec and depth:
            _check_template(spec, depth - 1)


def _check_field(field: str) -> None:
    """Judge what a replacement field walks, as str.format splits it: a.b[c].d walks to b, c and d.

    An object's real class may be `type`, so only its name is looked up in it.
    """
    _, rest = _split_field(field)
    in_class = False
    for is_attribute, name in rest:
        allowed = not is_attribute or attribute_kind(name) is NameKind.PLAIN or name == "__class__"
        if not allowed or (in_class and name not in ("__name__", "__qualname__")):
            raise PolicyError(f"a format string may not read the attribute {name!r}")
        in_class = name == "__class__"


def writable(ob: Any) -> Any:
    """The object of `ob.name = value` and `del ob.name`: not foreign classes or modules, nor most foreign objects."""
    cls = ob if isinstance(ob, type) else type(ob)
    if is_of_the_library(ob):
        raise PolicyError("the attributes of the library's classes and functions are not the program's to set")
    if is_foreign(cls) and cls not in _written:
        raise PolicyError(f"the attributes of {shown_type(ob)} objects are not the program's to set")
    return ob


def own(ob: Any, name: str) -> Any:
    """The object of `ob._name = value`."""
    if not _owns_private(ob, name):
        raise PolicyError(f"{name!r} is private to {shown_type(ob)}")
    return writable(ob)


def variables(ob: Any) -> dict[str, Any]:
    """vars(ob) and ob.__dict__, for the program's own objects and for functions."""
    foreign = is_foreign(type(ob)) and type(ob) not in _written
    if foreign or isinstance(ob, (type, ModuleType)) or is_of_the_library(ob):
        raise PolicyError(f"the variables of {shown_type(ob)} objects are not the program's to see")
    return vars(ob)


def view(ob: Any, name: str) -> Any:
    """ob.__members__ and the like: of a copy, since a view hands its dict to the other side of an ==."""
    value = getattr(ob, name)
    return types.MappingProxyType(dict(value)) if type(value) is types.MappingProxyType else value


def absent(module: str) -> Any:
    """An import of what the sandbox does not have, in a program that asks whether it is there."""
    raise ModuleNotFoundError(f"No module named {module!r}", name=module)


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
    NameKind.VIEW: view,
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


def _print(*values: Any, sep: Any = None, end: Any = None, file: Any = None, flush: Any = False, **other: Any) -> None:
    """print, whose text goes to `file` piece by piece as in CPython, and nowhere without one."""
    for name in other:
        raise TypeError(f"{name!r} is an invalid keyword argument for print()")
    for name, value in (("sep", sep), ("end", end)):
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} must be None or a string, not {shown_type(value)}")
    write = _nowhere if file is None else file.write
    for index, value in enumerate(values):
        if index:
            write(" " if sep is None else sep)
        write(str(value))
    write("\n" if end is None else end)
    if flush and file is not None:
        file.flush()


def _nowhere(text: str) -> None:
    """Where standard output goes."""


def _input(prompt: object = "") -> str:
    raise EOFError("EOF when reading a line")


_PASSED = words(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter float "
    "format frozenset hasattr hash hex id int isinstance issubclass iter len list map max min next object oct ord pow "
    "property range repr reversed round set slice sorted staticmethod str sum super tuple zip NotImplemented Ellipsis "
    "None True False __debug__"
)


def evaluation_namespace(table: dict[str, Any], *given: Any) -> dict[str, Any]:
    """The namespace of an eval: a copy of the program's own, with the guards set last, where nothing covers them.

    `table` are the built-ins; a program may put its own in their place, as `{"__builtins__": {}}` does.
    """
    names: dict[str, Any] = {}
    for namespace in given:
        names.update(_own_names(namespace))
    own = names.pop("__builtins__", table)
    if own is not table:
        own = {name: value for name, value in _own_names(own).items() if name != "__builtins__"}
        if refused := own.keys() & REFUSED_BUILTINS.keys():
            raise PolicyError(f"built-ins of one's own may not name {min(refused)!r}")
    return {**names, **GUARDS, "__builtins__": own}


def _own_names(namespace: Any) -> dict[str, Any]:
    """A copy, with names that are strings and nothing else: a subclass's may equal what it likes."""
    names = dict(namespace or {})
    for name in names:
        if type(name) is not str:
            raise TypeError("the names of a namespace must be strings")
        if name != "__builtins__" and not is_variable(name):
            raise PolicyError(f"the name {name!r} is reserved")
    return names


def make_builtins(import_module: Callable[..., Any], evaluate: Callable[..., Any]) -> dict[str, Any]:
    """The built-ins of one program: harmless ones as they are, guarded ones, and every exception."""
    table = {name: getattr(builtins, name) for name in _PASSED}
    table |= {n: v for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException)}
    table |= {name: Refused(f"{name}()", reason) for name, reason in REFUSED_BUILTINS.items()}
    table |= {
        "__build_class__": build_class,
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
    "_view_": view,
    "_absent_": absent,
}
