"""Equality is Python's `==`, and nan equals nan."""

from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given

from sandbox import equal
from sandbox.encoding import decode, encode
from tests.sandbox.test_plain_data import DATA

NAN = float("nan")

EQUAL: list[tuple[Any, Any]] = [
    (1, 1.0),
    (True, 1),
    (-0.0, 0.0),
    (NAN, float("nan")),
    ([NAN, 1], [float("nan"), 1.0]),
    ([NAN, -0.0], [float("nan"), 0.0]),
    ([1.0, [NAN]], [1, [float("nan")]]),
    ({"a": NAN, "b": 1}, {"b": 1.0, "a": float("nan")}),
    ({NAN: 1, 2: 3}, {2.0: 3, float("nan"): 1}),
    ({(NAN, 1): 2}, {(float("nan"), 1.0): 2}),
    ({NAN, 1}, {1.0, float("nan")}),
    (frozenset({NAN}), {float("nan")}),
    ({NAN: 1, float("nan"): 2}, {float("nan"): 2, NAN: 1}),
    (Counter({"x": NAN}), {"x": float("nan")}),
    (Counter(a=0, b=1), Counter(b=1)),
    (Counter(a=0, b=NAN), Counter(b=float("nan"))),
    (OrderedDict(a=NAN), {"a": float("nan")}),
    (OrderedDict([("a", NAN), ("b", 1)]), {"b": 1, "a": NAN}),
    (defaultdict(int, a=NAN), defaultdict(list, a=float("nan"))),
    (deque([NAN, 1]), deque([float("nan"), True], maxlen=9)),
    (complex(NAN, 1), complex(float("nan"), 1)),
    (Decimal("NaN"), Decimal("NaN")),
    (Decimal("sNaN"), Decimal("sNaN")),
    ([Decimal("1.50"), NAN], [Decimal("1.5"), NAN]),
    ((NAN, Fraction(1, 2)), (float("nan"), 0.5)),
    (b"a", bytearray(b"a")),
]
DIFFERENT: list[tuple[Any, Any]] = [
    (1, "1"),
    ([1], (1,)),
    (NAN, None),
    (NAN, 0.0),
    ([NAN], [0.0]),
    ([NAN, 1], [NAN, 2]),
    ([NAN], [NAN, NAN]),
    ([NAN, 1], (NAN, 1)),
    ({NAN: 1}, {NAN: 2}),
    ({NAN: 1, float("nan"): 2}, {NAN: 1, float("nan"): 3}),
    ({NAN, float("nan")}, {NAN}),
    ({"a": NAN}, {"b": NAN}),
    (OrderedDict([("a", NAN), ("b", 1)]), OrderedDict([("b", 1), ("a", NAN)])),
    (Counter(a=0, b=NAN), {"b": NAN}),
    (deque([NAN]), [NAN]),
    (complex(NAN, 1), complex(NAN, 2)),
    (Decimal("sNaN"), Decimal(1)),
    ("nan", NAN),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal(one: Any, other: Any) -> None:
    assert equal(one, other)
    assert equal(other, one)
    assert equal([one], [other])
    assert equal({"key": (one,)}, {"key": (other,)})


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different(one: Any, other: Any) -> None:
    assert not equal(one, other)
    assert not equal(other, one)
    assert not equal([one], [other])
    assert not equal({"key": (one,)}, {"key": (other,)})


@given(DATA)
def test_every_value_equals_its_copy(value: Any) -> None:
    assert equal(value, decode(encode(value)))


@given(DATA, DATA)
def test_it_is_symmetric_and_no_narrower_than_python_s(one: Any, other: Any) -> None:
    assert equal(one, other) == equal(other, one)
    try:
        if one == other:
            assert equal(one, other)
    except ArithmeticError:  # signalling nans
        pass
