"""Judges multiple choice of which the letters alone are known."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from azr.evaluation.judging.check import Judgement, Tools
from azr.evaluation.judging.math_answer import MathAnswer
from tasks.triplet import Verdict


@dataclass(frozen=True, slots=True)
class LetterAnswer:
    """Judges multiple choice: right is the letter `reference`. Where the answer stands is found as in mathematics."""

    reference: str

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        return [self._judged(found) for found in MathAnswer(self.reference).judge(tools, completions)]

    def _judged(self, found: Judgement) -> Judgement:
        given = letter(found.answer or "")
        if given is None:
            return Judgement(Verdict.UNPARSED, detail="no letter could be read from the text")
        return Judgement(Verdict.RIGHT if given == letter(self.reference) else Verdict.WRONG, given)


_LETTER = re.compile(
    r"^\W*(?:\\(?:text|textbf|mathrm|mathbf)\s*\{)?\W*(?:option\s+|choice\s+)?\W*([A-Z])(?![A-Za-z])", re.I
)


def letter(answer: str) -> str | None:
    """The letter that an answer chooses: of "B", "(b)", "\\text{B}", "B. 12" and the like; None where there is none."""
    found = _LETTER.match(answer.strip())
    return found[1].upper() if found else None
