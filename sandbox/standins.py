"""Small modules in the place of those whose use changes no value: logs, warnings, tests, locks.

What programs do with them at module level works and goes nowhere; what would give a value is refused when it is used.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from sandbox.refused import Refused

_NOT_HERE = "is not in the sandbox"


def nothing(*_: Any, **__: Any) -> None:
    """Takes anything and does nothing."""


def decorated(function: Any) -> Any:
    """A decorator that changes nothing."""
    return function


class Logger:
    """A logger without handlers."""

    __slots__ = ("name",)

    def __init__(self, name: str = "root") -> None:
        object.__setattr__(self, "name", name)

    debug = info = warning = warn = error = critical = exception = log = staticmethod(nothing)
    setLevel = addHandler = removeHandler = addFilter = staticmethod(nothing)

    def isEnabledFor(self, level: int) -> bool:
        """Whether anything would be written."""
        return False


class Quiet:
    """A context in which nothing changes."""

    __slots__ = ()

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> "Quiet":
        return self

    def __exit__(self, *_: Any) -> None:
        pass


class Lock(Quiet):
    """A lock in a process of one thread: never held by another."""

    __slots__ = ()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Always at once."""
        return True

    def release(self) -> None:
        """Nothing to give back."""


class TestCase:
    """A base for tests that nobody runs."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return Refused(f"unittest.TestCase.{name}"[:200], _NOT_HERE)


class _Marks:
    """pytest.mark: any mark, with arguments or without."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return mark


def mark(*args: Any, **options: Any) -> Any:
    """pytest.mark.name and pytest.fixture, as @mark and as @mark(...)."""
    return args[0] if len(args) == 1 and not options and callable(args[0]) else decorated


class StandIn(ModuleType):
    """A module of which some is there; what is not may be named, and is refused when it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Refused(f"{ModuleType.__repr__(self)[9:-2].split(chr(39))[0]}.{name}"[:200], _NOT_HERE)


_LEVELS = {"CRITICAL": 50, "FATAL": 50, "ERROR": 40, "WARNING": 30, "WARN": 30, "INFO": 20, "DEBUG": 10, "NOTSET": 0}
_CONTENTS: dict[str, dict[str, Any]] = {
    "logging": {
        **_LEVELS,
        **dict.fromkeys(("debug", "info", "warning", "warn", "error", "critical", "exception", "log"), nothing),
        **dict.fromkeys(("basicConfig", "disable"), nothing),
        **dict.fromkeys(("NullHandler", "StreamHandler", "Formatter"), Quiet),
        "Logger": Logger,
        "getLogger": Logger,
    },
    "warnings": {
        **dict.fromkeys(("warn", "filterwarnings", "simplefilter", "resetwarnings"), nothing),
        "catch_warnings": Quiet,
    },
    "traceback": dict.fromkeys(("print_exc", "print_stack", "print_exception", "print_tb"), nothing),
    "threading": {"Lock": Lock, "RLock": Lock},
    "unittest": {"TestCase": TestCase, **dict.fromkeys(("skip", "skipIf", "skipUnless"), mark)},
    "pytest": {"mark": _Marks(), "fixture": mark},
    "doctest": {},
}


def make(name: str) -> StandIn:
    """The stand-in for a module that has one."""
    module = StandIn(name)
    for attribute, value in _CONTENTS[name].items():
        setattr(module, attribute, value)
    return module


NAMES = frozenset(_CONTENTS)
