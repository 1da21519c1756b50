"""Judges the answer to a mathematical question."""

from collections.abc import Sequence
from dataclasses import dataclass

from azr.evaluation.judging.check import Judgement, Tools, judge_parsed
from azr.evaluation.judging.math_text import extract_answer


@dataclass(frozen=True, slots=True)
class MathAnswer:
    """Right is what equals `reference` (math_equal.py). `unit` is the reference's where the text does not show it."""

    reference: str
    unit: str | None = None

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        return judge_parsed(
            [extract_answer(completion) for completion in completions],
            lambda answers: [(tools.grader.equal(self.reference, answer, self.unit), "") for answer in answers],
        )
