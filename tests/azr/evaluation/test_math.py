"""Mathematical answers: what is read from a text, and what equals what."""

import time

import pytest

from azr.evaluation.benchmarks import BENCHMARKS
from azr.evaluation.data import DataPlaces, load_problems
from azr.evaluation.judging.check import Tools
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.judging.math_grader import MathGrader
from azr.evaluation.judging.math_quantity import split_unit
from azr.evaluation.judging.math_text import extract_answer
from azr.evaluation.judging.math_units import known_unit, unit_behind
from tasks.triplet import Verdict

SETS = ["aime24", "aime25", "amc23", "math500", "minerva", "olympiadbench", "gsm8k"]


def references(name: str, places: DataPlaces) -> list[MathAnswer]:
    checks = [problem.check for problem in load_problems(BENCHMARKS[name], places)]
    return [check for check in checks if isinstance(check, MathAnswer)]


@pytest.mark.data
@pytest.mark.parametrize("name", SETS)
def test_the_references_are_right_against_themselves(name: str, public_data: DataPlaces, tools: Tools) -> None:
    checks = references(name, public_data)
    assert len(checks) == BENCHMARKS[name].size
    for check in checks:
        texts = [f"So the answer is \\boxed{{{check.reference}}}.", f"\\boxed{{ {check.reference} }}"]
        assert [j.verdict for j in check.judge(tools, texts)] == [Verdict.RIGHT] * 2, check.reference


@pytest.mark.data
@pytest.mark.parametrize("name", SETS)
def test_a_neighbouring_number_is_wrong(name: str, public_data: DataPlaces, tools: Tools) -> None:
    numbers = [check for check in references(name, public_data) if check.reference.lstrip("-").isdigit()]
    for check in numbers[:100]:
        judgement = check.judge(tools, [f"\\boxed{{{int(check.reference) + 1}}}"])[0]
        assert judgement.verdict is Verdict.WRONG, check.reference


@pytest.mark.data
@pytest.mark.slow
def test_another_problems_answer_is_nearly_always_wrong(public_data: DataPlaces, tools: Tools) -> None:
    checks = references("math500", public_data)
    shifted = [
        check.judge(tools, [f"\\boxed{{{other.reference}}}"])[0]
        for check, other in zip(checks, checks[7:], strict=False)
    ]
    right = [judgement.answer for judgement in shifted if judgement.verdict is Verdict.RIGHT]
    same = sum(check.reference == other.reference for check, other in zip(checks, checks[7:], strict=False))
    assert len(right) == same


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("\\frac{1}{2}", "0.5"),
        ("\\frac{1}{2}", "\\dfrac12"),
        ("5.3e-9", "5.3 \\times 10^{-9}"),
        ("025", "25"),
        ("1,000", "1000"),
        ("\\left( 3, \\frac{\\pi}{2} \\right)", "(3, \\pi/2)"),
        ("-2,1", "1, -2"),
        ("10 \\text{ cm}", "10"),
        ("10 \\text{ cm}", "10 \\mathrm{~centimeters}"),
        ("90^\\circ", "90"),
        ("\\text{Evelyn}", "evelyn"),
        ("\\$18.90", "18.90 \\text{ dollars}"),
        ("15x - 80", "-80 + 15x"),
        ("x=3", "3"),
        ("0.33333", "0.333331"),
    ],
)
def test_the_same_said_otherwise_is_right(reference: str, answer: str, tools: Tools) -> None:
    assert tools.grader.equal(reference, answer)


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("204", "205"),
        ("204", "203 or 204"),
        ("204", "204, 205"),
        ("5.3e-9", "8e-9"),
        ("3", "3.00001"),
        ("(5,\\infty)", "[5,\\infty)"),
        ("[0,1]", "(0,1)"),
        ("[2,5)", "[2,5]"),
        ("(1,2)", "(2,1)"),
        ("10 \\text{ cm}", "10 \\text{ m}"),
        ("10 cm", "10 m"),
        ("15\\mbox{ cm}^2", "15 \\text{ cm}"),
        ("30^\\circ", "30 \\text{ radians}"),
        ("6.4 \\text{ days}", "6.4 \\text{ hours}"),
        ("\\$18", "18 \\text{ euros}"),
        ("15x - 80", "15x"),
        ("\\text{even}", "\\text{odd}"),
        ("p - q", "q - p"),
    ],
)
def test_something_else_is_wrong(reference: str, answer: str, tools: Tools) -> None:
    assert not tools.grader.equal(reference, answer)


def test_a_unit_beside_the_reference_counts(tools: Tools) -> None:
    check = MathAnswer("1.6", unit_behind(" \\mathrm{~cm}\n\\]"))
    verdicts = [j.verdict for j in check.judge(tools, ["\\boxed{1.6}", "\\boxed{1.6 \\text{ cm}}", "\\boxed{1.6 m}"])]
    assert verdicts == [Verdict.RIGHT, Verdict.RIGHT, Verdict.WRONG]


def test_algebra_that_hangs_is_killed_and_the_next_answer_is_graded() -> None:
    with MathGrader(timeout_s=2.0) as grader:
        assert grader.equal("x + 1", "1 + x")
        start = time.monotonic()
        assert not grader.equal("9", "9^{9^{9^{9}}}")
        assert time.monotonic() - start < 10
        assert grader.equal("y + 1", "1 + y")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so \\boxed{\\frac{1}{2}} or rather \\boxed{3}", "3"),
        ("<think>\\boxed{1}</think> The answer is 2.", "2"),
        ("The final answer is: $x^2$.", "x^2"),
        ("16 - 3 = 13\n#### 13", "13"),
        ("It takes 12 days and 1,250 steps.", "1,250"),
        ("\\boxed{1} and \\boxed{2", "1"),
        ("I do not know.", None),
        ("", None),
    ],
)
def test_the_answer_is_read(text: str, answer: str | None) -> None:
    assert extract_answer(text) == answer


def test_units_are_told_from_variables() -> None:
    assert split_unit("3 \\text{ m}").unit == "m"
    assert not split_unit("3m").certain
    assert split_unit("2n").unit is None
    assert known_unit("~cm") == "cm"
    assert known_unit("parsnips") is None
