"""Prints what a program must not reach and could: from its built-ins and modules, by attributes that need no guard.

Run by test_reach.py in a process of its own, since loading the modules hardens the process's library.
"""

import builtins
import sys
import types
from collections import deque
from typing import Any

from sandbox import child, guards, modules
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
}
DEPTH = 4  # attributes in a row; method objects are new at every look, so there is no end to walk to
KINDS = (types.FrameType, types.CodeType, types.TracebackType, types.ModuleType)


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


def walk() -> list[str]:
    """The paths to what must not be reached."""
    own = {id(module) for module in modules.MODULES.values()}
    dangerous = {id(value): name for name, value in DANGEROUS.items()}
    start = {f"built-in {k}": v for k, v in child._BUILTINS.items() if not k.startswith("_")}
    start |= {f"module {k}": v for k, v in modules.MODULES.items()}
    start |= {f"a {type(v).__name__}": v for v in examples()}
    pending, seen, found = deque(start.items()), set(), []
    kept = []  # so that ids stay unique
    while pending:
        path, value = pending.popleft()
        if id(value) in seen:
            continue
        seen.add(id(value))
        kept.append(value)
        if id(value) in dangerous or (isinstance(value, KINDS) and id(value) not in own):
            found.append(path)
            continue
        if path.count(".") >= DEPTH or isinstance(value, (types.MethodWrapperType, types.WrapperDescriptorType)):
            continue
        for name in dir(value):
            if attribute_kind(name) is NameKind.PLAIN and not name.startswith("__"):  # those are methods
                try:
                    pending.append((f"{path}.{name}", getattr(value, name)))
                except Exception:  # a property of a class without an instance, or a removed attribute
                    continue
    print(len(seen), file=sys.stderr)
    return found


if __name__ == "__main__":
    modules.load(whole=True)
    guards.close_world()
    for path in walk():
        print(path)
