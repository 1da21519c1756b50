"""Telling a response's thinking from its answer while it streams in: `<think> ... </think>`, tags taken out."""

import re
from enum import Enum

_TAG = re.compile(r"</?(?:think|answer)>")
_LONGEST = len("</answer>")


class Part(Enum):
    """What a piece of a response is."""

    THINKING = "thinking"
    ANSWER = "answer"


class ThinkingSplitter:
    """Takes a response in pieces of any size and gives it back in parts.

    `thinking` says whether the response begins inside a thought (its prompt ended in `<think>`). `<answer>` tags are
    taken out too. The parts do not depend on how the text was cut.
    """

    def __init__(self, thinking: bool = False) -> None:
        self._part = Part.THINKING if thinking else Part.ANSWER
        self._held = ""

    @property
    def part(self) -> Part:
        """Where the response is now."""
        return self._part

    def feed(self, text: str) -> list[tuple[Part, str]]:
        """What can be told so far; a beginning that could become a tag is held back."""
        pieces = self._take(self._held + text)
        *_, (part, last) = pieces
        self._held = _could_become_tag(last)
        pieces[-1] = (part, last.removesuffix(self._held))
        return [(part, piece) for part, piece in pieces if piece]

    def finish(self) -> list[tuple[Part, str]]:
        """What was held back: it became no tag."""
        held, self._held = self._held, ""
        return [(self._part, held)] if held else []

    def _take(self, text: str) -> list[tuple[Part, str]]:
        pieces, start = [], 0
        for tag in _TAG.finditer(text):
            pieces.append((self._part, text[start : tag.start()]))
            self._part = Part.THINKING if tag[0] == "<think>" else Part.ANSWER
            start = tag.end()
        return [*pieces, (self._part, text[start:])]


def _could_become_tag(text: str) -> str:
    """The end of `text` that is the beginning of a tag, or nothing."""
    start = text.rfind("<", max(0, len(text) - _LONGEST + 1))
    end = text[start:] if start >= 0 else ""
    tags = ("<think>", "</think>", "<answer>", "</answer>")
    return end if end and any(tag.startswith(end) for tag in tags) else ""
