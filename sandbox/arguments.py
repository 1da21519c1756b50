"""What a call is given: arguments as values, which is what an answer is once it has been read, or a script's input."""

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sandbox.values import canonical


@dataclass(frozen=True)
class Arguments:
    """Positional and keyword arguments, all plain data. A child gets copies, new ones for every run of a call."""

    positional: tuple[Any, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """The canonical source text: what stands between the brackets of the call. Raises what `canonical` raises."""
        parts = [canonical(value) for value in self.positional]
        if not self.keywords:
            return ", ".join(parts)
        named = {name: value for name, value in self.keywords.items() if _is_name(name)}
        others = {name: value for name, value in self.keywords.items() if name not in named}
        parts += [f"{name}={canonical(value)}" for name, value in named.items()]
        if others:
            parts.append(f"**{canonical(others)}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class StandardInput:
    """What a script reads; its lines end at line feeds."""

    text: str


def _is_name(name: str) -> bool:
    """Whether the keyword may be written name=value and be read as the same name again."""
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__"
