"""Reading what someone wrote down: literals write the whole value, arithmetic is bounded, nothing raises or hangs."""

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox import Arguments, compute_arguments, compute_value, equal, read_arguments, read_value
from sandbox.values import NotDataError, canonical
from tests.sandbox.test_plain_data import DATA

SOON_S = 3.0  # of processor time, which the load of the machine leaves alone
READERS = [read_value, read_arguments, compute_value, compute_arguments]


@given(DATA)
def test_canonical_text_is_a_literal(value: Any) -> None:
    text = canonical(value)
    for read in (read_value, compute_value):
        assert canonical(read(text)) == text
        assert equal(read(text), value)


@given(st.lists(DATA, max_size=3), st.dictionaries(st.text(max_size=5), DATA, max_size=3))
def test_the_text_of_arguments_is_read_again(positional: list[Any], keywords: dict[str, Any]) -> None:
    arguments = Arguments(tuple(positional), keywords)
    for read in (read_arguments, compute_arguments):
        back = read(arguments.text)
        assert back.text == arguments.text
        assert list(back.keywords) == list(keywords) or set(back.keywords) == set(keywords)


@pytest.mark.parametrize(
    ("text", "positional", "keywords"),
    [
        ("", (), {}),
        ("1, 'a'", (1, "a"), {}),
        ("1,", (1,), {}),
        ("(1, 2)", ((1, 2),), {}),
        ("x=1, y=[2]", (), {"x": 1, "y": [2]}),
        ("*[1, 2], 3", (1, 2, 3), {}),
        ("*(1, (2,)), **{'x': 3}", (1, (2,)), {"x": 3}),
        ("1 # the first", (1,), {}),
        ("{'a': 1}, set(), -1.5", ({"a": 1}, set(), -1.5), {}),
    ],
)
def test_arguments(text: str, positional: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    for read in (read_arguments, compute_arguments):
        assert read(text) == Arguments(positional, keywords)


def test_the_text_of_arguments_has_one_form() -> None:
    assert read_arguments("y = 1,x=(2), *[ 3 ] # f").text == "3, y=1, x=2"
    assert read_arguments("**{'a b': 1, 'if': 2, 'c': 3}").text == "c=3, **{'a b': 1, 'if': 2}"


WORK = """
12345*6789 | int('1011', 2) | Counter('mississippi') | str(12) | sum([1, 2]) | 'ab' * 3 | [0] * 5 | set('hi') | 2 ** 10
1 + 2 | 'a' + 'b' | 1 << 3 | list(range(3)) | tuple([1]) | Counter(['a', 'b']) | float('1.5') | float(2)
Fraction('1/3') | bytes(3) | not 1 | ~1 | deque('abc') | frozenset('ab') | OrderedDict(['ab']) | 3 - 1 | 1 / 2
[*'abc'] | [*range(3)] | dict([['a', 1]]) | 1 + 2j + 3 | math.pi | bool(1) | complex('1') | abs(-1) | -True
"""
WORKS = [text.strip() for line in WORK.strip().split("\n") for text in line.split(" | ")]


@pytest.mark.parametrize("text", WORKS)
def test_a_literal_leaves_no_work_to_its_reader(text: str) -> None:
    with pytest.raises(NotDataError):
        read_value(text)


WRITTEN = """
-1 | +1 | - -1 | 1_000 | 0x1f | 1e3 | 'a' 'b' | 1+2j | -1-2j | float('nan') | float('-inf') | -float('inf') | set()
frozenset() | frozenset({1}) | set([1, 2]) | Counter({'a': 1}) | Counter() | dict(a=1) | {**{'a': 1}} | [*[1], 2]
collections.deque([1]) | datetime.date(2020, 1, 2) | datetime.timedelta(days=1) | defaultdict(list, {}) | Decimal('1.5')
Fraction(-1, 2) | range(0, 3) | bytearray(b'a') | OrderedDict([('a', 1)]) | OrderedDict({'a': 1}) | math.inf | -math.inf
deque([1], maxlen=2) | True | None | b'x' | complex(1, float('nan')) | 1, 2 | {1: {2, 3}}
"""


@pytest.mark.parametrize("text", [t.strip() for line in WRITTEN.strip().split("\n") for t in line.split(" | ")])
def test_what_writes_the_whole_value_is_a_literal(text: str) -> None:
    assert equal(read_value(text), compute_value(text))


CODE = """
(x := 1) | [x for x in [1]] | f(1) | lambda: 1 | 1 if 1 else 2 | x | [1][0] | 'a'.upper() | f'{1}' | 1 < 2 | 1 and 2
*next((a, 0) for a in range(2000)) | type('T', (), {})() | x for x in [1] | await x | (yield) | ... | *{1, 2} | **{1: 2}
x=1, x=2 | x=1, **{'x': 2} | 1) + f(2 | 1)(2 | 1), f(2 | 1 2 | ( | ' | list({'a', 'b'}) | str({'a'}) | [*{'a', 'b'}]
defaultdict(print) | open('x') | sorted([1]) | Fraction(1, 0) | {[]: 1} | datetime.date(2020, 13, 1) | range(1, 2, 0)
"""


@pytest.mark.parametrize("text", [t.strip() for line in CODE.strip().split("\n") for t in line.split(" | ")])
@pytest.mark.parametrize("read", READERS)
def test_code_is_never_read(text: str, read: Any) -> None:
    with pytest.raises(NotDataError):
        read(text)


PRIME = 2**61 - 1
HEAVY = {
    "brackets": "[" * 100_000,
    "closed brackets": "[" * 90 + "]" * 90,
    "a chain of signs": "-" * 100_000 + "1",
    "a chain of negations": "not " * 50_000 + "1",
    "a long sum": "+".join("1" * 50_000),
    "a long power": "**".join("9" * 5_000),
    "powers": "9**9**9**9",
    "a power of a Fraction": "Fraction(3, 7) ** 30000000",
    "a Fraction from a text": "Fraction('1e30000000')",
    "an int from a Decimal": "int(Decimal('1e9999999'))",
    "a Fraction from a Decimal": "Fraction(Decimal('1e9999999'))",
    "a power of a Decimal": "Decimal('1.1') ** Decimal('1e17')",
    "products": "*".join(["(1 << 20000)"] * 2_000),
    "products of Fractions": "*".join([f"Fraction({10**4000 + 1}, 3)"] * 20),
    "a long text": "'x' * 10**12",
    "many long texts": "[" + "'x' * 10**6," * 2_000 + "]",
    "texts put together": "+".join(["'x' * 10**6"] * 1_000),
    "repeated repetitions": "[[[[0] * 1000] * 1000] * 1000] * 1000",
    "the repr of repetitions": "str([[[0] * 1000] * 1000] * 1000)",
    "a set of repetitions": "{(((0,) * 1000,) * 1000,) * 1000}",
    "bytes": "bytes(10**12)",
    "a range spread out": "list(range(10**12))",
    "keys of one hash": f"set(range(0, {10**6 * PRIME}, {PRIME}))",
    "counted keys of one hash": f"Counter(range(0, {500_000 * PRIME}, {PRIME}))",
    "written keys of one hash": "{" + ",".join(str(i * PRIME) for i in range(100_000)) + "}",
    "a long number": "9" * 1_000_000,
    "a long number in a text": "int('9' * 4000, 36)",
    "a nul": "\0",
    "a lone surrogate": "'\ud800'",
    "a bad escape": "'\\N{nope}'",
}


@pytest.mark.parametrize("name", HEAVY)
@pytest.mark.parametrize("read", READERS)
def test_no_text_hangs_or_raises(name: str, read: Any) -> None:
    started = time.thread_time()
    with contextlib.suppress(NotDataError):
        value = read(HEAVY[name])
        canonical(value.positional if isinstance(value, Arguments) else value, limit=1 << 24)
    assert time.thread_time() - started < SOON_S


TOKENS = """
1 23 -4 0.5 1e9 2j 'a' "b" b'c' True None [ ] ( ) { } , : = ** * + - / // << | ~ not f( int( float( Fraction( Decimal(
Counter( set( frozenset( deque( dict( list( range( str( bytes( defaultdict( OrderedDict( x= x := for in if else lambda .
# \\ datetime.date( math.inf '9' '1e5'
"""
WORDS = st.sampled_from([*TOKENS.split(), "\n"])


@settings(deadline=None, max_examples=300)
@given(st.lists(WORDS, max_size=25).map(" ".join) | st.text(max_size=60))
def test_model_like_garbage_is_a_value_or_refused(text: str) -> None:
    for read in READERS:
        started = time.thread_time()
        with contextlib.suppress(NotDataError):
            read(text)
        assert time.thread_time() - started < SOON_S
