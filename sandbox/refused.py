"""What stands where a program names something that the sandbox does not have.

Programs import and name much that no call ever reaches, so a refusal happens where the thing is used: called, read
as a value, compared, opened. Only walking on to an attribute of it is free, since annotations and decorators do so.
The first refusal of a call is remembered, so that a program that catches it gains no other value by that
(sandbox/child.py asks).
"""

from typing import Any, NoReturn

from sandbox.names import words


class _Refusals:
    """The first refusal since `forget`."""

    def __init__(self) -> None:
        self.first: str | None = None

    def forget(self) -> None:
        """A new load of a program begins."""
        self.first = None


refusals = _Refusals()


class PolicyError(Exception):
    """What the program is about to do, or the text it wants compiled, is refused by the policy."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        if refusals.first is None:
            refusals.first = message if type(message) is str else "a refusal of the program's own making"


class Refused:
    """A module, a function or a class that programs may name and not use."""

    __slots__ = ("_name", "_reason")

    def __init__(self, name: str, reason: str) -> None:
        self._name = name
        self._reason = reason

    def __getattr__(self, name: str) -> "Refused":
        if name.startswith("__"):  # the interpreter and the library ask for what an object can do
            raise AttributeError(name)
        return Refused(f"{self._name}.{name}"[:200], self._reason)

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        self.refuse()

    def refuse(self, *_: Any, **__: Any) -> NoReturn:
        """Raises PolicyError, as every use does."""
        raise PolicyError(f"{self._name} {self._reason}")


_USES = words(
    "call str repr format bytes bool int float complex index hash len iter next reversed contains getitem setitem "
    "delitem eq ne lt le gt ge neg pos abs invert round enter exit instancecheck subclasscheck setattr delattr"
)
_OPERATORS = words("add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or")
for _use in (*_USES, *_OPERATORS, *(f"r{name}" for name in _OPERATORS), *(f"i{name}" for name in _OPERATORS)):
    if _use not in ("idivmod", "setattr"):
        setattr(Refused, f"__{_use}__", Refused.refuse)
