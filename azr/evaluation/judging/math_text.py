r"""Finding the answer in a response: its last \boxed{}, what it says the answer is, or its last formula or number.

Everything here takes time linear in the text, whatever the text is.
"""

import re
from dataclasses import dataclass

from azr.evaluation.judging.math_phrase import bare, last_formula_or_number, last_words, read_phrase

_THINKING = r"(?:think|thinking|thoughts?|reasoning)"
_THOUGHT = re.compile(
    rf"[<◁\[](/?){_THINKING}(?:\s[^<>\n]{{0,80}})?[>▷\]]|<\|(?:begin|(end))_of_(?:thought|thinking)\|>", re.IGNORECASE
)
# Marks at which an engine would have stopped, and how HTML says bold.
_STOP = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|end_of_text|end|eom_id)\|>|</s>|<(?:eos|end_of_turn)>|<｜end▁of▁sentence｜>"
)
_HTML = re.compile(r"</?(?:b|strong|i|em|u|p|br|mark|span|div|center|big)(?:\s[^<>\n]{0,80})?\s?/?>", re.IGNORECASE)
_ANSWER_TAG = re.compile(r"<answer>(.*?)(?:</answer>|(?=<answer>)|\Z)", re.DOTALL)
_BRACE_OR_BOX = re.compile(r"(\\(?:boxed|fbox|framebox)\s*)?\{|\\[\\{}]|\}")
_BARE_BOX = re.compile(r"\\boxed\s*([-+]?\$?\.?\d[\d,./]*)")
_BETWEEN_BOXES = re.compile(r"[\s$,;]*(?:(?:and|or|\\text\{\s*(?:and|or)\s*\}|\\quad|\\qquad)[\s$,;]*)?")
_WIDE_SPACE = re.compile(r"\s{3,}")  # would cost the patterns for phrases quadratic time
_CALCULATION = re.compile(r"<<[^<>\n]*>>")  # GSM8K's notes for a calculator: 2*3 = <<2*3=6>>6
_HASHES = re.compile(r"####[ \t]*(\S.*)")
_ANNOUNCED = re.compile(
    r"(?:"
    # "the answer is", "Answer:", "the answer to the question would be", "answer → "
    r"(?<![A-Za-z])(?:answers?|ans\.?)(?![A-Za-z])[^\n.:=]{0,60}?"
    r"(?:(?<![A-Za-z])(?:is|are|was|be|equals?|becomes|gives)(?![A-Za-z])|[:=]|→|[ ]-[ ])"
    # "### Answer" above a line of its own
    r"|(?<![A-Za-z])answers?[*_.#]{0,4}[ \t]*(?=\r?\n)"
    # "A: 26", as in the solutions published with GSM8K
    r"|(?:^|\n)[ \t*]*A:"
    r")[ \t:=*_]*",
    re.IGNORECASE,
)
_DENIED = re.compile(r"n't(?![A-Za-z])|(?<![A-Za-z])(?:not|never|no)(?![A-Za-z])", re.IGNORECASE)
_LONGEST_PHRASE = 2000
_ANNOUNCEMENTS = 20  # of so many, from the last, one must have an answer behind it


@dataclass(frozen=True, slots=True)
class _Box:
    start: int
    content: slice
    end: int


def extract_answer(text: str) -> str | None:
    """The answer that a response ends with; None where there is none.

    Thinking does not count, nor does a thought that was never closed, nor what goes on behind a mark of the end. What
    `<answer>` tags hold goes before what is around them. Then the last box counts, else what is behind `####`, else
    what is said to be the answer, else the last formula or number, else the last words in bold.
    """
    text = _HTML.sub("", _before_stop(_without_thinking(text)))
    tagged = _tagged(text)
    text = tagged or text
    if (box := last_box(text)) is not None:
        return box[0].strip()
    if found := _BARE_BOX.findall(text):
        return found[-1].rstrip(".,")
    text = _before_open_box(text)
    text = _WIDE_SPACE.sub(lambda m: "\n\n" if "\n" in m[0] else " ", _CALCULATION.sub("", text))
    if hashes := _HASHES.findall(text):
        return read_phrase(hashes[-1]) or bare(hashes[-1]) or None
    said = [found for found in _ANNOUNCED.finditer(text) if not _DENIED.search(found[0])]
    for announced in reversed(said[-_ANNOUNCEMENTS:]):
        if answer := read_phrase(text[announced.end() : announced.end() + _LONGEST_PHRASE]):
            return answer
    if tagged and (answer := read_phrase(tagged)):
        return answer
    return last_formula_or_number(text) or last_words(text)


def last_box(text: str) -> tuple[str, str] | None:
    r"""What stands in the last closed \boxed{...} that is in no other, and the text behind it; None if there is none.

    Boxes that only a comma or an "and" parts are one list. An empty box is none.
    """
    boxes = [box for box in _closed_boxes(text) if text[box.content].strip()]
    if not boxes:
        return None
    contents = [text[boxes[-1].content].strip()]
    for box, following in zip(reversed(boxes[:-1]), reversed(boxes), strict=False):
        between = text[box.end : following.start]
        if len(between) > 40 or not ("," in between or "and" in between or "or" in between):
            break
        if not _BETWEEN_BOXES.fullmatch(between):
            break
        contents.append(text[box.content].strip())
    return ", ".join(dict.fromkeys(reversed(contents))), text[boxes[-1].end :]


def _closed_boxes(text: str) -> list[_Box]:
    """Every box that closes and stands in no other one that does, in order."""
    open_braces: list[re.Match[str]] = []
    closed: list[_Box] = []
    for mark in _BRACE_OR_BOX.finditer(text):
        if mark[0] == "}":
            if open_braces and (opening := open_braces.pop())[1]:
                while closed and closed[-1].start > opening.start():
                    closed.pop()
                closed.append(_Box(opening.start(), slice(opening.end(), mark.start()), mark.end()))
        elif mark[0].endswith("{") and (mark[1] or mark[0] == "{"):
            open_braces.append(mark)
    return closed


def _before_open_box(text: str) -> str:
    """What goes before a box that never closes: of the text within, no one knows how it would have gone on."""
    opened = re.search(r"\\(?:boxed|fbox|framebox)\s*\{(?!\s*\})", text)
    return text[: opened.start()] if opened else text


def _without_thinking(text: str) -> str:
    kept: list[str] = []
    start, thinking = 0, False
    for tag in _THOUGHT.finditer(text):
        ends = bool(tag[1] or tag[2])
        if not thinking and ends:
            kept.clear()  # the prompt had opened the thought that ends here
        elif not thinking:
            kept.append(text[start : tag.start()])
        start, thinking = tag.end(), not ends
    return "\n".join(kept if thinking else [*kept, text[start:]])


def _before_stop(text: str) -> str:
    """The text to its end mark; marks before which there is nothing are the prompt's."""
    return next((part for part in _STOP.split(text) if part.strip()), "")


def _tagged(text: str) -> str | None:
    tagged = [found for found in _ANSWER_TAG.findall(text) if found.strip()]
    return tagged[-1] if tagged else None
