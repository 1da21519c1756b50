"""Programs are found in what models write."""

import ast
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azr.evaluation.judging.completion_text import answer_parts, fenced_blocks
from azr.evaluation.judging.program_text import completed_program, defines, whole_program, with_preamble

HEADER = 'import math\n\n\ndef area(r):\n    """The area of a disc."""\n'
BODY = "    return math.pi * r * r\n"
AREA = "def area(r):\n    return 3.14159265 * r * r\n"
LOOP_HEADER = (
    'from typing import List\n\n\ndef total(xs: List[int]) -> int:\n    """The sum of those above nought."""\n'
)
LOOP = "    found = 0\n    for x in xs:\n        if x > 0:\n            found += x\n    return found\n"
SECONDS = 6.0  # for any completion, on a machine that has other things to do


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


def first_line_moved(columns: int) -> str:
    """The body with its first line so many columns from where it should begin."""
    return " " * (4 + columns) + LOOP.lstrip()


FOR_FIRST = "    for x in xs[:0]:\n        pass\n    return sum(x for x in xs if x > 0)\n"


@pytest.mark.parametrize(
    "completion",
    [
        *(first_line_moved(columns) for columns in (-4, -3, -1, 1, 4)),
        *(f"```python\n{first_line_moved(columns)}```" for columns in (-4, 1)),
        FOR_FIRST.lstrip(),  # the first line opens a block
        f"```\n{FOR_FIRST.lstrip()}```\nThat is all.",
        LOOP.replace("    ", "  "),  # another width than the header's
        LOOP.replace("    ", "\t"),
        "# add them up\n" + LOOP,
        "\n# add\n# them\n\n" + LOOP + "\nThis adds what is above nought.",
        "```python\n# add them up\n" + LOOP + "```",
        "# first line lost its indent\n" + LOOP.lstrip(),
        LOOP.replace("    return", "# done\n    return"),
        LOOP + "```\n\nIt goes through the list.",
        LOOP + "<|im_end|>\n<|endoftext|>",
        LOOP.rstrip() + "<|endoftext|>",
        LOOP + "\n\nif __name__ == '__main__':\n    print(total([1]))\n",
    ],
)
def test_a_body_is_read_however_it_is_indented(completion: str) -> None:
    program = completed_program(LOOP_HEADER, completion, "total")
    assert value_of(program, "total([3, -1, 4])") == 7


def test_a_body_that_does_something_else_stays_so() -> None:
    shifted = "    found = 0\n    for x in xs:\n        found += x\n    return found\n"
    assert value_of(completed_program(LOOP_HEADER, shifted, "total"), "total([3, -1])") == 2
    assert value_of(completed_program(LOOP_HEADER, shifted.lstrip(), "total"), "total([3, -1])") == 2


MARKED = [
    "def area(r):\n    # like ```r * r * pi```\n    return 3.14159265 * r * r\n",
    "def area(r):\n    mark = '```'\n    return 3.14159265 * r * r\n",
    'def area(r):\n    """The area.\n\n    ```\n    area(1)\n    ```\n    """\n    return 3.14159265 * r * r\n',
    'def area(r):\n    """The area.\n\n```python\narea(1)\n```\n    """\n    return 3.14159265 * r * r\n',
    "def area(r):\n    marker = '</think>'\n    return 3.14159265 * r * r\n",
    "def area(r):\n    # no </think> here, nor <answer> or </answer>\n    return 3.14159265 * r * r\n",
    'def area(r):\n    """Not in <answer> tags, <|im_end|>."""\n    return 3.14159265 * r * r\n',
    "def area(r):\n    tag, end = '<answer>', '</answer>'\n    return 3.14159265 * r * r\n",
    "def area(r):\n    line = 'a\u2028b\x0bc'\n    return 3.14159265 * r * r * (len(line) == 5)\n",
]


@pytest.mark.parametrize("program", MARKED)
@pytest.mark.parametrize(
    "frame",
    [
        "{}",
        "```python\n{}```",
        "```python\n{}```\nIt's `pi` times the radius' square.\n",
        "<think>Let's see.</think>\n\nHere:\n\n```python\n{}```",
        "I don't know better than this:\n```\n{}\n```\nThat's it.",
    ],
)
def test_marks_in_code_are_code(program: str, frame: str) -> None:
    assert value_of(whole_program(frame.format(program), "area"), "area(1)") == pytest.approx(3.14159265)


@pytest.mark.parametrize(
    "completion",
    [
        "1. Like so:\n   ```python\n   def area(r):\n       return 3.14159265 * r * r\n   ```\n2. Done.",
        "- ```python\n  def area(r):\n      return 3.14159265 * r * r\n  ```\n",
        "1. First\n\n      ~~~py\n      def area(r):\n          return 3.14159265 * r * r\n      ~~~\n",
        "> ```python\n> def area(r):\n>     return 3.14159265 * r * r\n> ```\n",
        "1. Like so:\n\n    def area(r):\n        return 3.14159265 * r * r\n\n2. Done.",
        "* def area(r):\n      return 3.14159265 * r * r\n* that is all",
        " def area(r):\n    return 3.14159265 * r * r\n",
        "    def area(r):\n        return 3.14159265 * r * r\n",
        "    import math\n    def area(r):\n        return math.pi * r * r\n",
        "````python\n" + AREA + "````\nFour marks.",
        "```python\n" + AREA.rstrip() + "```\nIt has `r`.",
    ],
)
def test_code_in_lists_is_found(completion: str) -> None:
    for program in (whole_program(completion, "area"), completed_program(HEADER, completion, "area")):
        assert value_of(program, "area(1)") == pytest.approx(3.14159265)


@pytest.mark.parametrize(
    "prose",
    [
        "We compute it\nfrom the radius alone.",
        "from here on, it is easy:",
        "import nothing, just multiply:",
        "import of math is not needed.",
        "class of problems: geometry.",
        "class A problems are like this:",
        "@user this is what you want:",
        "if you ask me: multiply",
        "for a disc:",
        "while we are at it:",
        "def is the keyword, so:",
        "try this:",
        "with love:",
        "print it out:",
    ],
)
def test_prose_that_begins_like_code_is_prose(prose: str) -> None:
    for completion in (f"{prose}\n\n{AREA}", f"{prose}\n\n{AREA}\n{prose}\n"):
        for program in (whole_program(completion, "area"), completed_program(HEADER, completion, "area")):
            assert value_of(program, "area(1)") == pytest.approx(3.14159265)


@pytest.mark.parametrize(
    "definition",
    [
        "area: object = lambda r: 3.14159265 * r * r",
        "area, other = (lambda r: 3.14159265 * r * r), None",
        "(area := lambda r: 3.14159265 * r * r)",
        "other = area = lambda r: 3.14159265 * r * r",
        "if True:\n    def area(r):\n        return 3.14159265 * r * r",
        "try:\n    import nowhere\nexcept ImportError:\n    def area(r):\n        return 3.14159265 * r * r",
        "for area in [lambda r: 3.14159265 * r * r]:\n    pass",
        "class area(float):\n    def __new__(cls, r):\n        return float(3.14159265 * r * r)",
        "def disc(r):\n    return 3.14159265 * r * r\narea = disc",
        "async def area_later(r): pass\ndef area(r):\n    return 3.14159265 * r * r",
        "match 3.14159265:\n    case pi:\n        area = lambda r: pi * r * r",
    ],
)
def test_a_name_may_be_defined_in_any_way(definition: str) -> None:
    for completion in (definition, f"```python\n{definition}\n```", f"Here:\n```\n{definition}\n```\nSee?"):
        for program in (whole_program(completion, "area"), completed_program(HEADER, completion, "area")):
            assert value_of(program, "area(1)") == pytest.approx(3.14159265)


@pytest.mark.parametrize(
    "definition",
    [
        "from operator import add",
        "from operator import mul as times, add",
        "import operator as add",
        "from operator import *",
    ],
)
def test_an_import_may_define_the_name(definition: str) -> None:
    assert defines(definition, "add")
    assert whole_program(definition, "add") == definition


@pytest.mark.parametrize(
    "program", ["add()", "def f():\n    add = 1", "x.add = 1", "class C:\n    def add(self): pass", "import math"]
)
def test_what_does_not_define_the_name(program: str) -> None:
    assert not defines(program, "add")


@pytest.mark.parametrize(
    "completion",
    ["I can't.", "((((", "\x00", "", "<think>\n" + AREA, "<think>" + AREA + "</think>I can't.", "\ud800" + AREA],
)
def test_no_program_is_none(completion: str) -> None:
    assert completed_program(HEADER, completion, "area") is None
    assert whole_program(completion, "area") is None


def test_a_program_without_the_function_is_none() -> None:
    assert whole_program("def volume(r):\n    return r", "area") is None


def test_a_whole_program_needs_no_name() -> None:
    assert whole_program("Read and print:\n```py\nprint(input())\n```") == "print(input())\n"
    assert whole_program("Read and print:\n\nn = input()\nprint(n)\n\nIt echoes.") == "n = input()\nprint(n)\n\n"


def test_half_of_a_closed_block_is_no_program() -> None:
    """A harness would run all of it, and that is a syntax error."""
    assert whole_program("```python\nprint(6)\nprint(\n```") is None
    assert whole_program("```python\nprint(6)\nprint(\n") == "print(6)\n"


def test_future_imports_and_docstrings_stay_first() -> None:
    completion = "'''Discs.'''\nfrom __future__ import annotations\ndef area(r: Unknown):\n    return math.pi * r * r\n"
    program = completed_program(HEADER, completion, "area")
    assert value_of(program, "area(1)") == pytest.approx(3.14159265)
    assert value_of(program, "__doc__") == "Discs."


@pytest.mark.parametrize(
    "program",
    ["x = 1", "'doc'; x = 1", "'ä'; x = 1", "'''a\nb'''\n\nx = 1", "from __future__ import annotations; x = 1"],
)
def test_a_preamble_comes_before_the_first_statement(program: str) -> None:
    assert value_of(with_preamble(program, "y = 2"), "x, y") == (1, 2)


def test_a_preamble_comes_before_a_decorator_and_may_be_all() -> None:
    assert value_of(with_preamble("@keep\ndef x(): return 1", "def keep(f): return f"), "x()") == 1
    assert value_of(with_preamble("'doc'", "y = 2"), "y, __doc__") == (2, "doc")
    assert value_of(with_preamble("", "y = 2"), "y") == 2


def test_blocks_are_told_from_each_other() -> None:
    text = "```\na\n```\nmid ```b``` and\n~~~x\nc = 1\n~~~\n```python\nd = ('''\n```\n''')\n```\nunclosed:\n```\ne ="
    assert [(block.text, block.closed) for block in fenced_blocks(text)] == [
        ("a\n", True),
        ("c = 1\n", True),
        ("d = ('''\n```\n''')\n", True),
        ("e =", False),
    ]


@pytest.mark.parametrize(
    ("completion", "parts"),
    [
        ("a <answer>b</answer> c", ["b"]),
        ("<answer>a</answer><answer>b</answer>", ["b"]),
        ("so: <answer>b c", ["b c", "so: <answer>b c"]),
        ("no tag", ["no tag"]),
        ("x</think>y</think>z", ["z"]),
        ("<think>x", []),
        ("I don't</think>it's", ["it's"]),
        ("it says `</think>` there", ["it says `</think>` there"]),
    ],
)
def test_the_answers_part(completion: str, parts: list[str]) -> None:
    assert answer_parts(completion) == parts


# -- whatever a model writes -------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "def area(r):", "    return r", "return", "```", "```python", "~~~", "<think>", "</think>", "<answer>",
        "</answer>", "'", '"""', "(", ")", "[", "{", "\\", "#", "# note", "class A:", "import math", "from x", "@a",
        "if r:", "else:", "    ", "\t", "\n", "\n\n", "\r", "\x0c", "\x00", "\u2028", "λ", "\ud800", "lambda", ":", "=",
        "1.", "- ", "> ", "def area(r, r):", "nonlocal r", "from __future__ import braces", "yield", "await x",
        "print(area(1))",
    ]
)  # fmt: skip
GARBAGE = st.one_of(
    st.text(max_size=300), st.lists(PIECES, max_size=40).map("\n".join), st.lists(PIECES, max_size=40).map("".join)
)


@settings(deadline=None, max_examples=300)
@given(GARBAGE)
def test_any_text_is_read(text: str) -> None:
    started = time.perf_counter()
    for program in (completed_program(HEADER, text, "area"), whole_program(text), whole_program(text, "area")):
        assert program is None or ast.parse(program)
        assert program is None or ast.parse(with_preamble(program, "import math"))
    assert time.perf_counter() - started < SECONDS


LONG_CODE = "def area(x):\n    return [x + 1 for x in range(10) if x % 2]\n" * 1800


@pytest.mark.parametrize(
    "text",
    [
        "def f(:\n" * 10_000,
        "```x\n" * 20_000,
        "```\n" * 20_000,
        "</think>" * 12_000,
        "<answer>" * 12_000,
        "(" * 100_000,
        "[" * 50_000 + "]" * 50_000,
        "f" + "()" * 40_000,
        "1" + "+1" * 40_000,
        "-" * 90_000 + "1",
        "x=1\n" * 20_000 + "if a:\n",
        LONG_CODE + "".join(" " * n + "if 1:\n" for n in range(90)),
        '"""\n' * 30_000,
        "\\\n" * 50_000,
        "- def f(x):\n" * 8_000,
        "f'{" * 30_000,
        "```python\nx = (\n```\n" * 5_000,
        "print(1)\n" * 5_000 + "x = (\n" + "print(1)\n" * 5_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_long_text_is_read_or_given_up_quickly(text: str) -> None:
    for read in (
        lambda: whole_program(text, "area"),
        lambda: completed_program(HEADER, text, "area"),
        lambda: whole_program(text),
    ):
        started = time.perf_counter()
        read()
        assert time.perf_counter() - started < SECONDS
