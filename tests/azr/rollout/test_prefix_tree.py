"""The prefix tree puts every prompt back together and shares what is worth sharing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azr.rollout.prefix_tree import MIN_SHARED_TOKENS, build_prefix_tree

# Few distinct tokens and a common head now and then, so that prompts share beginnings, nest and repeat.
prompts = st.lists(
    st.builds(
        lambda head, tail: (7,) * head + tuple(tail),
        st.integers(0, 2 * MIN_SHARED_TOKENS),
        st.lists(st.integers(0, 1), min_size=1, max_size=40),
    ),
    min_size=1,
    max_size=12,
)


@given(prompts)
def test_every_prompt_is_its_segments_in_order(prompts: list[tuple[int, ...]]) -> None:
    for prompt, leaf in zip(prompts, build_prefix_tree(prompts), strict=True):
        chain = leaf.chain()
        assert tuple(token for segment in chain for token in segment.tokens) == prompt
        assert [segment.start for segment in chain] == [0, *(segment.end for segment in chain[:-1])]
        assert all(segment.tokens for segment in chain)


@given(prompts)
def test_long_common_beginnings_are_shared(prompts: list[tuple[int, ...]]) -> None:
    leaves = build_prefix_tree(prompts)
    for a, leaf_a in zip(prompts, leaves, strict=True):
        for b, leaf_b in zip(prompts, leaves, strict=True):
            common = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            shared = sum(len(s.tokens) for s in set(leaf_a.chain()) & set(leaf_b.chain()))
            assert common - MIN_SHARED_TOKENS < shared <= common


def test_equal_prompts_end_with_the_same_segment() -> None:
    first, second = build_prefix_tree([(1, 2, 3), (1, 2, 3)])
    assert first is second


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="no tokens"):
        build_prefix_tree([(1,), ()])
