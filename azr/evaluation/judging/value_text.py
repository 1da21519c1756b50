"""Finding a value, or an argument list, in what a model wrote about it.

The places are tried in an order, and the first that can be read is the answer: tags, fences, the text as it is, its
first lines, what the text says the answer is, back quotes, the last lines. What follows a value does not make it
unreadable: "5 because ...", "[1, 2], since ...", an explanation below, the next question of a model that goes on.
"""

import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from azr.evaluation.judging.completion_text import answer_parts, fenced_blocks
from azr.evaluation.judging.program_text import program_lines

Answer = TypeVar("Answer")

MOST_TRIES = 400  # places that are tried
LONGEST = 20_000  # characters of an answer
_MOST_LINES = 40  # over which a value at the start of a text may reach
_MOST_PLACES = 20  # of one kind in a text, the last ones
_MOST_ENDS = 60  # places tried as the end of a value

_TAGGED = re.compile(r"\[ANSWER\](.*?)(?:\[/ANSWER\]|\Z)", re.DOTALL)
_LINK = r"\s*(?:is|are|was|will be|would be|should be|must be|can be|could be|equals|:|==?|->|=>|→)\s*(.+)"
_SAID = [
    re.compile(rf"(?:output|input|answer|result)\b[*`]*(?:\s+of\s+`?f\([^\n]{{0,400}}\)`?)?[*]*{_LINK}", re.IGNORECASE),
    re.compile(
        r"\bf\([^\n]{0,400}\)`?\s*(?:==?|->|=>|→|returns|gives|evaluates to|is|will return|would return)\s+(.+)"
    ),
    re.compile(r"\b(?:return|returns|returned|prints|gives|yields|evaluates to)\b:?\s+(.+)", re.IGNORECASE),
    re.compile(rf"\bvalue\b{_LINK}", re.IGNORECASE),
]
_QUOTED = re.compile(r"`([^`\n]+)`")
_CALLS = re.compile(r"\bf\(")
_DRESS = re.compile(
    r"[\s*`:=]*(?:(?:equal to|simply|just|now|therefore|thus)\s+)*"
    r"(?:(?:the|an?)\s+)?(?:(?:empty\s+)?(?:string|list|tuple|dictionary|dict|set|integer|number|float|value|boolean)\s+)?[*`]*",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"(?P<value>[rbu]?'(?:\\.|[^'\\\n])*'|[rbu]?\"(?:\\.|[^\"\\\n])*\"|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?j?"
    r"|[A-Za-z_]\w*(?:\.\w+)*)|(?P<open>[\[({])|(?P<close>[\])}])|\s+|.",
    re.DOTALL,
)
# What may follow a value on its line: the end, a mark, a word; but nothing that makes it part of a larger expression.
_BEHIND = re.compile(
    r"[`*_]{0,3}(?:$|\)|\s*\n|[.;!?:](?:\s|$)|,\s+[A-Za-z]|\s*\[/|\s+[(#→–—]"
    r"|\s+(?!(?:if|or|and|in|not|for|else|lambda)\b)[A-Za-z])"
)


def find_answer(completion: str, reading: Callable[[str], Answer | None]) -> Answer | None:
    """What `reading` makes of the best place in the completion that it can read; None where it can read none."""
    for number, text in enumerate(_places(completion)):
        if number >= MOST_TRIES:
            break
        if len(text) <= LONGEST and (text or not number) and (answer := reading(text)) is not None:
            return answer
    return None


def _places(completion: str) -> Iterator[str]:
    for part in answer_parts(completion):
        text = part.strip()
        before, closing, _ = text.partition("[/ANSWER]")
        tagged = _TAGGED.findall(text)[:1] if "[ANSWER]" in before else [before] if closing else []
        blocks = [block.text for block in reversed(fenced_blocks(text))]
        for whole in (*tagged, *blocks, text):
            yield from _whole_or_first(whole.strip())
        for pattern in _SAID:
            for said in reversed(pattern.findall(text)[-_MOST_PLACES:]):
                yield from _starts(said)
        yield from reversed(_QUOTED.findall(text))
        for call in reversed(list(_CALLS.finditer(text))[-_MOST_PLACES:]):
            yield from _first_bracketed(text[call.start() : call.start() + LONGEST])
        yield from _starts(text)
        for line in reversed(text.splitlines()):
            yield line.strip().rstrip(". ")


def _whole_or_first(text: str) -> Iterator[str]:
    """The text, what its first lines hold, and its assertions from the last one on."""
    yield text
    lines = program_lines(text)
    for end in range(1, min(len(lines), _MOST_LINES)):
        yield "\n".join(lines[:end])
    for start in reversed([number for number, line in enumerate(lines) if line.lstrip().startswith("assert")]):
        for end in range(start + 1, min(len(lines), start + 10) + 1):
            yield "\n".join(lines[start:end]).strip()


def _starts(text: str) -> Iterator[str]:
    """What a text begins with, from the longest value on: with the words before it taken off, and without the rest."""
    for begin in dict.fromkeys((0, len(text) - len(text.lstrip("*` ")), _dressed(text))):
        rest = text[begin : begin + LONGEST]
        for end in reversed(_value_ends(rest)):
            yield rest[:end]


def _first_bracketed(text: str) -> Iterator[str]:
    """What a text begins with, up to the end of its first brackets."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += (token["open"] is not None) - (token["close"] is not None)
        if token["close"] and depth <= 0:
            yield text[: token.end()]
            return


def _dressed(text: str) -> int:
    found = _DRESS.match(text)
    return found.end() if found else 0


def _value_ends(text: str) -> list[int]:
    """Where a value could end: behind literals, words and closed brackets of its first line, outside all brackets."""
    ends: list[int] = []
    depth = 0
    for token in _TOKEN.finditer(text):
        if token["open"]:
            depth += 1
        elif token["close"]:
            depth -= 1
        elif depth == 0 and "\n" in token.group():
            break
        if depth < 0 or len(ends) >= _MOST_ENDS:
            break
        if depth == 0 and (token["value"] or token["close"]) and _BEHIND.match(text, token.end()):
            ends.append(token.end())
    return ends
