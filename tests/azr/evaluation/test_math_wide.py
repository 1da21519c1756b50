"""Mathematics where the inputs are many: numbers in every dress, garbage, and what no response may cost."""

import time
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from azr.evaluation.judging.check import Tools
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.judging.math_equal import equal_answers
from azr.evaluation.judging.math_grader import MathGrader
from azr.evaluation.judging.math_number import read_number
from azr.evaluation.judging.math_text import extract_answer
from tasks.triplet import Verdict

PLAIN = ("{}", " {} ", "+{}", "({})", "{}.", "{},", "${}$", "\\({}\\)", "**{}**", "{} \\checkmark", "{} ✓")
STYLED = (
    "\\textbf{{{}}}",
    "\\mathbf{{{}}}",
    "\\text{{{}}}",
    "\\textcolor{{red}}{{{}}}",
    "\\boxed{{{}}}",
    "{{\\color{{blue}} {}}}",
)
NAMED = ("x = {}", "\\text{{Answer: }}{}", "\\approx {}", "\\text{{about }} {}", "Total = {}", "= {}")
MEASURED = (
    "{} \\text{{ apples}}",
    "\\text{{{} apples}}",
    "{} people",
    "\\${}",
    "{} \\text{{ cm}}^2",
    "{}\\,\\mathrm{{kg}}",
)
SPOKEN = (
    "The answer is {}.", "The answer is **{}**.", "So she has {} apples left.", "Answer: ${}", "#### {}", "A: {}",
    "He pays $3 and gets $2.\nSo he has ${}.", "The final answer is \\({}\\). I hope it helps.", "<answer>{}</answer>",
    "<think>\\boxed{{1}} or 2?</think>Therefore, the answer is {} because of that.",
)  # fmt: skip
POWERS = (
    "{} \\times 10^{{{}}}",
    "{}e{}",
    "{} \\cdot 10^{{{}}} \\text{{ quarks}}",
    "({})*10^{}",
    "x \\approx {} × 10^{{{}}}",
)
MARKS = (
    "\\boxed{", "{", "}", "(", ")", "[", "]", "$", "$$", "\\[", "\\]", "\\frac", "\\sqrt", "^", "_", "\\pm", "and",
    ",", "=", "<", "\\le", "&", "\\\\", "!", "e", "i", "%", "\\text{", "<think>", "</think>", "<answer>", "answer is",
    "####", "\\cup", "\\infty", "1e999", "\\int", "\\ldots", "½", "\\overline{", "_{8}", "|", "1/0", "\\begin{cases}",
    "\\begin{pmatrix}", "\\end{pmatrix}", "12", "3.5", "x", "the", "-",
)  # fmt: skip
GARBAGE = st.lists(st.sampled_from(MARKS) | st.text(st.characters(), max_size=5), max_size=25).map(" ".join)


def with_thousands(number: int) -> st.SearchStrategy[str]:
    """A whole number with or without marks between its thousands."""
    grouped = f"{number:,}"
    return st.sampled_from([str(number), grouped, grouped.replace(",", "{,}"), grouped.replace(",", ",\\!")])


@settings(deadline=None)
@given(st.data(), st.integers(0, 10**9), st.sampled_from([*PLAIN, *STYLED, *NAMED, *MEASURED]))
def test_a_number_is_itself_in_any_dress_and_no_other(data: st.DataObject, number: int, dress: str) -> None:
    text = dress.format(data.draw(with_thousands(number)))
    assert equal_answers(str(number), text)
    assert not equal_answers(str(number + 1), text)
    assert not equal_answers(str(number * 10 + 1), text)


@settings(deadline=None)
@given(st.integers(2, 10**7), st.sampled_from(SPOKEN), st.booleans())
def test_a_number_is_read_from_a_sentence(number: int, form: str, marks: bool) -> None:
    answer = extract_answer(form.format(f"{number:,}" if marks else number))
    assert answer is not None
    assert equal_answers(str(number), answer)
    assert not equal_answers(str(number + 1), answer)


@settings(deadline=None)
@given(st.integers(1, 99), st.integers(1, 60), st.integers(61, 99), st.booleans())
def test_a_mixed_number_is_the_sum_and_never_the_product(whole: int, top: int, bottom: int, negative: bool) -> None:
    sign = "-" if negative else ""
    value = (-1 if negative else 1) * (whole + Fraction(top, bottom))
    forms = (
        f"{sign}{whole}\\frac{{{top}}}{{{bottom}}}",
        f"{sign}{whole} {top}/{bottom}",
        f"{sign}{whole}\\ {top}/{bottom}",
    )
    for form in forms:
        assert equal_answers(f"\\frac{{{value.numerator}}}{{{value.denominator}}}", form)
        assert not equal_answers(f"{sign}\\frac{{{whole * top}}}{{{bottom}}}", form)
        assert not equal_answers(f"{sign}\\frac{{{top}}}{{{bottom}}}", form)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(0, 999), st.integers(-60, 60).filter(bool))
def test_powers_of_ten_are_read_in_every_notation(first: int, rest: int, power: int) -> None:
    significand = f"{first}.{rest:03}"
    reference = f"{significand}e{power}"
    for form in (
        "{} \\times 10^{{{}}}",
        "{}e{}",
        "{} \\cdot 10^{{{}}} \\text{{ quarks}}",
        "({})*10^{}",
        "x \\approx {} × 10^{{{}}}",
    ):
        assert equal_answers(reference, form.format(significand, power))
        assert not equal_answers(reference, form.format(significand, power + 1))
    over = f"\\frac{{{significand}}}{{10^{{{-power}}}}}"
    assert equal_answers(reference, over)


@settings(deadline=None)
@given(st.integers(2, 9), st.lists(st.integers(0, 8), min_size=2, max_size=6))
def test_a_base_counts(base: int, digits: list[int]) -> None:
    text = "1" + "".join(str(digit % base) for digit in digits)
    for form in ("{}_{}", "{}_{{{}}}", "({})_{{{}}}", "{} \\text{{ (base {})}}"):
        assert equal_answers(f"{text}_{base}", form.format(text, base))
        assert not equal_answers(f"{text}_{base}", form.format(text, base + 1))
    assert equal_answers(f"{text}_{{{base}}}", text)
    assert equal_answers(str(int(text, base)), f"{text}_{base}")


@settings(deadline=None)
@given(st.integers(-20, 20), st.integers(-20, 20).filter(bool))
def test_complex_numbers_in_their_spellings(real: int, imaginary: int) -> None:
    reference = f"{real}{imaginary:+}i"
    for form in (
        f"{imaginary}i{real:+}",
        f"{real} {imaginary:+} i",
        f"{real}.0{imaginary:+}.0\\,i",
        f"{real}{imaginary:+}\\mathrm{{i}}",
        f"z = {real}{imaginary:+}\\cdot i",
        f"i \\cdot ({imaginary}) + {real}",
    ):
        assert equal_answers(reference, form)
    assert not equal_answers(reference, f"{real}{-imaginary:+}i")
    assert not equal_answers(reference, f"{real + 1}{imaginary:+}i")


@settings(deadline=None)
@given(st.integers(50, 3000), st.integers(1, 40))
def test_exact_values_are_exact_however_small_their_difference(power: int, more: int) -> None:
    assert not equal_answers(f"\\frac{{1}}{{2^{{{power}}}}}", f"\\frac{{1}}{{2^{{{power + more}}}}}")
    assert not equal_answers(f"2^{{{power}}}", f"2^{{{power}}} + {more}")
    assert equal_answers(f"2^{{{power}}}", f"2^{{{more}}} \\cdot 2^{{{power - more}}}")


@settings(deadline=None)
@given(st.lists(st.integers(-500, 2000), min_size=2, max_size=5, unique=True))
def test_a_list_is_its_members_whatever_their_order(numbers: list[int]) -> None:
    parts = list(map(str, numbers))
    reference = ", ".join(parts)
    for answer in (", ".join(parts[::-1]), f"\\{{{reference}\\}}", " \\text{ and } ".join(parts)):
        assert equal_answers(reference, answer)
    for answer in (parts[0], ", ".join(parts[1:]), reference + ", 3000", " ".join(parts) + " \\ldots"):
        assert not equal_answers(reference, answer)
        assert not equal_answers(answer, reference)
    positive = [abs(number) + 1 for number in numbers]
    assert not equal_answers(str(sum(positive)), " ".join(map(str, positive)))


@settings(deadline=None)
@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_a_fraction_is_read_exactly(top: int, bottom: int) -> None:
    for form in (f"\\frac{{{top}}}{{{bottom}}}", f"{top}/{bottom}"):
        found = read_number(form)
        assert found is not None
        assert found.value == Fraction(top, bottom)


# -- what no response may cost -----------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(GARBAGE)
def test_an_answer_is_read_from_anything_in_no_time(text: str) -> None:
    start = time.process_time()
    answer = extract_answer(text)
    assert time.process_time() - start < 1
    assert answer is None or answer.strip()


@given(GARBAGE, st.sampled_from(["5", "\\frac{1}{2}", "2516_8", "1, 2", "(1, 2]", "x^2 + 1", "\\text{even}", "4.5e33"]))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_garbage_is_judged_and_never_raises(tools: Tools, text: str, reference: str) -> None:
    for response in (f"\\boxed{{{text}}}", text):
        start = time.monotonic()
        [judgement] = MathAnswer(reference).judge(tools, [response])
        assert judgement.verdict in (Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED)
        assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{" * 4000,
        "\\boxed{" * 40_000 + "}" * 40_000,
        "{" * 100_000 + "}" * 100_000,
        "\\[" * 50_000,
        "\\(" * 50_000,
        "$" * 50_001,
        "$a " * 50_000,
        "answer is " * 20_000,
        "answer\n" * 50_000,
        "A:\n" * 50_000,
        "<answer>" * 30_000,
        "<think>" * 30_000,
        "</think>" * 30_000,
        "<<" * 100_000,
        "1 " * 100_000,
        "1," * 100_000,
        "1/" * 100_000,
        "1:" * 100_000,
        "1" * 200_000,
        "\\boxed{1} and " * 20_000,
        "1" + " " * 200_000 + "/",
        "####" * 50_000,
        "The answer is " + "(" * 100_000,
        "The answer is " + "1 " * 100_000,
        "not " * 50_000 + "5",
        "\\text{" * 50_000,
        "\\frac{{{" * 40_000,
        "\\boxed{\\frac{{{" * 20_000,
        "The answer is " + "\\frac{{{" * 40_000 + "5",
        "[" * 100_000,
        "(" * 100_000 + "5",
        "*" * 100_001,
        "**a" * 50_000,
        "- \n" * 50_000,
        "answer:\n- " * 20_000,
        "<b>" * 50_000,
        "<b " * 50_000,
        "<think " * 50_000,
        "<|im_end|>" * 50_000,
        "</s" * 50_000,
        "\u25c1think\u25b7" * 30_000,
        "2x" * 50_000,
        "i.e. " * 50_000 + "5",
        "x" * 100_000,
        "-> " * 50_000 + "5",
        "minus " * 50_000 + "5",
        ("1 (" + "-" * 99) * 1000,
        "(1," * 30_000,
        "(D" * 50_000,
    ],
    ids=lambda text: f"{text[:12]}…{len(text)}".replace("\n", " "),
)
def test_reading_takes_linear_time(text: str) -> None:
    start = time.process_time()
    extract_answer(text)
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "answer",
    ["9^{9^{9^{9}}}", "(10^{10^{10}}) + x", "100000000!", "(" * 1000, "\\frac{" * 300, "{" * 1900, "\\frac{{{" * 220],
)
def test_an_answer_that_never_ends_is_wrong_and_the_next_is_judged(answer: str) -> None:
    with MathGrader(timeout_s=1.0) as grader:
        start = time.monotonic()
        assert not grader.equal("9", answer)
        assert time.monotonic() - start < 30
        assert grader.equal("y + 1", "1 + y")


def test_the_graders_clock_is_its_own(tools: Tools) -> None:
    """A grader that sits idle longer than its limit is not out of time."""
    with MathGrader(timeout_s=0.5) as grader:
        assert grader.equal("x + 1", "1 + x")
        time.sleep(1.0)
        assert grader.equal("(x+1)^2", "x^2 + 2x + 1")
