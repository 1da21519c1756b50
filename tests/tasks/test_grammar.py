"""Reading answers: what is found, what is not, and that no text makes it raise or crawl."""

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.grammar import GRAMMARS, Grammar
from tasks.grammar.calls import arguments_of_call

TAGS, DOCTEST = GRAMMARS["tags"], GRAMMARS["doctest"]


def readers(grammar: Grammar) -> list[Callable[[str], object]]:
    return [
        grammar.program_and_input,
        grammar.inputs_and_message,
        grammar.value,
        grammar.arguments,
        grammar.program,
    ]


# -- argument lists ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("f(1, 2)", "1, 2"),
        ("f()", ""),
        ("f('a)', [1, (2, 3)])", "'a)', [1, (2, 3)]"),
        ("f('''a)\n(''', \"\\\")\")", "'''a)\n(''', \"\\\")\""),
        ("f([1,  # one)\n 2])", "[1,  # one)\n 2]"),
        ("f(1), f(2)", None),
        ("f(1) + f(2)", None),
        ("f(1) == 2", None),
        ("f([1, 2)", None),
        ("f('abc)", None),
        ("f(", None),
        ("g(1)", None),
        ("f(1", None),
    ],
)
def test_the_arguments_of_a_call_are_what_stands_in_its_own_brackets(call: str, arguments: str | None) -> None:
    assert arguments_of_call(call) == arguments


@given(st.recursive(st.integers() | st.text() | st.booleans() | st.none(), lambda inner: st.lists(inner)).map(repr))
def test_the_text_of_any_value_survives_as_an_argument(value: str) -> None:
    assert arguments_of_call(f"f({value})") == value.strip()


# -- tags -------------------------------------------------------------------------------------------------------------

PROGRAM = "def f(x):\n    return x + 1"


@pytest.mark.parametrize(
    "written",
    [
        PROGRAM,
        f"```python\n{PROGRAM}\n```",
        f"```\n{PROGRAM}\n```",
        f"Here it is:\n```python\n{PROGRAM}\n```\nIt adds one.",
        f"```python\ndef g(): pass\n```\nBetter:\n```python\n{PROGRAM}\n```",
        f"```python\n{PROGRAM}",
        "    def f(x):\n        return x + 1",
    ],
)
def test_a_program_is_read_whatever_wraps_it(written: str) -> None:
    proposal = f"<think>hm</think>\n<answer>\n<program>\n{written}\n</program>\n<input>\n41\n</input>\n</answer>"
    assert TAGS.program_and_input(proposal) == (PROGRAM, "41")
    assert TAGS.program(f"<answer>\n{written}\n</answer>") == PROGRAM


def test_fences_inside_a_program_stay() -> None:
    program = 'def f(x):\n    """\n    ```\n    f(1)\n    ```\n    """\n    return x'
    assert TAGS.program(f"<answer>```python\n{program}\n```</answer>") == program


@pytest.mark.parametrize("written", ["1, 'a'", "f(1, 'a')", "```python\n1, 'a'\n```", "`1, 'a'`", "`f(1, 'a')`"])
def test_an_argument_list_is_read_whatever_wraps_it(written: str) -> None:
    assert TAGS.arguments(f"<answer> {written} </answer>") == "1, 'a'"


def test_the_last_answer_wins() -> None:
    assert TAGS.value("<answer>1</answer> no: <answer>2</answer> so it is") == "2"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "<answer>42",
        "<answer>1</answer> wait, <answer>2",
        "answer>42</answer>",
        "</answer>42<answer>",
        "<answer></answer>",
        "<answer>  \n </answer>",
    ],
)
def test_an_answer_without_both_tags_or_without_content_is_none(text: str) -> None:
    assert TAGS.value(text) is None
    assert TAGS.program(text) is None


@pytest.mark.parametrize(
    "answer",
    [
        "<program>def f(x): return x</program>",
        "<input>1</input>",
        "<program></program><input>1</input>",
        "<program>def f(x): return x<input>1</input>",
        "<program>def f(x): return x</program><input>1",
    ],
)
def test_a_proposal_that_lacks_a_part_is_none(answer: str) -> None:
    assert TAGS.program_and_input(f"<answer>{answer}</answer>") is None


def test_a_proposal_outside_the_answer_is_none() -> None:
    assert TAGS.program_and_input("<program>def f(x): return x</program><input>1</input><answer>ok</answer>") is None


def test_inputs_are_read_in_order_with_the_message_on_one_line() -> None:
    inputs = "<input>1</input><input>f('a', 2)</input><input></input>"
    text = f"<answer><message>\nLook at\n the ends.</message>{inputs}</answer>"
    assert TAGS.inputs_and_message(text) == (("1", "'a', 2", ""), "Look at the ends.")


def test_inputs_need_a_message_and_the_message_needs_inputs() -> None:
    assert TAGS.inputs_and_message("<answer><input>1</input></answer>") is None
    assert TAGS.inputs_and_message("<answer><message>m</message></answer>") is None


# -- doctest ----------------------------------------------------------------------------------------------------------


def test_a_completion_is_a_program_and_its_first_call() -> None:
    text = f"{PROGRAM}\n>>> f(41)  # so\n42\n>>> f(1)\n2"
    assert DOCTEST.program_and_input(text) == (PROGRAM, "41")
    assert DOCTEST.program(text) == PROGRAM


@pytest.mark.parametrize("text", [PROGRAM, f"{PROGRAM}\n>>> f(41", f"{PROGRAM}\n>>> g(41)", ">>> f(41)", ""])
def test_a_completion_without_a_whole_call_is_none(text: str) -> None:
    assert DOCTEST.program_and_input(text) is None


def test_calls_in_a_list_are_inputs_and_the_comment_below_is_the_message() -> None:
    text = ">>> [f(1), f(-1), f('a)', [2]), f()]\n[2, 0]\n# Adds one.\n# More."
    assert DOCTEST.inputs_and_message(text) == (("1", "-1", "'a)', [2]", ""), "Adds one.")


def test_calls_on_lines_of_their_own_are_inputs_too_and_a_call_cut_off_is_none() -> None:
    assert DOCTEST.inputs_and_message("# Adds one.\n>>> f(1)\n2\n>>> f(-1)\n>>> f(") == (("1", "-1"), "Adds one.")


def test_the_message_of_a_completion_may_be_missing_and_the_calls_may_not() -> None:
    assert DOCTEST.inputs_and_message(">>> [f(1)]") == (("1",), "")
    assert DOCTEST.inputs_and_message("# Adds one.") is None
    assert DOCTEST.inputs_and_message(">>> []") is None


@pytest.mark.parametrize(
    ("text", "arguments"),
    [("f(1, 2)", "1, 2"), (" f('a')  # so", "'a'"), ("f(1)\nf(2)", "1"), ("1, 2)", None), ("f(1\n)", None), ("", None)],
)
def test_arguments_of_a_completion_end_with_the_line(text: str, arguments: str | None) -> None:
    assert DOCTEST.arguments(text) == arguments


def test_a_completed_value_is_one_line() -> None:
    assert DOCTEST.value(" 'ab' \n>>> f(2)") == "'ab'"
    assert DOCTEST.value("\n'ab'") is None


# -- any text ---------------------------------------------------------------------------------------------------------

TAG_NAMES = ["answer", "program", "input", "message", "think"]
PIECES = [
    *(f"<{name}>" for name in TAG_NAMES),
    *(f"</{name}>" for name in TAG_NAMES),
    *("```", "```python\n", ">>> ", ">>> f(", "def f(x):\n", "# ", "\n", "    ", "'", '"""', "return x\n"),
    *("(", ")", "[", "]", "{", "}", "\\", "\x00", "\ud800", "é", "\r", "\u2028", "f(1)"),
]


@given(st.lists(st.sampled_from(PIECES) | st.text(st.characters()), max_size=40).map("".join))
@settings(max_examples=500)
@example("\ud800\x00<answer>\udfff</answer>")
def test_no_text_makes_a_reader_raise(text: str) -> None:
    for grammar in GRAMMARS.values():
        for reader in readers(grammar):
            reader(text)


@pytest.mark.parametrize("grammar", GRAMMARS.values(), ids=GRAMMARS.keys())
@pytest.mark.parametrize(
    "unit",
    [
        *(
            "<answer>",
            "</answer><answer>",
            "<input>",
            "```\n",
            "`",
            ">>> f(\n",
            ">>> f('''",
            ">>> f(1)\n",
            ">>> [" + "f(1), " * 9,
            ">>> f([f([",
            "\n>>> ",
        ),
        *("(", "'", '"', "\\", "#", "# \n", " ", "\t\n", "[('", "<", "def f(", "\n", "x", "\ud800"),
    ],
)
def test_reading_takes_time_linear_in_the_text(grammar: Grammar, unit: str) -> None:
    for text in (unit * (500_000 // len(unit)), f"<answer><input>{unit * (500_000 // len(unit))}</input></answer>"):
        for reader in readers(grammar):
            started = time.perf_counter()
            reader(text)
            assert time.perf_counter() - started < 5  # quadratic time would be many minutes
