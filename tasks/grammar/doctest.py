"""Answers as the continuation of a Python session: `def f(...)` and, below it, `>>> f(arguments)`. Several calls stand
in a list, `>>> [f(1), f(2)]`, and a comment below them is the message.

For small models that continue text and can't be told what to do. The first answer wins: what follows it is the model
carrying on with the next example.
"""

from collections.abc import Iterator

from tasks.grammar.calls import closing_bracket

_PROMPT = ">>> "
_COMMENT = "# "


def program_and_input(text: str) -> tuple[str, str] | None:
    """A proposal: everything up to the first `>>>` line is the program, that line begins with the call."""
    body, line = _split_at_call(text)
    call = next(_calls(line), None) if line.startswith("f(") else None
    if call is None or not body.strip():
        return None
    return body.strip("\n"), call


def inputs_and_message(text: str) -> tuple[tuple[str, ...], str] | None:
    """An induction proposal: all calls on `>>>` lines, and the first comment, which is the message."""
    lines = text.split("\n")
    inputs = tuple(call for line in lines if line.startswith(_PROMPT) for call in _calls(line))
    comments = (line.removeprefix(_COMMENT).strip() for line in lines if line.startswith(_COMMENT))
    return (inputs, next(comments, "")) if inputs else None


def value(text: str) -> str | None:
    """The first line."""
    return text.partition("\n")[0].strip() or None


def arguments(text: str) -> str | None:
    """What stands in the brackets of `f(...)` on the first line, whatever comes after the bracket."""
    _, opened, rest = text.partition("\n")[0].partition("f(")
    end = closing_bracket(rest, 0) if opened else None
    return None if end is None else rest[:end].strip()


def program(text: str) -> str | None:
    """Everything up to the first `>>>` line."""
    body, _ = _split_at_call(text)
    return body.strip("\n") if body.strip() else None


def _split_at_call(text: str) -> tuple[str, str]:
    """The text before the first `>>>` line, and what that line holds (empty where there is none)."""
    if text.startswith(_PROMPT):
        body, rest = "", text.removeprefix(_PROMPT)
    else:
        body, _, rest = text.partition("\n" + _PROMPT)
    return body, rest.partition("\n")[0]


def _calls(line: str) -> Iterator[str]:
    """The argument list of every call of f on the line, up to the first one that is not closed."""
    at = line.find("f(")
    while at >= 0:
        end = closing_bracket(line, at + 2)
        if end is None:
            return
        yield line[at + 2 : end].strip()
        at = line.find("f(", end)
