"""What in a completion is the answer: thinking, tags and end marks aside, and the fenced blocks of what is left.

A mark counts where it stands in prose. One that is part of a program (`s.split("</think>")`, a fence in a docstring)
is the program's own.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from sandbox.syntax import parse

LONGEST = 64_000  # characters of an answer that are looked at
_MOST_MARKS = 50  # of one kind that are looked at, the last ones
_MOST_FENCES = 400
_MOST_CLOSINGS = 8  # lines tried as the end of one block

_END_MARK = re.compile(r"<\|[\w-]{1,40}\|>|</s>")
_FENCE = re.compile(r"^(?P<before>[^`~\n]*)(?P<marks>`{3,}|~{3,})(?P<info>[^`\n]*)$", re.MULTILINE)
_LIST_ITEM = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,4}[.)])[ \t]+)*")
_STRING_PREFIX = re.compile(r"(?:^|\W)[rbfuRBFU]{1,2}$")


@dataclass(frozen=True, slots=True)
class Block:
    """The text in a fence, and whether the fence was closed."""

    text: str
    closed: bool


def answer_parts(completion: str) -> list[str]:
    """The texts in which the answer may stand, best first; none where thinking was never closed.

    Behind the thinking, the last `<answer>` that is closed is all that counts. One that stays open may be a tag or only
    speak of tags, so the text as a whole follows it.
    """
    text = _behind_thinking(completion)
    if text is None:
        return []
    text = _without_end_marks(text[:LONGEST])
    opened = _in_prose(text, "<answer>")
    for start in reversed(opened):
        inside = text[start + len("<answer>") :]
        if closings := _in_prose(inside, "</answer>"):
            return [inside[: closings[0]]]
    return [text[opened[-1] + len("<answer>") :], text] if opened else [text]


def fenced_blocks(text: str) -> list[Block]:
    """The fenced blocks in their order, indented as the fence is or as they are.

    A block ends at the first closing line that leaves a program, so that a fence in its docstring does not end it;
    where none does, at the first closing line. One that is never closed ends with the text or at the next fence.
    """
    if ("```" not in text and "~~~" not in text) or is_code(text):
        return []
    fences = [fence for fence in _FENCE.finditer(text) if _may_be_fence(fence)][:_MOST_FENCES]
    blocks: list[Block] = []
    number = 0
    while number < len(fences):
        block, number = _block(text, fences, number)
        blocks.append(block)
    return blocks


def is_code(text: str) -> bool:
    """Whether all of a text is Python: a program, or the body of a function."""
    return parses(text) or (text.startswith((" ", "\t", "\n", "#")) and parses(f"if 1:\n{text}"))


@lru_cache(maxsize=64)
def parses(source: str) -> bool:
    """Whether `source` is a Python program."""
    try:
        parse(source)
    except SyntaxError:
        return False
    return True


# -- marks ------------------------------------------------------------------------------------------------------------


def _behind_thinking(completion: str) -> str | None:
    """The text behind the last `</think>`; None where a completion that begins with `<think>` has none."""
    if closings := _in_prose(completion, "</think>"):
        return completion[closings[-1] + len("</think>") :]
    return None if completion.lstrip().startswith("<think>") else completion


def _without_end_marks(text: str) -> str:
    """The text with a new line for each mark by which a model says that it ends."""
    for mark in set(_END_MARK.findall(text[:LONGEST])[:_MOST_MARKS]):
        for start in reversed(_in_prose(text, mark)):
            text = f"{text[:start]}\n{text[start + len(mark) :]}"
    return text


def _in_prose(text: str, mark: str) -> list[int]:
    """Where the mark stands outside of code, the last places alone where there are very many."""
    places = [found.start() for found in re.finditer(re.escape(mark), text)][-_MOST_MARKS:]
    places = [place for place in places if not _is_quoted(text, place, place + len(mark))]
    if not places or (len(text) <= LONGEST and is_code(text)):
        return []
    if "```" in text and len(text) <= LONGEST:
        blocks = [block.text for block in fenced_blocks(text) if mark in block.text and parses(block.text)]
        return [place for place in places if not _is_within(text, place, blocks)]
    return places


def _is_within(text: str, place: int, blocks: list[str]) -> bool:
    return any(start <= place < start + len(block) for block in blocks if (start := text.find(block)) >= 0)


def _is_quoted(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] stands between two equal quotes, or back quotes, of its line."""
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    before, after = text[line_start:start], text[end : line_end if line_end >= 0 else len(text)]
    quote = _open_quote(before[-2000:])
    return quote is not None and quote in after


def _open_quote(line: str) -> str | None:
    """The quote that is open at the end of a line of code. One behind a word is an apostrophe."""
    quote: str | None = None
    skipped = False
    for place, character in enumerate(line):
        if skipped or character == "\\":
            skipped = not skipped
        elif quote is not None:
            quote = None if character == quote else quote
        elif character in "'\"`" and (not line[place - 1 : place].isalnum() or _is_prefixed(line[:place])):
            quote = character
    return quote


def _is_prefixed(before: str) -> bool:
    """Whether what stands before a quote ends in the prefix of a string literal."""
    return _STRING_PREFIX.search(before[-3:]) is not None


# -- fences -----------------------------------------------------------------------------------------------------------


def _may_be_fence(fence: re.Match[str]) -> bool:
    """Tildes begin their line; back quotes may also stand behind prose."""
    return fence["marks"][0] == "`" or _LIST_ITEM.fullmatch(fence["before"]) is not None


def _block(text: str, fences: list[re.Match[str]], number: int) -> tuple[Block, int]:
    """The block that fence `number` opens, and the number of the fence behind it."""
    opening = fences[number]
    start = opening.end() + 1
    closings = [
        later
        for later in range(number + 1, min(len(fences), number + 1 + 10 * _MOST_CLOSINGS))
        if _closes(fences[later], opening)
    ][:_MOST_CLOSINGS]
    for later in closings:
        content = _unindented(text[start : fences[later].start()], opening)
        if is_code(content):
            return Block(content, closed=True), later + 1
    following = fences[number + 1] if number + 1 < len(fences) else None
    for end in _inline_ends(text, start, following.end() if following else len(text), opening["marks"]):
        if is_code(content := _unindented(text[start:end], opening)):
            return Block(content, closed=True), _first_behind(fences, number + 1, end)
    if closings:
        first = closings[0]
        return Block(_unindented(text[start : fences[first].start()], opening), closed=True), first + 1
    end = following.start() if following else len(text)
    return Block(_unindented(text[start:end], opening), closed=False), number + 1


def _closes(fence: re.Match[str], opening: re.Match[str]) -> bool:
    alone = not fence["info"].strip() and not fence["before"].strip(" \t>")
    return alone and fence["marks"].startswith(opening["marks"])


def _inline_ends(text: str, start: int, end: int, marks: str) -> Iterator[int]:
    """Where the marks stand behind code on its own line, as in `return x````."""
    place = text.find(marks, start, end)
    for _ in range(_MOST_CLOSINGS):
        if place < 0:
            return
        yield place
        place = text.find(marks, place + len(marks), end)


def _first_behind(fences: list[re.Match[str]], number: int, place: int) -> int:
    while number < len(fences) and fences[number].start() <= place:
        number += 1
    return number


def _unindented(content: str, opening: re.Match[str]) -> str:
    """The lines of a block without the indent, list mark or quote mark that its fence stands behind."""
    item = _LIST_ITEM.match(opening["before"])
    width = item.end() if item and item.end() == len(opening["before"]) else 0
    if not width or is_code(content):
        return content
    marks = re.compile(rf"\A[ \t>]{{0,{width}}}" if ">" in opening["before"] else rf"\A[ \t]{{0,{width}}}")
    return "\n".join(marks.sub("", line) for line in content.split("\n"))
