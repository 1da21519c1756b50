"""How answers are read from the model's text. A style of prompts (tasks/prompts) names the grammar it asks for.

A grammar knows text alone: it runs nothing, parses no Python and never raises, in time linear in the text. Whether
what it found is a program or a value is for the sandbox to say.
"""

from typing import Protocol

from tasks.grammar import doctest, tags


class Grammar(Protocol):
    """What a response can be asked for. Each function returns None where the text has no complete answer."""

    def program_and_input(self, text: str) -> tuple[str, str] | None:
        """A program and the argument list of one call of it."""
        ...

    def inputs_and_message(self, text: str) -> tuple[tuple[str, ...], str] | None:
        """Argument lists, at least one, and a message, which may be empty."""
        ...

    def value(self, text: str) -> str | None:
        """The source text of a value."""
        ...

    def arguments(self, text: str) -> str | None:
        """The argument list of one call."""
        ...

    def program(self, text: str) -> str | None:
        """A program."""
        ...


GRAMMARS: dict[str, Grammar] = {"tags": tags, "doctest": doctest}
