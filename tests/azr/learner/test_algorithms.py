"""Every estimator's gradients against the written-out objective: packed, with checkpointing, full and LoRA."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from azr.config.fields import Clipping, Estimator, KlConfig, KlEstimator, LearnerConfig, ModelConfig, Ratio
from azr.learner import Learner, Sample
from azr.learner.sample import TokenCredit
from tests.azr.learner import written_out
from tests.azr.learner.models import policy_of, rollouts, tiny_model, with_engine_logprobs
from tests.azr.learner.written_out import Row

Objective = Callable[[Sequence[Row]], Tensor]

BY_ESTIMATOR: dict[Estimator, Objective] = {
    Estimator.TRR_PP: written_out.clipped_token_mean,
    Estimator.REINFORCE_PP: written_out.clipped_token_mean,
    Estimator.REINFORCE_PP_BASELINE: written_out.clipped_token_mean,
    Estimator.PPO: written_out.clipped_token_mean,
    Estimator.GRPO: written_out.grpo,
    Estimator.DR_GRPO: written_out.dr_grpo,
    Estimator.RLOO: written_out.whole_response,
    Estimator.REMAX: written_out.whole_response,
    Estimator.MAXRL: written_out.whole_response,
    Estimator.DAPO: written_out.dapo,
    Estimator.GSPO: written_out.gspo,
    Estimator.CISPO: written_out.cispo,
}


def _grpo_with_kl(estimator: KlEstimator) -> LearnerConfig:
    return LearnerConfig(estimator=Estimator.GRPO, kl=KlConfig(0.3, estimator))


CASES: dict[str, tuple[LearnerConfig, Objective]] = {
    **{name.value: (LearnerConfig(estimator=name), objective) for name, objective in BY_ESTIMATOR.items()},
    # As in the paper; with importance weights, which differ from token to token, it is the paper's GSPO-token.
    "gspo": (LearnerConfig(estimator=Estimator.GSPO, truncated_importance=0.0), written_out.gspo),
    "kl k1": (_grpo_with_kl(KlEstimator.K1), written_out.with_kl(lambda d: d, 0.3)),
    "kl k2": (_grpo_with_kl(KlEstimator.K2), written_out.with_kl(lambda d: d**2 / 2, 0.3)),
    "kl k3": (_grpo_with_kl(KlEstimator.K3), written_out.with_kl(lambda d: torch.exp(-d) - 1 + d, 0.3)),
    "entropy": (LearnerConfig(entropy_bonus=0.2), written_out.with_entropy(0.2)),
    "dual clip": (LearnerConfig(estimator=Estimator.GRPO, dual_clip=1.3), written_out.dual_clip),
    "sequence mask": (
        LearnerConfig(estimator=Estimator.GRPO, sequence_mask=1.1),
        written_out.masked_sequences(1.1),
    ),
    "a ratio of its own": (
        LearnerConfig(estimator=Estimator.GRPO, ratio=Ratio.SEQUENCE, clip=0.05),
        written_out.gspo_token,
    ),
    "a clipping of its own": (
        LearnerConfig(clipping=Clipping.CISPO, clip=0.9, clip_high=0.5),
        lambda rows: written_out.cispo(rows, 1.5),
    ),
}


def adapted(model: torch.nn.Module, seed: int = 3) -> torch.nn.Module:
    """The model under a LoRA adapter whose both halves are random, so that every part of it has a gradient."""
    torch.manual_seed(seed)
    result = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))
    for name, weight in result.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return result.eval()


def whole(model: torch.nn.Module) -> torch.nn.Module:
    return model


def trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [weight for weight in model.parameters() if weight.requires_grad]


def given_rollouts(model: torch.nn.Module, by_token: bool) -> list[Sample]:
    """Rollouts of three prompts, some without an advantage, or with one a token."""
    samples = with_engine_logprobs(model, [s for i, s in enumerate(rollouts()[:18]) if i % 6 < 4])
    if not by_token:
        return [replace(s, advantage=0.0) if i % 5 == 0 else s for i, s in enumerate(samples)]
    generator = torch.Generator().manual_seed(5)
    worth = [torch.randn(len(s.response_ids), generator=generator).tolist() for s in samples]
    return [
        replace(s, credit=TokenCredit(tuple(own), tuple(own), tuple(own)))
        for s, own in zip(samples, worth, strict=True)
    ]


@pytest.mark.parametrize("adapt", [whole, adapted], ids=["full", "lora"])
@pytest.mark.parametrize("case", CASES)
def test_gradients_on_and_off_policy_are_those_of_the_written_out_objective(
    case: str, adapt: Callable[[torch.nn.Module], torch.nn.Module]
) -> None:
    config, objective = CASES[case]
    model, start = adapt(tiny_model("llama")), tiny_model("llama", seed=0 if adapt is adapted else 4)
    samples = given_rollouts(model, by_token=config.estimator is Estimator.PPO)
    old = copy.deepcopy(model)
    config = replace(config, learning_rate=0.01, minibatches=2, max_batch_tokens=25, gradient_norm=1e9, logit_chunk=7)
    critic = policy_of(tiny_model("llama", seed=5)) if config.estimator is Estimator.PPO else None
    checkpointed = ModelConfig(gradient_checkpointing=True)
    learner = Learner(policy_of(model), config, checkpointed, written_out.BUDGET, start=start, critic=critic)
    seen: list[tuple[dict[str, Tensor], list[Tensor]]] = []
    learner._optimizer.adamw.register_step_pre_hook(
        lambda *_: seen.append((copy.deepcopy(model.state_dict()), [w.grad.clone() for w in trainable(model)]))
    )
    metrics = learner.step(samples)
    assert metrics["micro_batches"] > 2
    prompts = list(dict.fromkeys(s.prompt_ids for s in samples))
    for hand, (weights, gradients) in enumerate(seen):
        own = [s for s in samples if prompts.index(s.prompt_ids) % 2 == hand]
        twin = copy.deepcopy(old)
        twin.load_state_dict(weights)
        loss = objective(written_out.rows(twin, own, old, start if config.kl.coefficient else None))
        torch.testing.assert_close(gradients, list(torch.autograd.grad(loss, trainable(twin))), rtol=1e-5, atol=1e-5)
    assert len(seen) == 2


def test_roles_of_unequal_weight() -> None:
    model = tiny_model("llama")
    samples = [replace(s, weight=0.25 if i % 2 else 2.0) for i, s in enumerate(with_engine_logprobs(model, rollouts()))]
    gradients: list[Tensor] = []
    config = LearnerConfig(learning_rate=1e-30, gradient_norm=1e9)
    learner = Learner(policy_of(model), config, ModelConfig(gradient_checkpointing=False))
    learner._optimizer.adamw.register_step_pre_hook(
        lambda *_: gradients.extend(w.grad.clone() for w in trainable(model))
    )
    learner.step(samples)
    loss = written_out.weighted_roles(written_out.rows(model, samples, model))
    torch.testing.assert_close(gradients, list(torch.autograd.grad(loss, trainable(model))), rtol=1e-5, atol=1e-5)
