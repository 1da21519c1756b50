"""Judges multiple choice whose options are known: an answer may name an option's letter or say what it says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from azr.evaluation.judging.check import Judgement, Tools, judge_parsed
from azr.evaluation.judging.math_text import extract_answer

# "B", "(b)", "\text{B}", "option B."
_BARE = re.compile(
    r"\W*(?:\\(?:text|textbf|mathrm|mathbf)\s*\{)?\W*(?:(?:option|choice)\s)?\W*([A-Z])\W*", re.IGNORECASE
)
# "B. 12", "(B) a square"
_LETTERED = re.compile(r"[\s*(]*([A-Z])\**\s*[).:]+\s*\S", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class OptionAnswer:
    """Right is option number `right`, from 0. Where the answer stands is found as in mathematics.

    A letter goes first; then what equals an option as text; then the letter before a text; last what mathematics holds
    equal to the right option.
    """

    options: tuple[str, ...]
    right: int

    def __post_init__(self) -> None:
        if not 0 <= self.right < len(self.options):
            raise ValueError(f"there is no option {self.right} among {len(self.options)}")

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        return judge_parsed(
            [extract_answer(completion) for completion in completions],
            lambda answers: [(self._is_right(tools, answer), "") for answer in answers],
        )

    def _is_right(self, tools: Tools, answer: str) -> bool:
        chosen = self._chosen(answer)
        if chosen is not None:
            return chosen == self.right
        return tools.grader.equal(self.options[self.right], answer)

    def _chosen(self, answer: str) -> int | None:
        """The number of the option that the text itself names; None where none is named."""
        texts = [_folded(option) for option in self.options]
        if (bare := self._number(_BARE.fullmatch(answer))) is not None:
            return bare
        if texts.count(_folded(answer)) == 1:
            return texts.index(_folded(answer))
        return self._number(_LETTERED.match(answer))

    def _number(self, found: re.Match[str] | None) -> int | None:
        number = ord(found[1].upper()) - ord("A") if found else -1
        return number if 0 <= number < len(self.options) else None


def _folded(text: str) -> str:
    """Without case, white space at the ends, the marks of a formula or a text in one, and a full stop."""
    bare = re.sub(r"\\(?:text|mathrm)\s*\{([^{}]*)\}", r"\1", text).strip(" .$*\n")
    return " ".join(bare.casefold().split())
