"""Answers as the continuation of a Python session: `def f(...)` and, below it, `>>> f(arguments)`.

For small models that continue text and can't be told what to do. The first answer wins: what follows it is the model
carrying on with the next example.
"""

from tasks.grammar.calls import arguments_of_call, closing_bracket

_PROMPT = ">>> "
_COMMENT = "# "


def program_and_input(text: str) -> tuple[str, str] | None:
    """A proposal: everything up to the first `>>>` line is the program, that line is the call."""
    body, line = _split_at_call(text)
    call = arguments_of_call(line)
    if call is None or not body.strip():
        return None
    return body.strip("\n"), call


def inputs_and_message(text: str) -> tuple[tuple[str, ...], str] | None:
    """An induction proposal: a comment, which is the message, and the calls below it. Other lines are passed over."""
    body, _ = _split_at_call(text)
    comments = [line.removeprefix(_COMMENT).strip() for line in body.split("\n") if line.startswith(_COMMENT)]
    calls = (arguments_of_call(line.removeprefix(_PROMPT)) for line in text.split("\n") if line.startswith(_PROMPT))
    inputs = tuple(call for call in calls if call is not None)
    if not inputs:
        return None
    return inputs, comments[0] if comments else ""


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
