"""The first five estimators, against what they were before estimators had parts: equal to the bit."""

import math
import random
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from azr.config.fields import Estimator, LearnerConfig
from azr.learner import advantages
from azr.learner.aggregation import token_weights
from azr.learner.formula import Formula, aggregation_of, formula_of
from azr.learner.loss import Objective, policy_loss
from azr.learner.packing import pack
from tests.azr.learner.models import rollouts

FIVE = [Estimator.TRR_PP, Estimator.GRPO, Estimator.DR_GRPO, Estimator.RLOO, Estimator.REINFORCE_PP]


def former_advantages(estimator: Estimator, rewards: list[float], strata: list[int], groups: list[int]) -> list[float]:
    keys: Sequence[Hashable] = {
        Estimator.TRR_PP: strata,
        Estimator.REINFORCE_PP: [0] * len(rewards),
    }.get(estimator, groups)
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        members[key].append(index)
    result = [0.0] * len(rewards)
    for own in members.values():
        values = [rewards[i] for i in own]
        mean = math.fsum(values) / len(values)
        centred = [0.0] * len(own) if min(values) == max(values) else [value - mean for value in values]
        if estimator is Estimator.RLOO:
            centred = [value * (len(own) / max(len(own) - 1, 1)) for value in centred]
        std = math.sqrt(math.fsum(value * value for value in centred) / len(centred))
        if std and estimator not in (Estimator.RLOO, Estimator.DR_GRPO):
            centred = [value / std for value in centred]
        for index, value in zip(own, centred, strict=True):
            result[index] = value
    return result


def former_weights(estimator: Estimator, lengths: list[int], budget: int) -> list[float]:
    match estimator:
        case Estimator.TRR_PP | Estimator.REINFORCE_PP:
            return [1 / sum(lengths) for _ in lengths]
        case Estimator.GRPO:
            return [1 / (len(lengths) * length) for length in lengths]
        case Estimator.DR_GRPO:
            return [1 / (len(lengths) * budget) for _ in lengths]
        case _:
            return [1 / len(lengths) for _ in lengths]


@dataclass(frozen=True)
class FormerObjective:
    """The clipped objective as it was."""

    formula: Formula  # read by `policy_loss` for its entropy bonus alone
    advantages: Tensor
    weights: Tensor
    engine_logprobs: Tensor
    old_logprobs: Tensor | None
    by_sequence = False

    def loss(self, logprobs: Tensor, tokens: slice) -> Tensor:
        old = logprobs.detach() if self.old_logprobs is None else self.old_logprobs[tokens]
        ratio = torch.exp(logprobs - old)
        clipped = ratio.clamp(1 - 0.2, 1 + 0.2)
        gain = torch.minimum(ratio * self.advantages[tokens], clipped * self.advantages[tokens])
        gain = gain * torch.exp(old - self.engine_logprobs[tokens]).clamp(max=2.0)
        return -(gain * self.weights[tokens]).sum()


@pytest.mark.parametrize("estimator", FIVE)
def test_advantages_and_weights_are_what_they_were(estimator: Estimator) -> None:
    draw = random.Random(1)
    rewards = [draw.choice([-1, -0.5, 0, 0.125, 0.7, 1]) for _ in range(60)]
    strata, groups = [i % 6 for i in range(60)], [i // 5 for i in range(60)]
    assert advantages(estimator, rewards, strata, groups) == former_advantages(estimator, rewards, strata, groups)
    lengths = [draw.randint(1, 90) for _ in range(60)]
    aggregation = aggregation_of(LearnerConfig(), estimator)
    assert token_weights(aggregation, lengths, 1024) == former_weights(estimator, lengths, 1024)


@pytest.mark.parametrize("on_policy", [True, False])
@pytest.mark.parametrize("estimator", FIVE)
def test_loss_and_gradients_are_what_they_were(estimator: Estimator, on_policy: bool) -> None:
    samples = rollouts()
    (batch,) = pack(samples, 1000)
    torch.manual_seed(0)
    hidden = torch.randn(len(batch.predictors), 16, requires_grad=True)
    head = torch.randn(61, 16, requires_grad=True)
    count = len(batch.targets)
    lengths = [len(sample.response_ids) for sample in samples]
    weights = torch.tensor(former_weights(estimator, lengths, 1024))[batch.samples]
    engine, worth = torch.randn(count) - 4, torch.randn(count)
    old = None if on_policy else torch.randn(count) - 4
    formula = formula_of(LearnerConfig(estimator=estimator))
    results = []
    for objective in (
        FormerObjective(formula, worth, weights, engine, old),
        Objective(formula, worth, weights, engine, batch.samples, old),
    ):
        loss, logprobs, _ = policy_loss(hidden, head, batch, objective, 7)  # type: ignore[arg-type]
        results.append([loss, logprobs, *torch.autograd.grad(loss, (hidden, head))])
    assert all(torch.equal(before, now) for before, now in zip(*results, strict=True))
