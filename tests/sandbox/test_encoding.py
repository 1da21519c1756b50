"""Values as data: what is written is read again exactly, and what is forged is a value or EncodingError, soon."""

import contextlib
import json
import math
import time
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.encoding import EncodingError, decode, encode
from sandbox.values import NotDataError, TooLargeError, canonical
from tests.sandbox.test_plain_data import DATA, NOT_DATA

SOON_S = 3.0  # of processor time, which the load of the machine leaves alone


@given(DATA)
def test_what_is_written_is_read_again(value: Any) -> None:
    text = encode(value)
    back = decode(text)
    assert type(back) is type(value)
    assert canonical(back) == canonical(value)
    assert encode(back) == text


@given(DATA)
def test_a_value_s_encoding_is_at_most_four_times_as_long_as_its_text(value: Any) -> None:
    assert len(encode(value).encode("utf-8", "surrogatepass")) <= 4 * len(canonical(value)) + 64


def test_a_set_is_written_in_one_order() -> None:
    assert encode({1, 9, 17}) == encode({17, 9, 1})
    assert encode({"b", "a"}) == encode({"a", "b"})


def test_each_nan_is_another() -> None:
    assert len(decode(encode({float("nan"), float("nan")}))) == 2


@pytest.mark.parametrize("text", ["\ud800", "\ud83d\ude00", "\x00\x1f\x7f\x85\u2028", '"\\', "é😀"])
def test_any_string_passes(text: str) -> None:
    line = encode(text).encode("utf-8", "surrogatepass")
    assert decode(line.decode("utf-8", "surrogatepass")) == text
    assert b"\n" not in line


@pytest.mark.parametrize("value", NOT_DATA.values(), ids=NOT_DATA)
def test_not_data_is_not_written(value: Any) -> None:
    with pytest.raises(NotDataError):
        encode([value])


def test_sharing_cannot_blow_the_encoding_up() -> None:
    value: list[Any] = [1]
    for _ in range(100):
        value = [value, value]
    with pytest.raises(TooLargeError):
        encode(value, limit=10_000)
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(NotDataError, match="itself"):
        encode(cycle)


# -- forged texts -----------------------------------------------------------------------------------------------------

TAGS = st.sampled_from([*"tdszbBcrCODqFmypwh", "x", "", "tt"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(TAGS, inner, min_size=1, max_size=2)
        | st.builds(lambda tag, body: {tag: body}, TAGS, st.lists(inner, max_size=8))
    ),
    max_leaves=30,
)


def _decoded(text: str) -> Any:
    started = time.thread_time()
    try:
        return decode(text)
    except EncodingError:
        return None
    finally:
        assert time.thread_time() - started < SOON_S


@settings(deadline=None)
@given(JSON)
def test_forged_json_is_a_plain_value_or_refused(forged: Any) -> None:
    value = _decoded(json.dumps(forged))
    with contextlib.suppress(NotDataError, TooLargeError):
        canonical(value)


@given(st.text(max_size=200))
def test_garbage_is_refused_or_a_plain_value(text: str) -> None:
    canonical(_decoded(text))


PRIME = 2**61 - 1  # the modulus of CPython's hash of integers
FORGED = {
    "brackets": "[" * 1_000_000,
    "tagged brackets": '{"t":[' * 1_000_000,
    "a huge number": "9" * 1_000_000,
    "a huge float": "1" * 1_000_000 + ".5",
    "a huge exponent": "1e" + "9" * 100_000,
    "a huge Decimal": '{"m":"1e' + "9" * 100_000 + '"}',
    "keys of one hash": json.dumps({"s": [i * PRIME for i in range(150_000)]}),
    "dict keys of one hash": json.dumps({"d": [x for i in range(100_000) for x in (i * PRIME, 0)]}),
    "long keys of one hash": json.dumps({"s": [{"t": [0] * 300 + [i * PRIME]} for i in range(5_000)]}),
    "many tables of one hash": json.dumps([{"s": [i * PRIME for i in range(3_000)]}] * 60),
    "keys on one another's path": json.dumps({"s": [i << 20 for i in range(200_000)]}),
    "a Fraction over zero": '{"F":[1,0]}',
    "a range without a step": '{"r":[1,2,0]}',
    "a month too many": '{"y":[2020,13,1]}',
    "an unhashable key": '{"d":[[],1]}',
    "a signalling nan as key": '{"s":[{"m":"sNaN"}]}',
    "half a pair": '{"d":[1]}',
    "a negative length": '{"q":[-1,[]]}',
    "bytes beyond": '{"b":"\\u0100"}',
    "two tags": '{"t":[],"s":[]}',
    "no tag": "{}",
    "a truth for a number": '{"y":[true,1,1]}',
    "an unknown factory": '{"D":["eval",[]]}',
}
MAY_BE_READ = {"a huge float", "a huge exponent", "keys on one another's path"}


@pytest.mark.parametrize("name", FORGED)
def test_what_was_made_to_hurt_is_refused_soon(name: str) -> None:
    value = _decoded(FORGED[name])
    assert value is None or name in MAY_BE_READ


def test_large_honest_tables_are_read() -> None:
    value = [set(range(200_000)), {str(i): i / 7 for i in range(100_000)}, {(i, str(i)) for i in range(50_000)}]
    assert decode(encode(value, limit=1 << 26)) == value


def test_types_are_exact() -> None:
    values = [Counter(a=1), OrderedDict(a=1), defaultdict(int, a=1), deque([1], 2), Fraction(1, 2), Decimal("1.50"), 1j]
    assert list(map(type, decode(encode(values)))) == list(map(type, values))
    assert math.copysign(1, decode(encode(-0.0))) == -1
    assert decode(encode(defaultdict(list))).default_factory is list
