import itertools
import math
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azr.config import Estimator
from azr.learner import advantages
from azr.learner.aggregation import token_weights

SOLVE, PROPOSE = ("solve", "deduction"), ("propose", "deduction")


def test_trr_plus_plus_by_hand() -> None:
    # solve: 1, 0, 0, 1 has mean 1/2 and deviation 1/2; propose: 0.75, -0.5, -1 has mean -1/4 and variance 0.541666...
    rewards = [1.0, 0.75, 0.0, -0.5, 0.0, -1.0, 1.0]
    strata = [SOLVE, PROPOSE, SOLVE, PROPOSE, SOLVE, PROPOSE, SOLVE]
    deviation = math.sqrt((1.0**2 + 0.25**2 + 0.75**2) / 3)
    assert advantages(Estimator.TRR_PP, rewards, strata, range(7)) == pytest.approx(
        [1, 1 / deviation, -1, -0.25 / deviation, -1, -0.75 / deviation, 1]
    )


def test_reinforce_plus_plus_by_hand() -> None:
    # mean 1/4, variance (9/16 + 1/16 * 3) / 4 = 3/16, over the whole batch whatever the roles
    deviation = math.sqrt(3) / 4
    assert advantages(Estimator.REINFORCE_PP, [1, 0, 0, 0], [SOLVE, SOLVE, PROPOSE, PROPOSE], [1, 2, 3, 4]) == (
        pytest.approx([0.75 / deviation, -0.25 / deviation, -0.25 / deviation, -0.25 / deviation])
    )


def test_grpo_by_hand() -> None:
    # group a: 1, 0 -> mean 1/2, deviation 1/2; group b: 1, 0, -1 -> mean 0, variance 2/3
    rewards = [1.0, 1.0, 0.0, 0.0, -1.0]
    groups = ["a", "b", "a", "b", "b"]
    expected = [1, math.sqrt(1.5), -1, 0, -math.sqrt(1.5)]
    assert advantages(Estimator.GRPO, rewards, [SOLVE] * 5, groups) == pytest.approx(expected)


def test_dr_grpo_by_hand() -> None:
    rewards = [1.0, 1.0, 0.0, 0.5, -1.5]
    groups = ["a", "b", "a", "b", "b"]
    assert advantages(Estimator.DR_GRPO, rewards, [SOLVE] * 5, groups) == pytest.approx([0.5, 1, -0.5, 0.5, -1.5])


def test_rloo_by_hand() -> None:
    # 1 - mean(0, 0), 0 - mean(1, 0), 0 - mean(1, 0); the loner has nothing to compare with
    rewards = [1.0, 0.0, 0.0, 1.0]
    assert advantages(Estimator.RLOO, rewards, [SOLVE] * 4, ["a", "a", "a", "b"]) == pytest.approx([1, -0.5, -0.5, 0])


@pytest.mark.parametrize("estimator", Estimator)
def test_equal_rewards_teach_nothing(estimator: Estimator) -> None:
    # 0.1 three times does not sum to 0.3 exactly: without care the deviation is not 0
    assert advantages(estimator, [0.1] * 3, [SOLVE] * 3, ["a"] * 3) == [0.0] * 3


@pytest.mark.parametrize("estimator", Estimator)
def test_no_rollouts_no_advantages(estimator: Estimator) -> None:
    assert advantages(estimator, [], [], []) == []


def test_a_missing_group_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 rewards, 2 strata and 1 groups"):
        advantages(Estimator.GRPO, [1, 0], [SOLVE, SOLVE], ["a"])


REWARDS = st.sampled_from([-1.0, -0.5, 0.0, 0.125, 0.5, 0.875, 1.0])


@given(st.lists(st.tuples(REWARDS, st.integers(0, 3), st.integers(0, 5)), max_size=40), st.sampled_from(Estimator))
def test_advantages_are_centred_where_their_estimator_compares(
    rollouts: list[tuple[float, int, int]], estimator: Estimator
) -> None:
    rewards, strata, groups = ([r[i] for r in rollouts] for i in range(3))
    result = advantages(estimator, rewards, strata, groups)
    keys = {Estimator.TRR_PP: strata, Estimator.REINFORCE_PP: [0] * len(rewards)}.get(estimator, groups)
    by_key: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for key, reward, advantage in zip(keys, rewards, result, strict=True):
        by_key[key].append((reward, advantage))
    for pairs in by_key.values():
        assert sum(a for _, a in pairs) == pytest.approx(0, abs=1e-9)
        ranked = [a for _, a in sorted(pairs)]
        assert all(left <= right + 1e-12 for left, right in itertools.pairwise(ranked))


def test_token_weights_by_hand() -> None:
    lengths = [1, 3, 4]
    assert token_weights(Estimator.TRR_PP, lengths, 100) == pytest.approx([1 / 8] * 3)
    assert token_weights(Estimator.REINFORCE_PP, lengths, 100) == pytest.approx([1 / 8] * 3)
    assert token_weights(Estimator.GRPO, lengths, 100) == pytest.approx([1 / 3, 1 / 9, 1 / 12])
    assert token_weights(Estimator.DR_GRPO, lengths, 100) == pytest.approx([1 / 300] * 3)
    assert token_weights(Estimator.RLOO, lengths, 100) == pytest.approx([1 / 3] * 3)
