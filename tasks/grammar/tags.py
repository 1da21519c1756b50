"""Answers in tags, after free thinking: `<answer> ... </answer>`, and `<program>`, `<input>`, `<message>` inside it.

The last answer wins, as a model that corrects itself means its last word. An answer that was cut off, so that its
closing tag is missing, is no answer. Code fences, a common margin and a call `f(...)` around an argument list are
taken off, since models add them whatever they are told.
"""

import textwrap

from tasks.grammar.calls import arguments_of_call

_FENCE = "```"


def program_and_input(text: str) -> tuple[str, str] | None:
    """A proposal: the last answer's last program and the argument list that goes with it."""
    answer = _last(text, "answer")
    if answer is None:
        return None
    program, arguments = _last(answer, "program"), _last(answer, "input")
    if program is None or arguments is None or not _plain(program):
        return None
    return _plain(program), _argument_list(arguments)


def inputs_and_message(text: str) -> tuple[tuple[str, ...], str] | None:
    """An induction proposal: every `<input>` of the last answer, and its message."""
    answer = _last(text, "answer")
    if answer is None:
        return None
    inputs = tuple(_argument_list(found) for found in _all(answer, "input"))
    message = _last(answer, "message")
    if not inputs or message is None:
        return None
    return inputs, " ".join(message.split())


def value(text: str) -> str | None:
    """The last answer, as a value."""
    return _plain(_last(text, "answer") or "") or None


def arguments(text: str) -> str | None:
    """The last answer, as an argument list. An empty answer is the empty list."""
    answer = _last(text, "answer")
    return None if answer is None else _argument_list(answer)


def program(text: str) -> str | None:
    """The last answer, as a program."""
    return value(text)


def _last(text: str, tag: str) -> str | None:
    """What the last `<tag>` holds; None where there is none or it is never closed."""
    _, opened, rest = text.rpartition(f"<{tag}>")
    held, closed, _ = rest.partition(f"</{tag}>")
    return held if opened and closed else None


def _all(text: str, tag: str) -> list[str]:
    """What each closed `<tag>` holds, in order."""
    pieces = text.split(f"<{tag}>")[1:]
    return [held for held, closed, _ in (piece.partition(f"</{tag}>") for piece in pieces) if closed]


def _argument_list(text: str) -> str:
    plain = _plain(text)
    inner = arguments_of_call(plain)
    return plain if inner is None else inner


def _plain(text: str) -> str:
    """The text without prose and a fence around it and without a common margin; of several fenced blocks the last.

    A fence counts at the margin alone: an indented one belongs to the program, in a docstring say.
    """
    lines = textwrap.dedent(text).strip().split("\n")
    fences = [i for i, line in enumerate(lines) if line.startswith(_FENCE)]
    if not fences:
        return _without_backticks("\n".join(lines)).strip()
    if len(fences) % 2 == 0:
        first, last = fences[-2] + 1, fences[-1]
    elif len(fences) == 1 and fences[0] == len(lines) - 1:
        first, last = 0, fences[0]  # closed and never opened
    else:
        first, last = fences[-1] + 1, len(lines)  # opened and never closed
    return textwrap.dedent("\n".join(lines[first:last])).strip()


def _without_backticks(text: str) -> str:
    """`1, 2` in single backticks, as models write inline code."""
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == "`" else text
