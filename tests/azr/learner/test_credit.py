"""Rewards to samples: roles, penalties for the distance from the start, and what a config comes to in words."""

import math
from dataclasses import replace

import pytest
import torch

from azr.config.fields import (
    CriticConfig,
    Estimator,
    KlConfig,
    KlEstimator,
    KlPlace,
    LearnerConfig,
    ModelConfig,
    RoleLearning,
    Whitening,
)
from azr.errors import UserError
from azr.learner import Learner, Outcome, Sample, advantages
from azr.learner.formula import describe, formula_of
from azr.learner.kl import divergence
from tasks.triplet import Role
from tests.azr.learner.models import policy_of, rollouts, row_logprobs, tiny_model, with_engine_logprobs
from tests.azr.learner.test_algorithms import adapted

PLAIN = ModelConfig(gradient_checkpointing=False)


def learner_of(config: LearnerConfig) -> Learner:
    return Learner(policy_of(tiny_model("llama", seed=1)), config, PLAIN, start=tiny_model("llama"))


def outcomes_of(samples: list[Sample]) -> list[Outcome]:
    return [
        Outcome(float(i % 3 == 0), i % 2, s.prompt_ids, Role.SOLVE if i % 2 else Role.PROPOSE)
        for i, s in enumerate(samples)
    ]


def test_credit_is_advantages_where_nothing_else_is_asked() -> None:
    samples = rollouts()
    outcomes = outcomes_of(samples)
    credited = learner_of(LearnerConfig()).credit(samples, outcomes)
    rewards, strata, groups = ([getattr(o, n) for o in outcomes] for n in ("reward", "stratum", "group"))
    assert [s.advantage for s in credited] == advantages(Estimator.TRR_PP, rewards, strata, groups)
    assert all(s.credit is None and s.weight == 1 for s in credited)


def test_a_role_has_its_own_estimator_and_loss_weight() -> None:
    samples = rollouts()[:6]
    config = LearnerConfig(
        estimator=Estimator.GRPO, propose=RoleLearning(Estimator.REINFORCE_PP, 0.25), solve=RoleLearning(None, 2.0)
    )
    credited = learner_of(config).credit(samples, outcomes_of(samples))
    # proposers (0, 2, 4) earned 1, 0, 0, solvers (1, 3, 5) 0, 1, 0, all to one prompt
    assert [s.weight for s in credited] == [0.25, 2.0] * 3
    assert [s.estimator for s in credited] == [Estimator.REINFORCE_PP, Estimator.GRPO] * 3
    high, low = (2 / 3) / math.sqrt(2 / 9), (-1 / 3) / math.sqrt(2 / 9)
    assert [s.advantage for s in credited] == pytest.approx([high, low, low, high, low, low])


def test_a_role_with_a_rate_of_its_own_has_steps_of_its_own() -> None:
    """The proposer's samples take one step at its rate, the solver's another at the learner's; both warm up."""
    model = tiny_model("llama", seed=1)
    config = LearnerConfig(
        estimator=Estimator.REINFORCE_PP,
        propose=RoleLearning(learning_rate=1e-4),
        learning_rate=1e-3,
        warmup_steps=4,
        weight_decay=0.0,
        gradient_norm=1e9,
    )
    assert "learning rates: propose 0.0001, solve 0.001, each role in optimizer steps of its own" in describe(config)
    learner = Learner(policy_of(model), config, PLAIN)
    samples = learner.credit(rollouts(), outcomes_of(rollouts()))
    proposers, solvers = samples[::2], samples[1::2]
    alone = {role: first_gradient(own) for role, own in (("propose", proposers), ("solve", solvers))}
    seen: list[tuple[float, torch.Tensor]] = []
    watch_steps(learner, model, seen)
    learner.step(samples)
    learner.step(solvers)
    assert [rate for rate, _ in seen] == pytest.approx([1e-4 / 4, 1e-3 * 2 / 4, 1e-3 * 3 / 4])
    torch.testing.assert_close(seen[0][1], alone["propose"])
    # The solver's step is held against the weights before the proposer's, and is taken after it: nearly the same.
    torch.testing.assert_close(seen[1][1], alone["solve"], rtol=0, atol=0.05 * float(alone["solve"].abs().max()))


def test_equal_rates_share_their_steps() -> None:
    config = LearnerConfig(solve=RoleLearning(learning_rate=1e-3), learning_rate=1e-3)
    model = tiny_model("llama", seed=1)
    learner = Learner(policy_of(model), config, PLAIN)
    seen: list[tuple[float, torch.Tensor]] = []
    watch_steps(learner, model, seen)
    learner.step(learner.credit(rollouts(), outcomes_of(rollouts())))
    assert len(seen) == 1


def first_gradient(samples: list[Sample]) -> torch.Tensor:
    """All gradients, flat, of one step on these samples alone."""
    model = tiny_model("llama", seed=1)
    learner = Learner(policy_of(model), LearnerConfig(estimator=Estimator.REINFORCE_PP, gradient_norm=1e9), PLAIN)
    seen: list[tuple[float, torch.Tensor]] = []
    watch_steps(learner, model, seen)
    learner.step([replace(sample, learning_rate=None) for sample in samples])
    return seen[0][1]


def watch_steps(learner: Learner, model: torch.nn.Module, seen: list[tuple[float, torch.Tensor]]) -> None:
    """Note the learning rate and all gradients of each optimizer step."""

    def note(adamw: torch.optim.Optimizer, *_: object) -> None:
        flat = torch.cat([weight.grad.flatten().clone() for weight in model.parameters() if weight.grad is not None])
        seen.append((adamw.param_groups[0]["lr"], flat))

    learner._optimizer.adamw.register_step_pre_hook(note)


@pytest.mark.parametrize("estimator", KlEstimator)
def test_a_penalty_in_the_reward_is_a_responses_whole_divergence(estimator: KlEstimator) -> None:
    policy, start = tiny_model("llama", seed=1), tiny_model("llama")
    samples = rollouts()
    config = LearnerConfig(
        estimator=Estimator.DR_GRPO, kl=KlConfig(0.1, estimator, KlPlace.REWARD), max_batch_tokens=40
    )
    credited = Learner(policy_of(policy), config, PLAIN, start=start).credit(samples, outcomes_of(samples))
    with torch.no_grad():
        paid = [divergence(estimator, row_logprobs(policy, s), row_logprobs(start, s)).sum().item() for s in samples]
    outcomes = outcomes_of(samples)
    rewards = [o.reward - 0.1 * cost for o, cost in zip(outcomes, paid, strict=True)]
    groups = [o.group for o in outcomes]
    assert [s.advantage for s in credited] == pytest.approx(
        advantages(Estimator.DR_GRPO, rewards, groups, groups), abs=1e-4
    )


def test_whitened_over_tokens_each_token_pays_for_what_comes_after_it() -> None:
    policy, start = tiny_model("llama", seed=1), tiny_model("llama")
    samples = rollouts()[:6]
    kl = KlConfig(0.1, KlEstimator.K1, KlPlace.REWARD)
    config = LearnerConfig(estimator=Estimator.REINFORCE_PP, kl=kl, whitening=Whitening.TOKENS)
    outcomes = outcomes_of(samples)
    credited = Learner(policy_of(policy), config, PLAIN, start=start).credit(samples, outcomes)
    returns = []
    with torch.no_grad():
        for sample, outcome in zip(samples, outcomes, strict=True):
            paid = 0.1 * (row_logprobs(policy, sample) - row_logprobs(start, sample))
            returns += [outcome.reward - paid[t:].sum().item() for t in range(len(paid))]
    every = torch.tensor(returns, dtype=torch.float64)
    expected = (every - every.mean()) / torch.sqrt(every.var(correction=1) + 1e-8)
    found = [value for s in credited if s.credit for value in s.credit.advantages]
    assert found == pytest.approx(expected.tolist(), abs=1e-4)


def test_the_divergences_by_hand() -> None:
    # the policy holds the token twice as likely as the start did
    now, before = torch.tensor([math.log(0.4)]), torch.tensor([math.log(0.2)])
    assert divergence(KlEstimator.K1, now, before).item() == pytest.approx(math.log(2))
    assert divergence(KlEstimator.K2, now, before).item() == pytest.approx(math.log(2) ** 2 / 2)
    assert divergence(KlEstimator.K3, now, before).item() == pytest.approx(0.5 - 1 + math.log(2))


def test_an_adapter_switched_off_is_the_start_and_switched_on_again_afterwards() -> None:
    model = adapted(tiny_model("llama"))
    samples = with_engine_logprobs(model, rollouts())
    config = LearnerConfig(estimator=Estimator.DR_GRPO, kl=KlConfig(1.0, KlEstimator.K1, KlPlace.REWARD))
    learner = Learner(policy_of(model), config, PLAIN)
    before = [row_logprobs(model, s).detach() for s in samples]
    credited = learner.credit(samples, [Outcome(0.0, 0, i) for i in range(len(samples))])
    assert all(s.advantage == 0 for s in credited)  # each is its own group
    after = [row_logprobs(model, s).detach() for s in samples]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert any(weight.requires_grad for weight in model.parameters())


def test_full_fine_tuning_with_a_kl_term_wants_a_frozen_copy() -> None:
    with pytest.raises(ValueError, match="frozen copy"):
        Learner(policy_of(tiny_model("llama")), LearnerConfig(kl=KlConfig(0.1)), PLAIN)


def test_with_a_kl_term_samples_without_an_advantage_train_too() -> None:
    samples = [Sample(s.prompt_ids, s.response_ids, s.engine_logprobs, 0.0, s.temperature) for s in rollouts()]
    metrics = learner_of(LearnerConfig(kl=KlConfig(0.1))).step(samples)
    assert metrics["dropped_samples"] == 0
    assert metrics["grad_norm"] > 0
    assert metrics["kl"] > 0


def test_a_sequence_mask_says_how_much_it_left_out() -> None:
    model = tiny_model("llama")
    samples = with_engine_logprobs(model, rollouts(), noise=0.5)
    with torch.no_grad():
        ratios = [torch.exp((row_logprobs(model, s) - torch.tensor(s.engine_logprobs)).sum()).item() for s in samples]
    out = [len(s.response_ids) for s, ratio in zip(samples, ratios, strict=True) if ratio > 1.2]
    metrics = Learner(policy_of(model), LearnerConfig(sequence_mask=1.2), PLAIN).step(samples)
    assert metrics["importance_masked"] == pytest.approx(sum(out) / sum(len(s.response_ids) for s in samples))
    assert 0 < metrics["importance_masked"] < 1
    assert 0 < metrics["importance_effective"] < 1 - metrics["importance_masked"] + 1e-6


def test_the_formula_in_words() -> None:
    config = LearnerConfig(
        estimator=Estimator.DAPO,
        dual_clip=3.0,
        kl=KlConfig(0.001),
        entropy_bonus=0.01,
        sequence_mask=3.0,
        overlong_buffer=64,
        propose=RoleLearning(Estimator.TRR_PP, 0.5),
    )
    assert describe(config) == [
        "propose: A = (r - mean) / std over the same role and task type (over responses)",
        "solve: A = (r - mean) / std over a prompt's responses",
        "loss = -token-mean of min(ratio · A, clip(ratio, 1 - 0.2, 1 + 0.28) · A), at least 3 · A where A < 0",
        "ratio = π / π_old of a token",
        "loss weights: propose 0.5, solve 1",
        "times min(π_old / π_engine, 2) of a token",
        "without responses whose π_old / π_engine is above 3",
        "loss + 0.001 · k3(π ‖ start)",
        "loss - 0.01 · entropy",
        "given problems without spread are replaced by others, up to 3 times a step",
        "reward - up to 1 in the last 64 tokens before a response's limit",
    ]


def test_roles_whose_tokens_add_up_differently_in_words() -> None:
    config = LearnerConfig(solve=RoleLearning(Estimator.GRPO))
    clip = "min(ratio · A, clip(ratio, 1 - 0.2, 1 + 0.2) · A)"
    assert describe(config)[2] == f"loss = -(propose token-mean, solve seq-mean-token-mean) of {clip}"


def test_a_critic_in_words() -> None:
    config = LearnerConfig(estimator=Estimator.PPO, critic=CriticConfig(gamma=0.99, warmup_steps=2))
    assert describe(config)[0] == "A = GAE of the critic's values, standardised over the batch's tokens"
    assert describe(config)[3:5] == [
        "critic: γ = 0.99, λ = 1, values move by 0.5 at most",
        "critic alone learns in the first 2 steps",
    ]


def test_a_clip_of_the_config_sets_both_halves_where_the_algorithm_has_them_equal() -> None:
    both = formula_of(LearnerConfig(estimator=Estimator.GRPO, clip=0.3)).clip
    assert (both.low, both.high) == (0.3, 0.3)
    lower = formula_of(LearnerConfig(estimator=Estimator.DAPO, clip=0.1)).clip
    assert (lower.low, lower.high) == (0.1, 0.28)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (LearnerConfig(propose=RoleLearning(Estimator.PPO)), "critic"),
        (LearnerConfig(estimator=Estimator.PPO, solve=RoleLearning(Estimator.GRPO), critic=CriticConfig()), "critic"),
        (LearnerConfig(estimator=Estimator.GRPO, whitening=Whitening.TOKENS), "whitening"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(config: LearnerConfig, said: str) -> None:
    with pytest.raises(UserError, match=said):
        formula_of(config)
