"""Advantages, each worked out by hand, and what they have in common."""

import itertools
import math
from collections import defaultdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from azr.config.fields import Aggregation, Estimator, Whitening
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


def test_remax_by_hand() -> None:
    rewards, greedy = [1.0, 0.0, -0.5, 1.0], [0.0, 0.0, 1.0, 1.0]
    worth = advantages(Estimator.REMAX, rewards, [SOLVE] * 4, ["a", "a", "b", "b"], baselines=greedy)
    assert worth == [1.0, 0.0, -1.5, 0.0]


def test_remax_without_greedy_answers_is_an_error() -> None:
    with pytest.raises(ValueError, match="greedy answer"):
        advantages(Estimator.REMAX, [1.0], [SOLVE], ["a"])


def test_reinforce_plus_plus_baseline_by_hand() -> None:
    # group a: 1, 0 -> 1/2, -1/2; group b: 1, 0, -1 -> 1, 0, -1; together mean 0, variance (1/4 + 1/4 + 1 + 0 + 1) / 5
    rewards, groups = [1.0, 1.0, 0.0, 0.0, -1.0], ["a", "b", "a", "b", "b"]
    expected = [value / math.sqrt(0.5) for value in (0.5, 1, -0.5, 0, -1)]
    assert advantages(Estimator.REINFORCE_PP_BASELINE, rewards, [SOLVE] * 5, groups) == pytest.approx(expected)


def test_maxrl_by_hand() -> None:
    # group a: 1, 0, 0, 0 -> mean 1/4; group b: nothing earned; group c: what is below 0 counts as 0, mean 1/2
    rewards = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 1.0, -0.5]
    groups = ["a", "a", "a", "a", "b", "b", "c", "c"]
    assert advantages(Estimator.MAXRL, rewards, [SOLVE] * 8, groups) == pytest.approx([3, -1, -1, -1, 0, 0, 1, -1])


@pytest.mark.parametrize("estimator", [Estimator.DAPO, Estimator.GSPO, Estimator.CISPO])
def test_later_group_algorithms_compare_as_grpo_does(estimator: Estimator) -> None:
    rewards, groups = [1.0, 1.0, 0.0, 0.0, -1.0], ["a", "b", "a", "b", "b"]
    expected = [1, math.sqrt(1.5), -1, 0, -math.sqrt(1.5)]
    assert advantages(estimator, rewards, [SOLVE] * 5, groups) == pytest.approx(expected)


def test_ppo_has_no_advantages_without_its_critic() -> None:
    with pytest.raises(ValueError, match="critic"):
        advantages(Estimator.PPO, [1.0], [SOLVE], ["a"])


def test_whitening_over_tokens_by_hand() -> None:
    # solve: 1 for one token, 0 for three -> mean 1/4, sum of squares 9/16 + 3/16 = 3/4, over 4 - 1: variance 1/4
    rewards, strata = [1.0, 0.75, 0.0], [SOLVE, PROPOSE, SOLVE]
    worth = advantages(Estimator.TRR_PP, rewards, strata, range(3), lengths=[1, 2, 3], whitening=Whitening.TOKENS)
    assert worth == pytest.approx([0.75 / math.sqrt(0.25 + 1e-8), 0, -0.25 / math.sqrt(0.25 + 1e-8)], rel=1e-12)


@given(st.lists(st.tuples(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), st.integers(1, 9)), min_size=2, max_size=20))
def test_whitening_over_tokens_is_torchs_over_every_token(responses: list[tuple[float, int]]) -> None:
    rewards, lengths = [r for r, _ in responses], [n for _, n in responses]
    worth = advantages(
        Estimator.REINFORCE_PP, rewards, rewards, range(len(rewards)), lengths=lengths, whitening=Whitening.TOKENS
    )
    tokens = torch.tensor(rewards, dtype=torch.float64).repeat_interleave(torch.tensor(lengths))
    expected = (tokens - tokens.mean()) / torch.sqrt(tokens.var(correction=1) + 1e-8)
    assert torch.tensor(worth, dtype=torch.float64).repeat_interleave(torch.tensor(lengths)).tolist() == pytest.approx(
        expected.tolist(), abs=1e-9
    )


def test_whitening_over_tokens_wants_lengths() -> None:
    with pytest.raises(ValueError, match="lengths"):
        advantages(Estimator.TRR_PP, [1.0], [SOLVE], ["a"], whitening=Whitening.TOKENS)


# ReMax and PPO compare with something that is not in the batch.
COMPARING = [name for name in Estimator if name not in (Estimator.REMAX, Estimator.PPO)]


@pytest.mark.parametrize("estimator", COMPARING)
def test_equal_rewards_teach_nothing(estimator: Estimator) -> None:
    # 0.1 three times does not sum to 0.3 exactly: without care the deviation is not 0
    assert advantages(estimator, [0.1] * 3, [SOLVE] * 3, ["a"] * 3) == [0.0] * 3


@pytest.mark.parametrize("estimator", COMPARING)
def test_no_rollouts_no_advantages(estimator: Estimator) -> None:
    assert advantages(estimator, [], [], []) == []


def test_a_missing_group_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 rewards, 2 strata and 1 groups"):
        advantages(Estimator.GRPO, [1, 0], [SOLVE, SOLVE], ["a"])


REWARDS = st.sampled_from([-1.0, -0.5, 0.0, 0.125, 0.5, 0.875, 1.0])


@given(st.lists(st.tuples(REWARDS, st.integers(0, 3), st.integers(0, 5)), max_size=40), st.sampled_from(COMPARING))
def test_advantages_are_centred_where_their_estimator_compares(
    rollouts: list[tuple[float, int, int]], estimator: Estimator
) -> None:
    rewards, strata, groups = ([r[i] for r in rollouts] for i in range(3))
    result = advantages(estimator, rewards, strata, groups)
    whole = [0] * len(rewards)
    keys = {Estimator.TRR_PP: strata, Estimator.REINFORCE_PP: whole}.get(estimator, groups)
    by_key: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for key, reward, advantage in zip(keys, rewards, result, strict=True):
        by_key[key].append((reward, advantage))
    for pairs in by_key.values():
        assert sum(a for _, a in pairs) == pytest.approx(0, abs=1e-9)
        ranked = [a for _, a in sorted(pairs)]
        assert all(left <= right + 1e-12 for left, right in itertools.pairwise(ranked))


def test_token_weights_by_hand() -> None:
    lengths = [1, 3, 4]
    assert token_weights(Aggregation.TOKEN_MEAN, lengths, 100) == pytest.approx([1 / 8] * 3)
    assert token_weights(Aggregation.SEQ_MEAN_TOKEN_MEAN, lengths, 100) == pytest.approx([1 / 3, 1 / 9, 1 / 12])
    assert token_weights(Aggregation.SEQ_MEAN_TOKEN_SUM_NORM, lengths, 100) == pytest.approx([1 / 300] * 3)
    assert token_weights(Aggregation.SEQ_MEAN_TOKEN_SUM, lengths, 100) == pytest.approx([1 / 3] * 3)
