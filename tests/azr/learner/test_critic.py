"""PPO's critic: advantages by hand, gradients against separate rows, and resuming to the bit."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from azr.config.fields import CriticConfig, Estimator, LearnerConfig, ModelConfig
from azr.errors import UserError
from azr.learner import Learner, Outcome, Sample
from azr.learner.critic import explained_variance, generalised_advantages, value_loss
from azr.learner.sample import TokenCredit
from tests.azr.learner.models import policy_of, rollouts, tiny_model, with_engine_logprobs
from tests.azr.learner.test_algorithms import adapted, trainable, whole

CHECKPOINTED = ModelConfig(gradient_checkpointing=True)


def test_generalised_advantages_by_hand() -> None:
    # δ = 0 + 0.5·2 - 1 = 0, 0 + 0.5·4 - 2 = 0, 1 - 4 = -3; λγ = 1/4: A = -3/16, -3/4, -3
    assert generalised_advantages([0, 0, 1], [1, 2, 4], gamma=0.5, gae_lambda=0.5) == pytest.approx(
        [-3 / 16, -3 / 4, -3]
    )


@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=1, max_size=12))
def test_undiscounted_advantages_are_what_is_to_come_less_the_value(tokens: list[tuple[float, float]]) -> None:
    rewards, values = [r for r, _ in tokens], [v for _, v in tokens]
    expected = [sum(rewards[t:]) - values[t] for t in range(len(tokens))]
    assert generalised_advantages(rewards, values, 1.0, 1.0) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("value", "old", "loss", "gradient"),
    [
        (0.3, 0.0, 0.5 * 0.7**2, -0.7),  # near its old value: the plain square
        (0.9, 0.0, 0.5 * 0.5**2, 0.0),  # moved too far towards the return: the clipped one is worse, and constant
        (-0.9, 0.0, 0.5 * 1.9**2, -1.9),  # moved too far away: the plain one is worse, and pulls back
    ],
)
def test_the_clipped_value_loss_by_hand(value: float, old: float, loss: float, gradient: float) -> None:
    values = torch.tensor([value], requires_grad=True)
    found = value_loss(values, torch.tensor([old]), torch.tensor([1.0]), clip=0.5)
    found.sum().backward()
    assert found.item() == pytest.approx(loss)
    assert values.grad is not None
    assert values.grad.item() == pytest.approx(gradient)


def test_explained_variance_by_hand() -> None:
    def sample(returns: tuple[float, ...], values: tuple[float, ...]) -> Sample:
        return Sample((1,), (2, 3), (-1.0, -1.0), 0.0, credit=TokenCredit((0.0, 0.0), returns, values))

    # R = 1, 1, 0, 0 has variance 1/4; R - V = 1/2, 1/2, 0, 0 has 1/16
    given = [sample((1.0, 1.0), (0.5, 0.5)), sample((0.0, 0.0), (0.0, 0.0))]
    assert explained_variance(given) == pytest.approx(0.75)
    assert explained_variance([sample((1.0, 1.0), (0.5, 0.1))]) == 0


def ppo(model: torch.nn.Module, trunk: torch.nn.Module, config: LearnerConfig) -> Learner:
    return Learner(policy_of(model), config, CHECKPOINTED, critic=policy_of(trunk))


def played(model: torch.nn.Module) -> tuple[list[Sample], list[Outcome]]:
    samples = with_engine_logprobs(model, [s for i, s in enumerate(rollouts()[:18]) if i % 6 < 4])
    return samples, [Outcome(float(i % 3 == 0), "s", s.prompt_ids) for i, s in enumerate(samples)]


def test_the_first_advantages_are_the_rewards_whitened_over_tokens() -> None:
    model = tiny_model("llama")
    samples, outcomes = played(model)
    credited = ppo(model, tiny_model("llama", seed=5), LearnerConfig(estimator=Estimator.PPO)).credit(samples, outcomes)
    earned = torch.tensor(
        [o.reward for s, o in zip(samples, outcomes, strict=True) for _ in s.response_ids], dtype=torch.float64
    )
    expected = (earned - earned.mean()) / torch.sqrt(earned.var(correction=1) + 1e-8)
    found = [value for s in credited if s.credit for value in s.credit.advantages]
    assert found == pytest.approx(expected.tolist())
    assert [value for s in credited if s.credit for value in s.credit.returns] == earned.tolist()


def row_values(trunk: torch.nn.Module, head: torch.nn.Linear, sample: Sample) -> Tensor:
    """Values [n] at a response's tokens from a row of it alone."""
    base = trunk.get_base_model() if hasattr(trunk, "get_base_model") else trunk
    row = torch.tensor([sample.prompt_ids + sample.response_ids])
    hidden = base.base_model(input_ids=row, use_cache=False).last_hidden_state[0]
    return head(hidden[len(sample.prompt_ids) - 1 : -1]).squeeze(-1)


@pytest.mark.parametrize("adapt", [whole, adapted], ids=["full", "lora"])
def test_the_critics_values_and_gradients_are_those_of_separate_rows(
    adapt: Callable[[torch.nn.Module], torch.nn.Module],
) -> None:
    model, trunk = tiny_model("llama"), adapt(tiny_model("llama", seed=5))
    config = LearnerConfig(estimator=Estimator.PPO, max_batch_tokens=25, gradient_norm=1e9)
    learner = ppo(model, trunk, config)
    critic = learner._critic
    assert critic is not None
    torch.nn.init.normal_(critic._head.weight, std=0.3)
    samples, outcomes = played(model)
    credited = learner.credit(samples, outcomes)
    gradients: dict[str, Tensor] = {}
    critic._optimizer.adamw.register_step_pre_hook(
        lambda *_: gradients.update({n: w.grad.clone() for n, w in critic._trainable().items()})
    )
    twin, head = copy.deepcopy(trunk), copy.deepcopy(critic._head)
    loss, tokens = torch.zeros(()), 0
    for sample, judged in zip(samples, credited, strict=True):
        assert judged.credit is not None
        values = row_values(twin, head, sample)
        torch.testing.assert_close(torch.tensor(judged.credit.values), values.detach(), rtol=1e-5, atol=1e-5)
        loss = loss + 0.5 * ((values - torch.tensor(judged.credit.returns)) ** 2).sum()
        tokens += len(values)
    learner.step(credited)
    weights = [w for w in twin.parameters() if w.requires_grad] + list(head.parameters())
    expected = torch.autograd.grad(loss / tokens, weights, allow_unused=True)
    torch.testing.assert_close(list(gradients.values()), [g for g in expected if g is not None], rtol=1e-5, atol=1e-5)


def test_while_the_critic_warms_up_the_policy_waits() -> None:
    model = tiny_model("llama")
    before = [weight.detach().clone() for weight in model.parameters()]
    config = LearnerConfig(estimator=Estimator.PPO, critic=CriticConfig(warmup_steps=2), learning_rate=0.01)
    learner = ppo(model, tiny_model("llama", seed=5), config)
    samples, outcomes = played(model)
    moved, trained = [], []
    for _ in range(3):
        trained.append(learner.step(learner.credit(samples, outcomes))["samples"])
        moved.append(any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True)))
    assert moved == [False, False, True]
    assert trained[:2] == [0, 0]
    assert trained[2] > 0


def test_the_critic_learns_what_responses_earn() -> None:
    model = tiny_model("llama")
    config = LearnerConfig(estimator=Estimator.PPO, critic=CriticConfig(learning_rate=3e-3, warmup_steps=100))
    learner = ppo(model, tiny_model("llama", seed=5), config)
    samples, outcomes = played(model)
    explained = [learner.step(learner.credit(samples, outcomes))["critic_explained_variance"] for _ in range(12)]
    assert explained[0] == pytest.approx(0, abs=1e-6)
    assert explained[-1] > 0.3


@pytest.mark.parametrize("adapt", [whole, adapted], ids=["full", "lora"])
def test_ppo_resumes_to_the_bit(adapt: Callable[[torch.nn.Module], torch.nn.Module], tmp_path: Path) -> None:
    config = LearnerConfig(
        estimator=Estimator.PPO,
        learning_rate=1e-3,
        minibatches=2,
        critic=CriticConfig(learning_rate=1e-3, warmup_steps=2),
    )

    def steps(learner: Learner, seeds: Sequence[int]) -> None:
        for seed in seeds:
            samples = rollouts(seed)[:10]
            outcomes = [Outcome(float(i % 3 == 0), "s", s.prompt_ids) for i, s in enumerate(samples)]
            learner.step(learner.credit(samples, outcomes))

    def fresh() -> tuple[torch.nn.Module, torch.nn.Module]:
        return adapt(tiny_model("llama")), adapt(tiny_model("llama", seed=5))

    model, trunk = fresh()
    steps(ppo(model, trunk, config), range(4))

    first, first_trunk = fresh()
    stopped = ppo(first, first_trunk, config)
    steps(stopped, range(1))
    path = tmp_path / "learner.pt"
    torch.save((first.state_dict(), stopped.state_dict()), path)

    weights, state = torch.load(path, weights_only=True)
    second, second_trunk = fresh()
    second.load_state_dict(weights)
    resumed = ppo(second, second_trunk, config)
    resumed.load_state_dict(state)
    steps(resumed, range(1, 4))
    for whole_run, stopped_run in ((model, second), (trunk, second_trunk)):
        pairs = zip(trainable(whole_run), trainable(stopped_run), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)


def test_a_run_without_a_critic_does_not_become_ppo() -> None:
    model = tiny_model("llama")
    state = Learner(policy_of(model), LearnerConfig(), CHECKPOINTED).state_dict()
    config = LearnerConfig(estimator=Estimator.PPO)
    with pytest.raises(UserError, match="start a new one"):
        ppo(model, tiny_model("llama", seed=5), config).load_state_dict(state)


def test_ppo_without_a_trunk_for_its_critic_is_an_error() -> None:
    with pytest.raises(ValueError, match="critic"):
        Learner(policy_of(tiny_model("llama")), LearnerConfig(estimator=Estimator.PPO), CHECKPOINTED)


def test_samples_that_were_not_credited_are_refused() -> None:
    model = tiny_model("llama")
    learner = ppo(model, tiny_model("llama", seed=5), LearnerConfig(estimator=Estimator.PPO))
    with pytest.raises(ValueError, match=r"Learner\.credit"):
        learner.step([replace(s, advantage=1.0) for s in rollouts()[:2]])
