"""Judges a number that was asked for with so many decimal places."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from azr.evaluation.judging.check import Judgement, Tools, judge_parsed
from azr.evaluation.judging.math_dress import braced, plain
from azr.evaluation.judging.math_grader import LONGEST_ANSWER
from azr.evaluation.judging.math_number import read_number
from azr.evaluation.judging.math_quantity import split_unit, unwrapped_text, without_label
from azr.evaluation.judging.math_text import extract_answer


@dataclass(frozen=True, slots=True)
class RoundedAnswer:
    """Right is what `MathAnswer` holds right, and a number that rounds to `reference` at `places` decimals.

    `unit` is the reference's, where it is known: another known unit is wrong.
    """

    reference: str
    places: int
    unit: str | None = None

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        return judge_parsed(
            [extract_answer(completion) for completion in completions],
            lambda answers: [
                (self._rounds(answer) or tools.grader.equal(self.reference, answer, self.unit), "")
                for answer in answers
            ],
        )

    def _rounds(self, answer: str) -> bool:
        if len(answer) > LONGEST_ANSWER:
            return False
        said = braced(without_label(unwrapped_text(plain(answer))))
        given = split_unit(re.split(r"=|\\approx", said)[-1].strip())  # x = 1.41 is 1.41
        number, wanted = read_number(given.value), read_number(self.reference)
        if number is None or wanted is None or (self.unit and given.unit and given.unit != self.unit):
            return False
        return not number.percent and abs(number.value - wanted.value) <= Fraction(1, 2 * 10**self.places)
