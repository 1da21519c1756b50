"""What three algorithms want of the loop: penalties for length, refilled groups, greedy baselines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azr.config.fields import Estimator
from azr.learner import Outcome, advantages
from azr.learner.sampling import overlong_penalty, with_baselines, without_spread


def test_groups_whose_answers_all_earned_the_same_by_hand() -> None:
    rewards = [1.0, 1.0, 0.0, -0.5, 0.0, 1.0]
    assert without_spread(rewards, ["a", "a", "b", "c", "b", "c"]) == ["a", "b"]


@given(st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 1.0]), st.integers(0, 4)), max_size=30))
def test_what_is_refilled_is_what_grpo_learns_nothing_from(rollouts: list[tuple[float, int]]) -> None:
    rewards, groups = [r for r, _ in rollouts], [g for _, g in rollouts]
    worth = advantages(Estimator.DAPO, rewards, groups, groups)
    taught = {group for group, value in zip(groups, worth, strict=True) if value}
    assert set(without_spread(rewards, groups)) == set(groups) - taught


def test_each_response_gets_its_prompts_greedy_reward() -> None:
    outcomes = [Outcome(1.0, "s", "a"), Outcome(0.0, "s", "b"), Outcome(0.0, "s", "a")]
    assert [o.baseline for o in with_baselines(outcomes, {"a": 0.5, "b": -1.0})] == [0.5, -1.0, 0.5]
    with pytest.raises(KeyError):
        with_baselines(outcomes, {"a": 0.5})


@pytest.mark.parametrize(
    ("length", "penalty"), [(1, 0.0), (80, 0.0), (85, -0.25), (90, -0.5), (100, -1.0), (120, -1.0)]
)
def test_the_soft_overlong_penalty_by_hand(length: int, penalty: float) -> None:
    assert overlong_penalty(length, limit=100, buffer=20) == pytest.approx(penalty)


@pytest.mark.parametrize("buffer", [0, 101])
def test_a_buffer_that_makes_no_sense_is_refused(buffer: int) -> None:
    with pytest.raises(ValueError, match="buffer"):
        overlong_penalty(10, limit=100, buffer=buffer)
