"""Rewards become advantages, one a response or, where a penalty or a critic asks for it, one a token."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import accumulate

from azr.config.fields import Estimator, LearnerConfig, Whitening
from azr.learner.advantage import Outcomes, whitened
from azr.learner.algorithms import ALGORITHMS
from azr.learner.critic import Values, generalised_advantages
from azr.learner.formula import estimators, learning_rates
from azr.learner.sample import Outcome, Sample, TokenCredit
from tasks.triplet import Role

Penalties = Sequence[tuple[float, ...]]


def advantages(
    estimator: Estimator,
    rewards: Sequence[float],
    strata: Sequence[Hashable],
    groups: Sequence[Hashable],
    lengths: Sequence[int] | None = None,
    baselines: Sequence[float] | None = None,
    whitening: Whitening = Whitening.RESPONSES,
) -> list[float]:
    """One advantage a rollout, in the order of `rewards`.

    `strata[i]` is the (role, task type) of rollout i and `groups[i]` its prompt; an estimator reads one of them or
    neither. `lengths` are needed to whiten over tokens, `baselines` (rewards of greedy answers) by remax. Raises
    ValueError where the columns differ in length or a needed one is missing, and for ppo, whose advantages only
    `Learner.credit` can make.
    """
    return ALGORITHMS[estimator].advantage(Outcomes(rewards, strata, groups, lengths, baselines, whitening))


def credited(
    samples: Sequence[Sample], outcomes: Sequence[Outcome], config: LearnerConfig, penalties: Penalties | None = None
) -> list[Sample]:
    """The samples with their advantages, and with the estimator, loss weight and learning rate of their role.

    Each estimator sees the outcomes of the roles that have it. `penalties` are what each response token costs: they
    are taken off the response's reward as a whole, but for algorithms that whiten over tokens, where a token pays for
    itself and what comes after it: REINFORCE++ (Hu 2025, arXiv 2501.03262) with γ = 1.
    """
    result = by_role(samples, outcomes, config)
    names = [sample.estimator or config.estimator for sample in result]
    for name in dict.fromkeys(names):
        own = [index for index, other in enumerate(names) if other is name]
        by_token = penalties is not None and ALGORITHMS[name].whitens and config.whitening is Whitening.TOKENS
        split = _token_by_token if by_token else _as_a_whole
        returns = [split(outcomes[i].reward, penalties[i] if penalties else ()) for i in own]
        worth = _compared(name, [samples[i] for i in own], [outcomes[i] for i in own], returns, config.whitening)
        for index, values in zip(own, worth, strict=True):
            if by_token:
                result[index] = replace(result[index], credit=TokenCredit(tuple(values)))
            else:
                result[index] = replace(result[index], advantage=values[0])
    return result


def credited_by_values(
    samples: Sequence[Sample],
    outcomes: Sequence[Outcome],
    config: LearnerConfig,
    values: Sequence[Values],
    penalties: Penalties | None = None,
) -> list[Sample]:
    """The samples with PPO's advantages: GAE of the critic's values, whitened over all tokens of the batch.

    The outcome is earned at a response's last token, penalties where they fall. What the critic is to learn (`returns`)
    is taken before whitening, as verl and TRL do.
    """
    result = by_role(samples, outcomes, config)
    gains = []
    for index, (outcome, own) in enumerate(zip(outcomes, values, strict=True)):
        rewards = [-cost for cost in penalties[index]] if penalties else [0.0] * len(own)
        rewards[-1] += outcome.reward
        gains.append(generalised_advantages(rewards, own, config.critic.gamma, config.critic.gae_lambda))
    tokens = [gain for own in gains for gain in own]
    whitening = iter(whitened(tokens, [1] * len(tokens)))
    return [
        replace(
            sample,
            credit=TokenCredit(
                tuple(next(whitening) for _ in gain),
                tuple(g + v for g, v in zip(gain, own, strict=True)),
                own,
            ),
        )
        for sample, gain, own in zip(result, gains, values, strict=True)
    ]


def by_role(samples: Sequence[Sample], outcomes: Sequence[Outcome], config: LearnerConfig) -> list[Sample]:
    """The samples with the estimator, loss weight and learning rate that the config has for their role."""
    chosen = estimators(config)
    weights = {role: getattr(config, role.value).loss_weight for role in Role}
    own = {role: None if rate == config.learning_rate else rate for role, rate in learning_rates(config).items()}
    return [
        replace(sample, estimator=chosen[role], weight=weights[role], learning_rate=own[role]) if role else sample
        for sample, role in zip(samples, (outcome.role for outcome in outcomes), strict=True)
    ]


def _compared(
    name: Estimator,
    samples: Sequence[Sample],
    outcomes: Sequence[Outcome],
    returns: Sequence[list[float]],
    whitening: Whitening,
) -> list[list[float]]:
    """The advantages of each sample's returns, of which it has one, or one a token."""
    rows = [
        (sample, outcome, len(own), value)
        for sample, outcome, own in zip(samples, outcomes, returns, strict=True)
        for value in own
    ]
    baselines = [outcome.baseline for _, outcome, _, _ in rows]
    values = iter(
        advantages(
            name,
            [value for *_, value in rows],
            [outcome.stratum for _, outcome, _, _ in rows],
            [outcome.group for _, outcome, _, _ in rows],
            [len(sample.response_ids) // parts for sample, _, parts, _ in rows],
            None if None in baselines else [baseline for baseline in baselines if baseline is not None],
            whitening,
        )
    )
    return [[next(values) for _ in own] for own in returns]


def _as_a_whole(reward: float, penalties: Sequence[float]) -> list[float]:
    return [reward - math.fsum(penalties)]


def _token_by_token(reward: float, penalties: Sequence[float]) -> list[float]:
    """What is still to come at each token: the reward at the end, less the penalties from there on."""
    costs = list(accumulate(reversed(penalties)))
    return [reward - cost for cost in reversed(costs)]
