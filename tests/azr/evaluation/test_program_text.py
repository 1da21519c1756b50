"""Programs are found in what models write."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azr.evaluation.judging.program_text import completed_program, whole_program

HEADER = 'import math\n\n\ndef area(r):\n    """The area of a disc."""\n'
BODY = "    return math.pi * r * r\n"


def value_of(program: str | None, call: str) -> object:
    """What the program gives; these texts are this test's own."""
    assert program is not None
    namespace: dict[str, object] = {}
    exec(program, namespace)
    return eval(call, namespace)


@pytest.mark.parametrize(
    "completion",
    [
        BODY,
        "\n" + BODY + "\n\ndef other(x):\n    return x\n\nprint(area(2))\nprint(",
        "return math.pi * r * r",
        HEADER + BODY,
        "def area(r):\n    return math.pi * r * r\n",
        "Sure, here it is:\n```python\ndef area(r):\n    return math.pi * r * r\n```\nIt squares r.",
        "One:\n```python\ndef area(r):\n    return 0\n```\nTwo:\n```\ndef area(r):\n    return math.pi * r * r\n```",
        "```python\n" + BODY + "```",
        "<think>def area(r): return 0</think>\ndef area(r):\n    return math.pi * r * r\nDone, I think!",
        "<think>hm</think><answer>\ndef area(r):\n    return math.pi * r * r\n</answer>",
        "```python\ndef area(r):\n    return math.pi * r * r",
        BODY + "\ndef area(r):\n    return 0\n\ndef area(",
    ],
)
def test_a_function_is_completed(completion: str) -> None:
    if completion.endswith("def area("):  # a model that repeats itself: the last definition is what Python takes
        assert value_of(completed_program(HEADER, completion, "area"), "area(1)") == 0
    else:
        assert value_of(completed_program(HEADER, completion, "area"), "area(1)") == pytest.approx(3.14159265)


@pytest.mark.parametrize("completion", ["I can't.", "((((", "\x00"])
def test_no_program_is_none(completion: str) -> None:
    assert completed_program(HEADER, completion, "area") is None
    assert whole_program(completion, "area") is None


def test_a_program_without_the_function_is_none() -> None:
    assert whole_program("def volume(r):\n    return r", "area") is None


def test_a_whole_program_needs_no_name() -> None:
    assert whole_program("Read and print:\n```py\nprint(input())\n```") == "print(input())\n"


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    program = completed_program(HEADER, text, "area")
    assert program is None or ast.parse(program)


def test_a_long_text_that_never_parses_is_given_up_quickly() -> None:
    assert whole_program("def f(:\n" * 10_000) is None
