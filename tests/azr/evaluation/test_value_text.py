"""Values and argument lists are found in what models write about them; what stands around them does not hide them."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azr.evaluation.judging.called_values import InputFor, OutputOf
from azr.evaluation.judging.check import Tools
from tasks.triplet import Verdict

RIGHT, WRONG, UNPARSED = Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED
SECONDS = 6.0


def verdicts(check: OutputOf | InputFor, tools: Tools, *completions: str) -> list[Verdict]:
    return [judgement.verdict for judgement in check.judge(tools, completions)]


SPOKEN = [
    "{}",
    "{}\n\nExplanation: 3 is added at the end.",
    "{}\n# that is all",
    "{} # as [0] is dropped",
    "{} because 7 is never reached",
    "{}, since x is 1",
    "{}. The loop runs 2 times.",
    "{} is the output.",
    "{}[/ANSWER]\n\n[PYTHON]\ndef f(x):\n    return 5\nassert f(1) == [ANSWER]5[/ANSWER]",
    "[ANSWER]{}[/ANSWER]\n[ANSWER]5[/ANSWER]",
    "[THOUGHT]\nFirst 1, then 5.\n[/THOUGHT]\n[ANSWER]\n{}\n[/ANSWER]",
    "[ANSWER]{}",
    "f([2]) == {}",
    "assert f([2]) == {}",
    "assert f([2]) == {}, 'as it should be'",
    "assert f([2]) == {}  # checked",
    "assert f([2]) == {}\n\nThis holds since 5 is odd.",
    "```python\nassert f([2]) == {}\n```\nNote that `x` is 5.",
    "```\n{}\n```\n\nThe list has 5 items.",
    "The function drops 5.\n\n```python\n{}\n```",
    "def f(x):\n    return x\n\nassert f([2]) == {}",
    "The output is {}.",
    "The output is `{}`, since `x` is `5`.",
    "The output of f([2]) is {}.",
    "The result will be: {}",
    "Answer: {}",
    "**Answer:** {}",
    "The final answer is **{}**.",
    "Output:\n{}",
    "So f([2]) returns {}.",
    "It returns the value {}, and not 5.",
    "f([2]) -> {}",
    "After 5 steps, the value is {}",
    "Step 1: x = 5.\nStep 2: done.\n\nThe answer is `{}`",
    "<think>5</think>{}",
    "<think>5</think>\n<answer>{}</answer>",
    "<answer>\n```python\n{}\n```\n</answer>",
    "The value is 5 at first. In the end, the output is {}",
]


@pytest.mark.parametrize("frame", SPOKEN)
@pytest.mark.parametrize("value", ["[1, 'a.b']", "'x is 1'", "{'k': (1, 2)}", "-3", "True", "''", "(1,)", "1.5"])
def test_an_output_is_found(frame: str, value: str, tools: Tools) -> None:
    completion = frame.replace("{}", value)
    assert verdicts(OutputOf(value), tools, completion) == [RIGHT]
    assert verdicts(OutputOf("'another'"), tools, completion) == [WRONG]


@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        "f({})",
        "f({})\n\nThis works because 5 is odd.",
        "f({}) works because 5 is odd.",
        "f({})[/ANSWER]\n[PYTHON]\n[ANSWER]f(5)[/ANSWER]",
        "[ANSWER]f({})[/ANSWER]",
        "assert f({}) == 'ab2'",
        "assert f({}) == 'ab2', 'message'",
        "```python\nassert f({}) == 'ab2'\n```\nas asked",
        "'ab2' == f({})",
        "The input is `f({})`.",
        "One such input is {}, I think.",
        "One can call f({}) and gets 'ab2'.",
        "Input: {}",
    ],
)
@pytest.mark.parametrize(
    "arguments", ["'ab', 2", "'ab', n=2", "*['ab', 2]", "**{'s': 'ab', 'n': 2}", "s='ab', n=1 + 1"]
)
def test_an_input_is_found(frame: str, arguments: str, tools: Tools) -> None:
    check = InputFor("def f(s, n):\n    return s + str(n)", "'ab2'")
    assert verdicts(check, tools, frame.replace("{}", arguments)) == [RIGHT]


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "I can't say.",
        "x",
        "f(x)",
        "hello world",
        "sorted([2, 1])",
        "[x for x in [1, 2]]",
        "(a := 1)",
        "len('ab')",
        "\x00",
    ],
)
def test_what_is_no_value_is_no_answer(completion: str, tools: Tools) -> None:
    assert verdicts(OutputOf("[1, 2]"), tools, completion) == [UNPARSED]


COUNTING = "calls = []\ndef g(x):\n    return x * 7 % 1009\ndef f(x, y=0):\n    return g(x)\n"


@pytest.mark.parametrize(
    "cheat",
    [
        "next(x for x in range(1009) if f(x) == 5)",  # leaves the search to the judge
        "(f := lambda x: 5, 1)[1]",
        "0, (g := lambda x: 5)",
        "[f for f in [1]][0]",
        "type('Y', (int,), {'__eq__': lambda a, b: True})(1)",
        "lambda: [f(x) for x in range(1009)]",
        "(lambda x=f: x)()",
        "globals()",
        "__import__('os')",
        "f(1)",
        "f",
        "1 if f(1) == 5 else 2",
    ],
)
def test_an_answer_that_is_code_is_not_right(cheat: str, tools: Tools) -> None:
    for verdict in verdicts(InputFor(COUNTING, "5"), tools, cheat, f"f({cheat})", f"assert f({cheat}) == 5"):
        assert verdict is not RIGHT


def test_a_function_of_its_own_parameters_may_be_an_input(tools: Tools) -> None:
    """Some of CRUXEval's programs take one, and its authors' inputs are such."""
    check = InputFor("def f(xs, change):\n    change(xs)\n    return xs", "[3, 1]")
    good = "[1, 3], lambda xs: xs.reverse()"
    assert verdicts(check, tools, good, f"f({good})", "[1, 3], lambda xs: xs.sort()") == [RIGHT, RIGHT, WRONG]
    assert RIGHT not in verdicts(check, tools, "[1, 3], lambda xs: f(xs, len)", "[1, 3], lambda xs: g(xs)")


def test_every_input_has_the_time_limit_for_itself(tools: Tools) -> None:
    """The slow ones before it, and the ones that never end, cost an answer nothing."""
    program = (
        "def f(n):\n    if n < 0:\n        while True:\n            pass\n"
        "    total = 0\n    for i in range(n):\n        total += i % 7\n    return n > 0\n"
    )
    slow = [f"{9_000_000 + number}" for number in range(4)]  # some 0.6 s each
    check = InputFor(program, "True")
    assert verdicts(check, tools, *slow, "-1", "1") == [RIGHT] * 4 + [WRONG, RIGHT]


def test_a_program_that_is_refused_judges_every_input_wrong(tools: Tools) -> None:
    check = InputFor("import socket\nsocket.socket()\ndef f(x):\n    return x", "1")
    assert verdicts(check, tools, "1", "2", "3") == [WRONG] * 3


PIECES = st.sampled_from(
    ["f(", ")", "[", "]", "{", "}", "'", '"', "`", "```", "\n", "assert ", " == ", "5", "-", "*", ",", "output is ",
     "[ANSWER]", "[/ANSWER]", "<answer>", "</think>", "lambda x: ", "**", "x", "=", "1e999", "9" * 50, "\\", "#",
     "10**10**10", "'a'*10**9", "nan", "float('nan')", "Answer:", "returns ", ".", "\x00", "\ud800", "\u2028"]
)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join)))
def test_any_text_is_judged(tools: Tools, text: str) -> None:
    started = time.perf_counter()
    assert verdicts(OutputOf("'no one says this'"), tools, text) in ([WRONG], [UNPARSED])
    InputFor("def f(*args, **keywords):\n    return len(args)", "3").judge(tools, [text])
    assert time.perf_counter() - started < SECONDS


@pytest.mark.parametrize(
    "text",
    ["f(" * 30_000, "assert f(1) == 2\n" * 4_000, "output is " * 6_000, "`a`" * 20_000, "[" * 60_000, "1," * 30_000,
     "'" * 60_000, "[ANSWER]" * 7_000, "-" * 60_000 + "1", "1+" * 30_000 + "1", "(1, " * 15_000, "x\n" * 30_000,
     "9**" * 20_000 + "9", "[1]*10**8", "'a' * 10**12", "10 ** 10 ** 10",
     "{" + ",".join(str(n * (2**61 - 1)) for n in range(900)) + "}"],
    ids=lambda text: repr(text[:12]),
)  # fmt: skip
def test_a_long_text_is_judged_quickly(tools: Tools, text: str) -> None:
    started = time.perf_counter()
    OutputOf("1").judge(tools, [text])
    InputFor("def f(*args):\n    return 1", "1").judge(tools, [text])
    assert time.perf_counter() - started < SECONDS
