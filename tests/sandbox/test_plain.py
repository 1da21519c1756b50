"""What is compiled without the transformer is what the transformer would have let through unchanged."""

import ast
import dis
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import CodeType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import policy
from sandbox.guards import PolicyError
from sandbox.plain import Compiled, plain_call, plain_program
from tests.sandbox.test_attacks import ATTACKS

DATA = Path(os.environ.get("AZR_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
NESTING = 200


def check_program(source: str) -> bool:
    """Whether the source is plain. Fails where the transformer does not give the same code."""
    plain = plain_program(source, NESTING)
    if plain is not None:
        _agrees(plain, lambda: policy.transform_program(source, nesting=NESTING))
    return plain is not None


def check_call(arguments: str) -> bool:
    plain = plain_call(arguments, NESTING, "f")
    if plain is not None:
        _agrees(plain, lambda: policy.transform_call(arguments, nesting=NESTING))
    return plain is not None


def _agrees(plain: Compiled, transform: Callable[[], Compiled]) -> None:
    code, order_sensitive = transform()
    assert _instructions(plain[0]) == _instructions(code)
    # A second look too many is no harm: words in strings count too. One too few is fine only where CPython has compiled
    # the set away: the annotations of a function's variables, and what stands behind `if 0`.
    assert plain[1] or not order_sensitive or not _makes_sets(_instructions(code))


SETS = frozenset({"BUILD_SET", "SET_ADD", "SET_UPDATE"})


def _instructions(code: CodeType) -> list[tuple[str, object]]:
    """What is run, with its names and constants; unlike the code itself, without those of dead statements."""
    found: list[tuple[str, object]] = []
    for instruction in dis.get_instructions(code):
        value = instruction.argval
        found.append((instruction.opname, _instructions(value) if isinstance(value, CodeType) else repr(value)))
    return found


def _makes_sets(instructions: list[tuple[str, object]]) -> bool:
    return any(name in SETS or (isinstance(value, list) and _makes_sets(value)) for name, value in instructions)


# -- sources made at random -------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    ["x", "y", "n", "_", "_a", "__b__", "set", "id", "open", "type", "match", "print", "getattr", "gi_frame", "é"]
)
PLAIN_NAMES = st.sampled_from(["x", "y", "len", "sorted", "str", "_"])
ATTRIBUTES = st.sampled_from(
    ["append", "keys", "items", "a", "format", "now", "_", "_a", "__class__", "__init__", "f_back", "obj", "real"]
)
CONSTANTS = st.sampled_from(
    ["1", "-2.5", "1e9", "0x1f", "'a'", '"b#("', "b'c'", "r'\\d('", "None", "...", "1_0", "'''t'''", "'set'", "()"]
)


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = NAMES | PLAIN_NAMES | PLAIN_NAMES
    many = st.lists(inner, max_size=3).map(", ".join)
    return st.one_of(
        st.builds("{}.{}".format, inner, ATTRIBUTES),
        st.builds(
            "({}) {} ({})".format, inner, st.sampled_from(["+", "-", "&", "|", "or", "in", "is not", "<"]), inner
        ),
        st.builds("{}({})".format, inner, many),
        st.builds("{}({}={})".format, inner, names, inner),
        st.builds("{}[{}:{}]".format, inner, inner, inner),
        st.builds("[{}]".format, many),
        st.builds("{{{}}}".format, st.lists(inner, min_size=1, max_size=2).map(", ".join)),
        st.builds("{{{}: {}}}".format, inner, inner),
        st.builds("[{} for {} in {} if {}]".format, inner, names, inner, inner),
        st.builds("{{{} for {} in {}}}".format, inner, names, inner),
        st.builds("(lambda {}: {})".format, names, inner),
        st.builds("({} := {})".format, names, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds('f"{{{}!r:>3}}"'.format, names),
        st.builds("not -{}".format, inner),
        st.builds("({},\n  {})".format, inner, inner),
        st.builds("await {}".format, inner),
    )


EXPRESSIONS = st.recursive(NAMES | PLAIN_NAMES | PLAIN_NAMES | CONSTANTS, _grown, max_leaves=6)


def _block(body: str) -> str:
    return "\n".join("    " + line for line in body.split("\n"))


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = NAMES | PLAIN_NAMES
    return st.one_of(
        st.builds("if {}:\n{}\nelif {}:\n    pass".format, EXPRESSIONS, inner.map(_block), EXPRESSIONS),
        st.builds("for {} in {}:\n{}".format, names, EXPRESSIONS, inner.map(_block)),
        st.builds("with {} as {}:\n{}".format, EXPRESSIONS, names, inner.map(_block)),
        st.builds("try:\n{}\nexcept {} as {}:\n    pass".format, inner.map(_block), EXPRESSIONS, names),
        st.builds("def {}({}, *, y=1):\n{}".format, names, names, inner.map(_block)),
        st.builds("class {}:\n{}".format, names, inner.map(_block)),
        st.builds("match {}:\n    case {}:\n{}".format, EXPRESSIONS, names, inner.map(lambda b: _block(_block(b)))),
        st.builds("{}\n{}".format, inner, inner),
    )


SIMPLE = st.one_of(
    EXPRESSIONS,
    st.builds("{} = {}".format, NAMES | PLAIN_NAMES, EXPRESSIONS),
    st.builds("{}.{} = {}".format, PLAIN_NAMES, ATTRIBUTES, EXPRESSIONS),
    st.builds("{}[{}] += {}".format, PLAIN_NAMES, EXPRESSIONS, EXPRESSIONS),
    st.builds("{}: {} = {}".format, PLAIN_NAMES, EXPRESSIONS, EXPRESSIONS),
    st.builds("del {}.{}".format, PLAIN_NAMES, ATTRIBUTES),
    st.builds("global {}".format, NAMES),
    st.builds("return {}".format, EXPRESSIONS),
    st.builds("raise {}".format, EXPRESSIONS),
    st.sampled_from(["pass", "import math", "from os import path", "# (comment 'x", "x = '('  # )"]),
)
STATEMENTS = st.recursive(SIMPLE, _nested, max_leaves=4)


@given(STATEMENTS)
def test_random_programs(body: str) -> None:
    check_program(body)
    check_program(f"def f(x):\n{_block(body)}")


CALL_TEXT = st.lists(
    st.sampled_from(
        [
            "1",
            "-",
            "2.5",
            "'a(['",
            '"b\\""',
            "'''",
            "[",
            "]",
            "(",
            ")",
            "{",
            "}",
            ",",
            ":",
            " ",
            "None",
            "True",
            "x",
            "#",
            "1e5",
            "*",
            ".",
            "f(",
            ")(",
            ") + f(",
            "\n",
            "b''",
            "=",
            "é",
        ]
    ),
    max_size=12,
).map("".join)


@given(CALL_TEXT)
def test_random_calls(text: str) -> None:
    check_call(text)


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=10,
)


@given(st.lists(LITERALS))
def test_the_texts_of_values_as_calls(values: list[object]) -> None:
    check_call(", ".join(map(repr, values)))


# -- sources that someone wrote ---------------------------------------------------------------------------------------


def test_no_attack_is_plain_unless_the_transformer_passes_it_unchanged() -> None:
    for attack in ATTACKS:
        if attack.job.program is not None:
            check_program(attack.job.program)
        for call in attack.job.calls:
            check_call(call)


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="no benchmark files: name their folder in AZR_DATA")
def test_most_programs_are_plain_and_agree() -> None:
    lines = (DATA / "cruxeval" / "cruxeval.jsonl").read_text().splitlines()
    tasks = [json.loads(line) for line in lines]
    assert sum(check_program(task["code"]) for task in tasks) > 0.9 * len(tasks)
    assert sum(check_call(task["input"]) for task in tasks) > 0.9 * len(tasks)
    for path in (DATA / "azr_triplets").glob("*.jsonl"):
        for task in map(json.loads, path.read_text().splitlines()):
            check_program(task["snippet"])


@pytest.mark.parametrize(
    "source",
    [
        "x = 1\nx.a = 2",
        "x._",
        "_ = [].__class__",
        "(x).  _a",
        "[1 .  real for x.a in y]",
        "'{0.__class__}'.format(1)",
        "class A: pass",
        "import math",
        "open('x')",
        "ᵒpen('x')",
        "x = x.keys() & y",
    ],
)
def test_what_needs_a_look_is_not_plain(source: str) -> None:
    assert plain_program(source, NESTING) is None


@pytest.mark.parametrize("text", ["1) + f(2", "1)(2", "1) if True else f(2", "x", "*[1]", "a=1", "1 # ", "(f := 3)"])
def test_a_call_that_is_more_than_literals_is_not_plain(text: str) -> None:
    assert plain_call(text, NESTING, "f") is None


# -- the limit on nesting ---------------------------------------------------------------------------------------------

DEEP = {
    "brackets": lambda n: "x = " + "[" * n + "]" * n,
    "signs": lambda n: "x = " + "-" * n + "1",
    "sum": lambda n: "x = " + "+".join("1" * n),
    "calls": lambda n: "x = " + "f(*" * n + "1" + ")" * n,
    "attributes": lambda n: "x = y" + ".a" * n,
    "slices": lambda n: "x = " + "y[:" * n + "1" + "]" * n,
    "elif": lambda n: "if x: y\n" + "elif x: y\n" * n,
    "over lines": lambda n: "x = (\n" + "\n".join("-" * n) + "1)",
    "behind a bracket in a string": lambda n: "x = (')' +\n" + "(\n" * n + "1" + ")\n" * n + "+ '(')",
    "behind a comment that a carriage return ends": lambda n: "#\ry = (\n" + "-\n" * n + "1\n#\r)\n",
    "blocks": lambda n: "\n".join(" " * i + "if x:" for i in range(n)) + "\n" + " " * n + "x",
    "handlers": lambda n: (
        "\n".join(" " * i + "try: x\n" + " " * i + "except:" for i in range(n)) + "\n" + " " * n + "x"
    ),
}


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("levels", [5, 15, 30, 90])
def test_source_deeper_than_the_limit_is_not_plain(kind: str, levels: int) -> None:
    source = DEEP[kind](levels)
    depth = _depth(ast.parse(source))
    assert plain_program(source, depth - 1) is None
    with pytest.raises(PolicyError, match="nested deeper"):
        policy.compile_program(source, nesting=depth - 1)
    with suppress(SyntaxError):  # CPython allows for twenty blocks in each other
        policy.compile_program(source, nesting=depth)


def _depth(node: ast.AST) -> int:
    """Levels as the transformer counts them: of everything but leaves."""
    inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, policy.LEAVES)]
    return 1 + max(map(_depth, inner), default=0)
