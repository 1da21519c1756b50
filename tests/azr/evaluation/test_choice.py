"""Judging multiple choice by letter or text, and numbers by the places that they were asked with."""

import pytest

from azr.evaluation.judging.check import Tools
from azr.evaluation.judging.option_answer import OptionAnswer
from azr.evaluation.judging.rounded_answer import RoundedAnswer
from tasks.triplet import Verdict

SHAPES = OptionAnswer(("a circle", "a square", "12 cm", r"$\frac{1}{2}$"), right=1)


def right(check: OptionAnswer | RoundedAnswer, tools: Tools, *said: str) -> list[bool]:
    return [judgement.verdict is Verdict.RIGHT for judgement in check.judge(tools, said)]


@pytest.mark.parametrize(
    "answer", ["B", "(b)", r"\text{B}", r"\text{(B)}", "option B", "B.", "a square", "A Square.", r"\text{a square}",
               "B. a square", "(B) a square", "B: whatever"]
)  # fmt: skip
def test_an_option_is_named_by_its_letter_or_its_text(answer: str, tools: Tools) -> None:
    assert right(SHAPES, tools, rf"So \boxed{{{answer}}}.") == [True]


@pytest.mark.parametrize("answer", ["A", "C", "a circle", "square circle", "(C) a square", "E", "Z", "12", "B or C"])
def test_another_option_is_wrong(answer: str, tools: Tools) -> None:
    assert right(SHAPES, tools, rf"\boxed{{{answer}}}") == [False]


def test_a_text_that_begins_like_a_letter_is_no_letter(tools: Tools) -> None:
    """Of "a square" the first word is no choice of A."""
    assert right(OptionAnswer(("x", "a square"), 1), tools, "The answer is **a square**.") == [True]


def test_what_equals_the_right_option_is_right(tools: Tools) -> None:
    half = OptionAnswer(SHAPES.options, right=3)
    assert right(half, tools, r"\boxed{0.5}", r"\boxed{\dfrac12}", r"\boxed{D}", r"\boxed{0.6}") == [True] * 3 + [False]


def test_letters_go_before_texts(tools: Tools) -> None:
    """The options of a question about points may be letters themselves, in another order."""
    points = OptionAnswer(("C", "A", "B"), right=0)
    assert right(points, tools, r"\boxed{A}", r"\boxed{C}") == [True, False]


def test_what_can_not_be_read_is_said_to_be_so(tools: Tools) -> None:
    assert SHAPES.judge(tools, ["I do not know"])[0].verdict is Verdict.UNPARSED


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [("1.41", True), ("1.414", True), ("1.405", True), (r"1.42", False), ("1.4", False), ("141", False),
     ("1.41 cm", True), (r"1.41\text{ kg}", False), (r"\frac{141}{100}", True), ("x = 1.412", True), ("142.4%", False),
     ("no number", False), ("9" * 3000, False)],
)  # fmt: skip
def test_a_number_counts_at_the_places_that_were_asked_for(answer: str, is_right: bool, tools: Tools) -> None:
    assert right(RoundedAnswer("1.41", 2, "cm"), tools, rf"\boxed{{{answer}}}") == [is_right]
