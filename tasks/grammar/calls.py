"""Finds where the argument list of a call ends, by brackets and quotes alone."""

import re

_CLOSES = {"(": ")", "[": "]", "{": "}"}
_MARK = re.compile(r"""[()\[\]{}\n#]|'''|\"\"\"|'|\"""")
_STRING_END = {quote: re.compile(rf"\\.|{quote}", re.DOTALL) for quote in ("'''", '"""')}
_STRING_END |= {quote: re.compile(rf"\\.|{quote}|\n", re.DOTALL) for quote in ("'", '"')}


def arguments_of_call(text: str) -> str | None:
    """The argument list of `f(...)` if that call, and nothing but it, is the whole of `text`; else None."""
    call = text.strip()
    if not call.startswith("f("):
        return None
    end = closing_bracket(call, 2)
    return call[2:end].strip() if end == len(call) - 1 else None


def closing_bracket(text: str, start: int) -> int | None:
    """Where the round bracket opened just before `start` closes; None if it never does or the nesting is wrong."""
    expected = [")"]
    at = start
    while found := _MARK.search(text, at):
        mark, at = found.group(), found.end()
        if mark in _CLOSES:
            expected.append(_CLOSES[mark])
        elif mark == "#":
            at = text.find("\n", at)
            if at < 0:
                return None
        elif mark in _STRING_END:
            end = _end_of_string(text, mark, at)
            if end is None:
                return None
            at = end
        elif mark != "\n":
            if mark != expected.pop():
                return None
            if not expected:
                return at - 1
    return None


def _end_of_string(text: str, quote: str, at: int) -> int | None:
    """The position after the closing quote; None if the string is left open."""
    for found in _STRING_END[quote].finditer(text, at):
        if found.group() == quote:
            return found.end()
        if found.group() == "\n":
            return None
    return None
