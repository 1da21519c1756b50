"""Measures of programs."""

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.program import describe, fingerprint, tidy

DATA = Path(os.environ.get("AZR_DATA", Path(__file__).parents[3] / "shared" / "data"))

LOOP = """
def f(nums, k=2):
    out = {}
    for n in nums:  # each
        if n > k and n % 2 == 0:
            out[n] = f'{n}'.upper()[1:]
    return sorted(out.items())
"""


def test_lines_nodes_and_branches_are_counted() -> None:
    facts = describe("def f(x):\n\n    return x\n")
    assert (facts.lines, facts.branches) == (2, 1)
    assert facts.nodes == 7  # Module, FunctionDef, arguments, arg, Return, Name, Load


@pytest.mark.parametrize(
    ("body", "branches"),
    [
        ("return x", 1),
        ("return 1 if x else 2", 2),
        ("return x and 1 or 2", 3),
        ("return [y for y in x if y]", 3),
        ("while x: x -= 1", 2),
        ("match x:\n        case 1: return 2\n        case _: return 3", 3),
        ("try: return x\n    except KeyError: return 1", 2),
    ],
)
def test_branches_follow_mccabe(body: str, branches: int) -> None:
    assert describe(f"def f(x):\n    {body}").branches == branches


def test_constructs_are_named() -> None:
    assert set(describe(LOOP).constructs) == {
        "for",
        "if",
        "dict",
        "sort",
        "f-string",
        "slice",
        "string method",
        "arithmetic",
        "boolean logic",
    }


@pytest.mark.parametrize(
    ("program", "construct"),
    [
        ("def f(n):\n    return 1 if n < 1 else f(n - 1)", "recursion"),
        ("def f(n):\n    def g(): return n\n    return g()", "nested function"),
        ("class A: pass\ndef f(n): return 1", "class"),
        ("def f(n): return (lambda: n)()", "lambda"),
        ("def f(n): return {y for y in n}", "set"),
        ("import math\ndef f(n): return math.pi", "import"),
        ("def f(n): return sum(y for y in n)", "generator"),
        ("def f(*n): return [*n]", "unpacking"),
    ],
)
def test_each_construct_is_seen(program: str, construct: str) -> None:
    assert construct in describe(program).constructs
    assert construct not in describe("def f(x): return x").constructs


@pytest.mark.parametrize(
    "other",
    [
        "def f(x):\n    y = x + 1\n    return y",
        "def f(x):\n\n        y = (x+1)  # one\n        return y\n",
        'def f(x):\n    """Adds one."""\n    y = x + 1\n    return y',
        "def f(a):\n    b = a + 1\n    return b",
    ],
)
def test_fingerprint_ignores_layout_comments_docstrings_and_names_of_variables(other: str) -> None:
    assert fingerprint("def f(x):\n    y = x + 1\n    return y") == fingerprint(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x): return x + 1", "def f(x): return x + 2"),
        ("def f(x, y): return x", "def f(x, y): return y"),
        ("def f(x): return dict(a=x)", "def f(x): return dict(b=x)"),
        ("def f(x): return x.upper()", "def f(x): return x.lower()"),
        ("def f(x): return 'x'", "def f(x): return 'y'"),
        ("def f(x): return len(x)", "def f(x): return sum(x)"),
        ("not python one", "not python two"),
    ],
)
def test_fingerprint_tells_different_programs_apart(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_tidy_drops_comments_and_docstrings_and_keeps_the_meaning() -> None:
    text = tidy('"""Module."""\ndef f(x):\n    """f(1) is 2."""\n    # f(1) is 2\n    return (x   +   1)\n')
    assert text == "def f(x):\n    return x + 1"


IDLE = [
    ("def f(x):\n    # __doc__: f(1) is 2\n    return x", "def f(x):\n    return x"),
    ("def f(x):\n    'a'\n    'f(1) is 2'\n    return x", "def f(x):\n    return x"),
    ("def f(x):\n    x = x\n    'f(1) is 2'\n    return x", "def f(x):\n    x = x\n    return x"),
    ("def f(x):\n    b'f(1) is 2'\n    2\n    ('f(1)', 2)\n    f'f(1) is 2'\n    return x", "def f(x):\n    return x"),
    ("def f(x):\n    'only text'", "def f(x):\n    pass"),
    ("def f(x):\n    if x:\n        return 1\n    else:\n        '2'", "def f(x):\n    if x:\n        return 1"),
    ("def f(x: 'f(1) is 2', y: int=1) -> 'two':\n    return x", "def f(x, y: int=1):\n    return x"),
    ("def f(x):\n    y: 'f(1) is 2' = x\n    return y", "def f(x):\n    y = x\n    return y"),
    ("class A:\n    'text'\n    x: 'int' = 1\nf = A", "class A:\n    x: 'int' = 1\nf = A"),
    ("def f(x):\n    'hi'\n    return f.__doc__", "def f(x):\n    return f.__doc__"),
]


@pytest.mark.parametrize(("program", "tidied"), IDLE)
def test_tidy_drops_text_that_does_nothing(program: str, tidied: str) -> None:
    assert tidy(program) == tidied
    assert tidy(tidied) == tidied


def test_tidy_keeps_what_computes() -> None:
    computing = "def f(x):\n    x.append('text')\n    f'{x.pop()}'\n    [x.sort()]\n    return x"
    assert tidy(computing) == computing


def test_tidy_leaves_alone_what_is_no_python() -> None:
    assert tidy("def f(:") == "def f(:"


@pytest.mark.parametrize(
    "odd",
    [
        *("", "\x00", "\ud800", "def f(:", "\t\n  x", "f" * 100_000, "class A:\n" * 3, "if 1:\n" + " if 1:\n" * 50),
        *("(" * 10_000, "-" * 50_000 + "1", "+".join("1" * 20_000), "x" + ".y" * 20_000),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_odd_texts_are_measured_without_raising(odd: str) -> None:
    assert describe(odd).branches >= 1
    assert len(fingerprint(odd)) == 16
    tidy(odd)


@given(st.text(st.characters(), max_size=200))
def test_any_text_is_measured_without_raising(text: str) -> None:
    describe(text)
    tidy(text)


@pytest.mark.data
def test_tidy_keeps_the_meaning_of_real_programs() -> None:
    if not DATA.is_dir():
        pytest.skip(f"no benchmark files in {DATA}; set AZR_DATA")
    cruxeval = [json.loads(line)["code"] for line in (DATA / "cruxeval/cruxeval.jsonl").open()]
    with gzip.open(DATA / "humaneval/HumanEval.jsonl.gz", "rt") as lines:
        humaneval = [row["prompt"] + row["canonical_solution"] for row in map(json.loads, lines)]
    for program in cruxeval + humaneval:
        tidied = tidy(program)
        assert tidied is not None
        assert fingerprint(tidied) == fingerprint(program)
    assert len({fingerprint(program) for program in cruxeval}) > 790
