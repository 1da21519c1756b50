"""Prints how many objects a walk saw, and the paths to those that no program may reach.

From what a program is given it goes on by attributes that need no guard (which is what patterns and attrgetter read
too) and those that have one, by calls with arguments of many kinds, by iteration, items and contexts, and by operators
against an object that keeps whatever it is compared or combined with. It runs as the child does, in a process of its
own, since loading the modules hardens the process's library.
"""

import builtins
import itertools
import operator
import signal
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from sandbox import child, classes, guards, modules
from sandbox.names import NameKind, attribute_kind

DANGEROUS = {
    "type": type,
    "open": open,
    "exec": exec,
    "eval": eval,
    "compile": compile,
    "__import__": builtins.__import__,
    "getattr": getattr,
    "setattr": setattr,
    "vars": vars,
    "globals": globals,
    "sys.modules": sys.modules,
    "builtins": vars(builtins),
    "str.format": str.format,
}
DEPTH = 4  # steps in a row; method objects are new at every look, so there is no end to walk to
KINDS = (types.FrameType, types.CodeType, types.ModuleType)
RAW_FORMATS = ("format", "format_map")
CLOCKS = ("now", "utcnow", "today")
BUSY = frozenset({"exit", "quit", "setrecursionlimit", "input", "accumulate", "count", "cycle", "repeat", "factorial"})
CALL_S = 0.2  # a call that takes longer is given up
OPERATORS = (operator.eq, operator.lt, operator.or_, operator.and_, operator.add, operator.mod, operator.contains)


class Spy:
    """Keeps what the other side of an operator hands to it, and what it is called with."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def keep(self, *others: Any, **options: Any) -> "Spy":
        """Anything, from anywhere."""
        self.kept += [*others, *options.values()]
        return self

    __call__ = __or__ = __ror__ = __and__ = __rand__ = __add__ = __radd__ = __mod__ = __rmod__ = keep
    __exit__ = __get__ = __set_name__ = __deepcopy__ = keep

    def __eq__(self, other: object) -> bool:
        self.kept.append(other)
        return False

    def __lt__(self, other: object) -> bool:
        self.kept.append(other)
        return False

    __gt__ = __contains__ = __lt__


def examples() -> list[Any]:
    """Objects that a program makes easily, beside those it is given."""

    def function() -> None:
        """A program's function."""

    class Thing:
        """A program's class."""

        def method(self) -> None:
            """Its method."""

    def generator() -> Any:
        yield 1

    thing = Thing()
    values: list[Any] = [
        1,
        1.5,
        1j,
        "a",
        b"a",
        (),
        [],
        {},
        set(),
        frozenset(),
        range(1),
        slice(1),
        None,
        ...,
        thing,
        Thing,
    ]
    values += [
        function,
        thing.method,
        generator(),
        iter([]),
        iter({}),
        {}.items(),
        property(function),
        staticmethod(function),
    ]
    values += [
        classmethod(function),
        super(Thing, thing),
        ValueError(1),
        StopIteration(1),
        list[int],
        int | str,
        map(str, []),
    ]
    return [*values, bytearray(), zip(), enumerate([]), reversed([]), filter(None, []), NotImplemented]


class _Late(BaseException):
    """A call took too long."""


def _ring(*_: Any) -> None:
    raise _Late


def _made(act: Callable[[], Any]) -> list[Any]:
    """What an act gives or raises, if it ends in time."""
    made = []
    try:
        signal.setitimer(signal.ITIMER_REAL, CALL_S)
        try:
            made.append(act())
        except Exception as error:
            made.append(error)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except (_Late, SystemExit):
        return []
    return made


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    names: list[str] = []
    with suppress(Exception):
        names = [name for name in dir(value) if type(name) is str]
    for name in names:
        kind = attribute_kind(name)
        if kind is NameKind.REFUSED or (name.startswith("__") and kind is NameKind.PLAIN):  # those are methods
            continue
        with suppress(Exception):  # a property of a class without an instance, or what is refused
            yield f".{name}", guards.get_attribute(value, name)


def _uses(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """What comes of calls, protocols and operators."""
    spy = Spy()
    if callable(value) and path.rpartition(".")[2].rpartition(" ")[2] not in BUSY:
        for text, arguments in _ARGUMENTS.items():
            for found in _made(partial(value, *arguments(spy))):
                yield f"({text})", found
    for found in _made(lambda: list(itertools.islice(iter(value), 5))):
        yield "[iterated]", found
    for key in (0, "a", spy):
        for found in _made(partial(operator.getitem, value, key)):
            yield "[item]", found
    for found in _made(lambda: value.__enter__()):
        yield "[entered]", found
    for combine in OPERATORS:
        for found in _made(partial(combine, value, spy)):
            yield f"[{combine.__name__}]", found
    for index, kept in enumerate(spy.kept[:50]):
        yield f"[handed over {index}]", kept


_ARGUMENTS: dict[str, Callable[[Spy], tuple[Any, ...]]] = {
    "": lambda spy: (),
    "spy": lambda spy: (spy,),
    "spy.keep": lambda spy: (spy.keep,),
    "1": lambda spy: (1,),
    "'a'": lambda spy: ("a",),
    "[1, 2]": lambda spy: ([1, 2],),
    "int": lambda spy: (int,),
    "spy, spy": lambda spy: (spy, spy),
    "'a', [1]": lambda spy: ("a", [1]),
    "spy.keep, [1, 2]": lambda spy: (spy.keep, [1, 2]),
    "'a', (), {}": lambda spy: ("a", (), {}),
}


def _is_forbidden(value: Any, dangerous: dict[int, str], own: set[int]) -> bool:
    if id(value) in dangerous or (isinstance(value, KINDS) and id(value) not in own):
        return True
    if isinstance(value, type):
        return issubclass(value, type) and value is not classes.TypeStandIn
    if isinstance(value, types.BuiltinFunctionType) and isinstance(value.__self__, str):
        return value.__name__ in RAW_FORMATS
    return isinstance(value, types.BuiltinFunctionType) and value.__name__ in CLOCKS


def walk(called_depth: int) -> tuple[int, list[str]]:
    """The number of objects seen, and the paths to those that must not be reached.

    So many steps from the start things are also called, iterated and combined: 1 takes seconds, 2 takes minutes.
    """
    own = {id(module) for module in modules.MODULES.values()}
    dangerous = {id(value): name for name, value in DANGEROUS.items()}
    start = {f"built-in {k}": v for k, v in child._BUILTINS.items() if not k.startswith("_")}
    start |= {f"module {k}": v for k, v in modules.MODULES.items()}
    start |= {f"a {type(v).__name__}": v for v in examples()}
    pending = deque((path, value, 0) for path, value in start.items())
    seen: set[int] = set()
    found = []
    kept = []  # so that ids stay unique
    while pending:
        path, value, depth = pending.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        kept.append(value)
        if _is_forbidden(value, dangerous, own):
            found.append(path)
            continue
        if depth >= DEPTH or isinstance(value, (types.MethodWrapperType, types.WrapperDescriptorType)):
            continue
        pending += [(path + step, reached, depth + 1) for step, reached in _attributes(value)]
        if depth < called_depth:
            pending += [(path + step, reached, depth + 1) for step, reached in _uses(value, path)]
    return len(seen), found


if __name__ == "__main__":
    signal.signal(signal.SIGALRM, _ring)
    modules.load(whole=True)
    guards.close_world()
    count, paths = walk(called_depth=int(sys.argv[1]))
    print("\n".join([str(count), *paths]))
