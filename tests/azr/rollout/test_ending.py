"""Where a sample ends, and its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azr.rollout.ending import finish, hits_stop
from tests.azr.rollout.tiny import byte_tokenizer

TOKENIZER = byte_tokenizer()


def first_hit(text: str, stop: tuple[str, ...]) -> int | None:
    """How many tokens there are when a stop string is seen for the first time."""
    ids = TOKENIZER(text)["input_ids"]
    return next((n for n in range(1, len(ids) + 1) if hits_stop(TOKENIZER, ids[:n], stop)), None)


@given(
    st.text(alphabet="ab\né✓", max_size=60), st.lists(st.text(alphabet="ab\né✓", min_size=1, max_size=5), max_size=3)
)
def test_the_hit_is_where_the_text_first_holds_a_stop_string(text: str, stops: list[str]) -> None:
    ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
    expected = len(text[: min(ends)].encode()) if ends else None
    assert first_hit(text, tuple(stops)) == expected


def test_a_far_stop_string_is_found() -> None:
    assert first_hit("x" * 300 + "STOP!", ("STOP",)) == 304


@pytest.mark.parametrize(("stop", "text"), [(("\n\n",), "a = 1"), (("z",), "a = 1\n\nb"), ((), "a = 1\n\nb")])
def test_text_ends_before_the_stop_string_and_tokens_after_it(stop: tuple[str, ...], text: str) -> None:
    ids = [*TOKENIZER("a = 1\n\nb")["input_ids"], TOKENIZER.eos_token_id]
    completion = finish(TOKENIZER, ids, [0.0] * len(ids), stop, truncated=False)
    assert completion.text == text
    assert completion.token_ids == tuple(ids)
