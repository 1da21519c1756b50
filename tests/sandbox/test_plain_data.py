"""Values: what is plain data, that its text evaluates back to it, and that equality is by value."""

import math
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sandbox import CallStatus, Job, Sandbox
from sandbox.arithmetic import compute_value
from sandbox.equality import equal
from sandbox.values import NotDataError, TooLargeError, canonical

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**300), 10**300)
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | st.fractions()
    | st.decimals()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
    | st.builds(range, st.integers(-9, 9), st.integers(-99, 99), st.integers(1, 9))
)
KEYS = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.tuples(st.integers(), st.text())


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(KEYS, inner)
        | st.sets(KEYS)
        | st.frozensets(KEYS)
        | st.lists(inner).map(deque)
        | st.dictionaries(KEYS, inner).map(OrderedDict)
        | st.dictionaries(KEYS, inner).map(lambda d: defaultdict(list, d))
        | st.dictionaries(KEYS, st.integers()).map(Counter)
        | st.binary().map(bytearray)
    )


DATA = st.recursive(ATOMS, _containers, max_leaves=20)


@given(DATA)
@example(complex(0.0, -1.0))
def test_the_text_evaluates_back_to_the_value(value: Any) -> None:
    text = canonical(value)
    back = compute_value(text)
    assert type(back) is type(value)
    assert canonical(back) == text
    assert equal(back, value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
        lambda i: st.lists(i) | st.lists(i).map(tuple),
    )
)
def test_the_text_is_the_repr_where_that_evaluates_back(value: Any) -> None:
    assert canonical(value) == repr(value)


@given(DATA, DATA)
def test_equal_agrees_with_equality(a: Any, b: Any) -> None:
    if "nan" not in (canonical(a) + canonical(b)).lower():
        assert equal(a, b) == (a == b)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0, "-0.0"),
        (math.inf, "float('inf')"),
        (-math.inf, "float('-inf')"),
        (math.nan, "float('nan')"),
        ({3, 1, 2}, "{1, 2, 3}"),
        ({"b", "a"}, "{'a', 'b'}"),
        (set(), "set()"),
        (frozenset({1}), "frozenset({1})"),
        ((1,), "(1,)"),
        (Counter("abb"), "Counter({'b': 2, 'a': 1})"),
        (defaultdict(int, a=1), "defaultdict(int, {'a': 1})"),
        (defaultdict(lambda: 1, a=1), "defaultdict(None, {'a': 1})"),
        (deque([1], maxlen=2), "deque([1], maxlen=2)"),
        (Fraction(1, 3), "Fraction(1, 3)"),
        (Decimal("1.50"), "Decimal('1.50')"),
        (complex(math.nan, -0.0), "complex(float('nan'), -0.0)"),
        (complex(0.0, -1.0), "complex(0.0, -1.0)"),
        (complex(-1.0, -2.0), "(-1-2j)"),
        (2j, "2j"),
        ("\ud800", "'\\ud800'"),
        (datetime(2020, 1, 2), "datetime.datetime(2020, 1, 2, 0, 0)"),
    ],
)
def test_text(value: Any, text: str) -> None:
    assert canonical(value) == text


def test_shared_containers_are_written_out() -> None:
    shared = [1]
    assert canonical([shared, shared]) == "[[1], [1]]"


NOT_DATA = {
    "an object": object(),
    "a function": len,
    "a type": int,
    "a generator": (x for x in ()),
    "a view": {}.keys(),
    "an ellipsis": ...,
    "an integer without decimal text": 10**4300,
    "an instance of a subclass": type("L", (list,), {})(),
    "a time with a zone": datetime(2020, 1, 1, tzinfo=UTC),
}


@pytest.mark.parametrize("value", NOT_DATA.values(), ids=NOT_DATA)
def test_not_data(value: Any) -> None:
    with pytest.raises(NotDataError):
        canonical(value)
    with pytest.raises(NotDataError):
        canonical([value])


def test_cycles_are_not_data() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(NotDataError, match="itself"):
        canonical(cycle)


def test_sharing_cannot_blow_the_text_up() -> None:
    value: list[Any] = [1]
    for _ in range(100):
        value = [value, value]
    with pytest.raises(TooLargeError):
        canonical(value, limit=10_000)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" 1 ", 1),
        ("-1 * (10**9)", -(10**9)),
        ("[0] * 3", [0, 0, 0]),
        ("dict(a=1, b=[2])", {"a": 1, "b": [2]}),
        ("{**{'a': 1}, 'b': 2}", {"a": 1, "b": 2}),
        ("collections.deque([1], maxlen=3)", deque([1], 3)),
        ("datetime.date(2020, 1, 2)", date(2020, 1, 2)),
        ("datetime.timedelta(days=1)", timedelta(1)),
        ("datetime.time(1, 2)", time(1, 2)),
        ("math.inf", math.inf),
        ("set([1, 2])", {1, 2}),
        ("1/3", 1 / 3),
        ("'a' 'b'", "ab"),
        ("(1, 'x', None, True, b'y', 2j)", (1, "x", None, True, b"y", 2j)),
    ],
)
def test_literal(text: str, value: Any) -> None:
    assert compute_value(text) == value
    assert type(compute_value(text)) is type(value)


@pytest.mark.parametrize("program", ["def f(x): return x", "def f(x): return [x, {1: x}, (x,)]"])
@settings(deadline=None)
@given(value=DATA)
@example(value=complex(0.0, -1.0))
def test_values_pass_through_the_sandbox(sandbox: Sandbox, program: str, value: Any) -> None:
    """As an argument's text, through a call, and back."""
    imports = "from collections import *\nfrom decimal import *\nfrom fractions import *\nimport datetime\n"
    result = sandbox.run(Job(imports + program, (canonical(value),), repeats=2))
    namespace: dict[str, Any] = {}
    exec(program, namespace)
    assert result.calls[0].status is CallStatus.OK, result
    assert result.calls[0].value == canonical(namespace["f"](value))
