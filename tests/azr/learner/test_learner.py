"""The learner's step on a tiny model: what it computes, drops, reports, and takes up again."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from azr.config.fields import AttentionKernel, Clipping, Estimator, LearnerConfig, ModelConfig
from azr.errors import UserError
from azr.learner import Learner, Sample
from azr.learner.aggregation import token_weights
from azr.learner.algorithms import ALGORITHMS
from tests.azr.learner.models import FAMILIES, policy_of, rollouts, row_logprobs, tiny_model, with_engine_logprobs

PLAIN = ModelConfig(gradient_checkpointing=False)
CHECKPOINTED = ModelConfig(gradient_checkpointing=True)
WITHOUT_CRITIC = [name for name in Estimator if not ALGORITHMS[name].critic]
# Plain gradient descent in disguise would need a learning rate; a tiny one keeps the weights where they are.
STILL = LearnerConfig(learning_rate=1e-30, weight_decay=0.0, gradient_norm=1e9, logit_chunk=7)


def lora(model: torch.nn.Module) -> torch.nn.Module:
    """The model under an adapter whose both halves are random, so that every part of it has a gradient."""
    torch.manual_seed(3)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear"))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)
    return adapted.eval()


def full(model: torch.nn.Module) -> torch.nn.Module:
    return model


def separate_rows(
    model: torch.nn.Module, samples: Sequence[Sample], config: LearnerConfig
) -> tuple[float, list[Tensor]]:
    """Loss and gradients of the on-policy objective with a row for each sample."""
    algorithm = ALGORITHMS[config.estimator]
    weights = token_weights(algorithm.aggregation, [len(s.response_ids) for s in samples], 1024)
    loss = torch.zeros(())
    for sample, weight in zip(samples, weights, strict=True):
        logprobs = row_logprobs(model, sample)
        ratio = torch.exp(logprobs - logprobs.detach())
        trust = torch.exp(logprobs.detach() - torch.tensor(sample.engine_logprobs)).clamp(
            max=config.truncated_importance
        )
        gain = logprobs if algorithm.clip.form is Clipping.CISPO else ratio
        loss = loss - (gain * trust * sample.advantage * weight).sum()
    return loss.item(), list(torch.autograd.grad(loss, trainable(model)))


def trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [weight for weight in model.parameters() if weight.requires_grad]


def packed(
    model: torch.nn.Module, samples: Sequence[Sample], config: LearnerConfig, model_config: ModelConfig
) -> tuple[dict[str, float], list[Tensor]]:
    """Metrics of a step, and the gradients that reached the optimizer."""
    gradients: list[Tensor] = []
    learner = Learner(policy_of(model), config, model_config)
    optimizer = learner._optimizer.adamw
    optimizer.register_step_pre_hook(lambda *_: gradients.extend(w.grad.clone() for w in trainable(model)))
    return learner.step(samples), gradients


@pytest.mark.parametrize("model_config", [PLAIN, CHECKPOINTED], ids=["plain", "checkpointed"])
@pytest.mark.parametrize("adapt", [full, lora])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("family", FAMILIES)
def test_packing_is_exact(
    family: str, tied: bool, adapt: Callable[[torch.nn.Module], torch.nn.Module], model_config: ModelConfig
) -> None:
    model = adapt(tiny_model(family, tied))
    samples = with_engine_logprobs(model, rollouts())
    loss, gradients = separate_rows(model, samples, STILL)
    for budget in (1000, 40):
        config = replace(STILL, max_batch_tokens=budget)
        metrics, found = packed(model, samples, config, model_config)
        assert metrics["micro_batches"] == (1 if budget == 1000 else 3)
        assert metrics["tokens_computed"] < metrics["tokens_real"] / 3
        assert metrics["loss"] == pytest.approx(loss, abs=1e-5)
        torch.testing.assert_close(found, gradients, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("estimator", WITHOUT_CRITIC)
def test_dropping_samples_without_an_advantage_changes_nothing(estimator: Estimator) -> None:
    model = tiny_model("llama")
    samples = with_engine_logprobs(model, rollouts())
    samples = [replace(s, advantage=0.0) if i % 3 else s for i, s in enumerate(samples)]
    config = replace(STILL, estimator=estimator)
    loss, gradients = separate_rows(model, samples, config)  # every sample has its row there
    metrics, found = packed(model, samples, config, PLAIN)
    assert metrics["dropped_samples"] == 20
    assert metrics["samples"] == 10
    assert metrics["loss"] == pytest.approx(loss, abs=1e-5)
    torch.testing.assert_close(found, gradients, rtol=1e-5, atol=1e-5)


def test_nothing_to_learn_leaves_everything_as_it_is() -> None:
    model = tiny_model("llama")
    before = [weight.detach().clone() for weight in model.parameters()]
    learner = Learner(policy_of(model), LearnerConfig(learning_rate=0.1), PLAIN)
    metrics = learner.step([replace(s, advantage=0.0) for s in rollouts()])
    assert metrics["dropped_samples"] == 30
    assert metrics["tokens_computed"] == metrics["grad_norm"] == metrics["loss"] == 0
    assert "entropy" not in metrics
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_statistics_are_those_of_separate_rows() -> None:
    model = tiny_model("qwen3")
    samples = with_engine_logprobs(model, rollouts(), noise=0.5)
    metrics, gradients = packed(model, samples, STILL, PLAIN)
    with torch.no_grad():
        exact = torch.cat([row_logprobs(model, s) for s in samples])
    engine = torch.tensor([value for s in samples for value in s.engine_logprobs])
    assert metrics["engine_logprob_diff_mean"] == pytest.approx((exact - engine).abs().mean().item(), abs=1e-5)
    assert metrics["engine_logprob_diff_max"] == pytest.approx((exact - engine).abs().max().item(), abs=1e-5)
    expected = torch.exp(exact - engine).clamp(max=2.0).mean().item()
    assert metrics["importance_weight_mean"] == pytest.approx(expected, abs=1e-5)
    assert metrics["ratio_mean"] == metrics["ratio_max"] == metrics["ratio_min"] == 1
    assert metrics["clip_fraction"] == 0
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm().item()
    assert metrics["grad_norm"] == pytest.approx(norm, rel=1e-4)


def test_the_entropy_is_the_mean_over_response_tokens() -> None:
    model = tiny_model("llama")
    sample = Sample((5, 6, 7), (8, 9), (-1.0, -1.0), 1.0, temperature=0.7)
    metrics, _ = packed(model, [sample, sample], STILL, PLAIN)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[5, 6, 7, 8, 9]])).logits[0, 2:4] / 0.7
    expected = torch.distributions.Categorical(logits=logits).entropy().mean().item()
    assert metrics["entropy"] == pytest.approx(expected, abs=1e-5)


def test_later_minibatches_are_held_against_the_weights_before_the_step() -> None:
    model = tiny_model("llama")
    samples = with_engine_logprobs(model, rollouts(), noise=0.0)
    config = LearnerConfig(learning_rate=0.01, minibatches=3, max_batch_tokens=40)
    metrics, _ = packed(model, samples, config, PLAIN)
    # Old log-probabilities are those of the starting weights, which are the engine's here.
    assert metrics["engine_logprob_diff_max"] < 1e-5
    assert metrics["importance_weight_mean"] == pytest.approx(1, abs=1e-5)
    assert metrics["ratio_min"] < 0.99
    assert metrics["ratio_max"] > 1.01
    assert 0 < metrics["clip_fraction"] < 1


def test_a_minibatch_holds_whole_prompts_and_counts_its_own_tokens() -> None:
    model = tiny_model("llama")
    samples = with_engine_logprobs(model, rollouts())
    prompts = list(dict.fromkeys(s.prompt_ids for s in samples))
    first = [s for s in samples if prompts.index(s.prompt_ids) % 2 == 0]
    _, expected = separate_rows(model, first, STILL)
    _, found = packed(model, samples, replace(STILL, minibatches=2), PLAIN)
    torch.testing.assert_close(found[: len(expected)], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("estimator", WITHOUT_CRITIC)
def test_more_minibatches_than_prompts_leave_some_empty(estimator: Estimator) -> None:
    model = tiny_model("llama")
    sample = with_engine_logprobs(model, rollouts()[:1])
    _, once = packed(model, sample, replace(STILL, estimator=estimator), PLAIN)
    _, found = packed(model, sample, replace(STILL, estimator=estimator, minibatches=4), PLAIN)
    torch.testing.assert_close(found, once, rtol=0, atol=0)


def test_the_gradient_is_clipped_to_its_norm() -> None:
    model = tiny_model("llama")
    samples = with_engine_logprobs(model, rollouts())
    metrics, gradients = packed(model, samples, replace(STILL, gradient_norm=0.25), PLAIN)
    assert metrics["grad_norm"] > 1
    assert torch.stack([gradient.norm() for gradient in gradients]).norm().item() == pytest.approx(0.25, rel=1e-4)


def test_learning_makes_what_was_right_likelier() -> None:
    model = tiny_model("qwen2")
    right, wrong = Sample((1, 2, 3), (4, 5), (-4.0, -4.0), 1.0), Sample((1, 2, 3), (4, 6), (-4.0, -4.0), -1.0)
    learner = Learner(policy_of(model), LearnerConfig(learning_rate=0.003), PLAIN)
    with torch.no_grad():
        before = [row_logprobs(model, sample).sum() for sample in (right, wrong)]
        for _ in range(5):
            with torch.enable_grad():
                learner.step([right, wrong])
        after = [row_logprobs(model, sample).sum() for sample in (right, wrong)]
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_warmup_raises_the_learning_rate_to_its_constant() -> None:
    learner = Learner(policy_of(tiny_model("llama")), LearnerConfig(learning_rate=0.004, warmup_steps=4), PLAIN)
    rates = [learner.step(rollouts())["learning_rate"] for _ in range(6)]
    assert rates == pytest.approx([0.001, 0.002, 0.003, 0.004, 0.004, 0.004])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_resumed_learner_goes_on_bit_for_bit(dtype: torch.dtype, tmp_path: Path) -> None:
    config = LearnerConfig(learning_rate=1e-3, warmup_steps=5, minibatches=2)

    def steps(learner: Learner, seeds: Sequence[int]) -> None:
        for seed in seeds:
            learner.step(rollouts(seed))

    whole = tiny_model("llama").to(dtype)
    steps(Learner(policy_of(whole), config, PLAIN), range(6))

    first = tiny_model("llama").to(dtype)
    stopped = Learner(policy_of(first), config, PLAIN)
    steps(stopped, range(3))
    path = tmp_path / "learner.pt"
    torch.save((first.state_dict(), stopped.state_dict()), path)

    weights, state = torch.load(path, weights_only=True)
    second = tiny_model("llama", seed=9).to(dtype)
    second.load_state_dict(weights)
    resumed = Learner(policy_of(second), config, PLAIN)
    resumed.load_state_dict(state)
    steps(resumed, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_a_learner_resumed_by_another_config_learns_at_that_ones_rate() -> None:
    stopped = Learner(policy_of(tiny_model("llama")), LearnerConfig(learning_rate=1e-3, warmup_steps=2), PLAIN)
    for seed in range(3):
        stopped.step(rollouts(seed))
    config = LearnerConfig(learning_rate=4e-3, warmup_steps=5, betas=(0.5, 0.6), weight_decay=0.2)
    resumed = Learner(policy_of(tiny_model("llama")), config, PLAIN)
    resumed.load_state_dict(stopped.state_dict())
    rates = [resumed.step(rollouts(seed))["learning_rate"] for seed in range(3)]
    assert rates == pytest.approx([4e-3 * share for share in (4 / 5, 1, 1)])
    (group,) = resumed._optimizer.adamw.param_groups
    assert (group["betas"], group["weight_decay"]) == ((0.5, 0.6), 0.2)


def test_bf16_weights_take_updates_too_small_for_bf16() -> None:
    model = tiny_model("llama").to(torch.bfloat16)
    before = [weight.detach().clone() for weight in model.parameters()]
    learner = Learner(policy_of(model), LearnerConfig(learning_rate=1e-5, weight_decay=0.0), PLAIN)
    one_step = 1e-5  # Adam's first updates are about the learning rate; a bf16 weight of 0.2 can move by 1e-3 at least
    sample = Sample((1, 2, 3), (4, 5), (-4.0, -4.0), 1.0)
    for _ in range(60):
        learner.step([sample])
    moved = max((w - b).abs().max().item() for w, b in zip(model.parameters(), before, strict=True))
    assert moved > 10 * one_step
    for weight, master in learner._optimizer._pairs:
        assert master.dtype == torch.float32
        assert torch.equal(weight, master.to(torch.bfloat16))


def test_progress_counts_computed_tokens() -> None:
    calls: list[tuple[int, int]] = []
    config = LearnerConfig(max_batch_tokens=40, minibatches=2)
    metrics = Learner(policy_of(tiny_model("llama")), config, PLAIN).step(
        rollouts(), lambda done, total: calls.append((done, total))
    )
    done = [count for count, _ in calls]
    assert done == sorted(done)
    assert calls[-1][0] == calls[-1][1] > metrics["tokens_computed"]  # the second minibatch is gone through twice


def test_the_model_is_left_in_evaluation_mode_with_its_own_attention() -> None:
    model = tiny_model("llama")
    attention = model.config._attn_implementation
    Learner(policy_of(model), LearnerConfig(), CHECKPOINTED).step(rollouts())
    assert not model.training
    assert model.config._attn_implementation == attention
    model.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=2, do_sample=False)


def test_a_gradient_that_is_not_finite_is_an_error_and_changes_no_weight() -> None:
    model = tiny_model("llama")
    before = [weight.detach().clone() for weight in model.parameters()]
    learner = Learner(policy_of(model), LearnerConfig(), PLAIN)
    with pytest.raises(FloatingPointError, match="gradient"):
        learner.step([Sample((1, 2), (3,), (-1.0,), float("inf")), Sample((1, 2), (4,), (-1.0,), 1.0)])
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))


def test_flex_attention_on_a_processor_is_refused() -> None:
    with pytest.raises(UserError, match=r"model\.attention=dense"):
        Learner(policy_of(tiny_model("llama")), LearnerConfig(), ModelConfig(attention=AttentionKernel.FLEX))


def test_an_adapter_on_the_output_layer_is_refused() -> None:
    model = get_peft_model(tiny_model("llama", tied=False), LoraConfig(r=2, target_modules=["lm_head"]))
    with pytest.raises(ValueError, match="keep LoRA off lm_head"):
        Learner(policy_of(model), LearnerConfig(), PLAIN)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_an_optimizer_on_the_host_takes_the_same_steps(precision: torch.dtype) -> None:
    """To the bit, through clipping, several minibatches, and a resume from its state, by either kind."""
    samples = with_engine_logprobs(tiny_model("llama"), rollouts())
    config = LearnerConfig(learning_rate=1e-3, minibatches=2, gradient_norm=1e-3)
    ends = []
    for first, then in product((False, True), repeat=2):
        model = tiny_model("llama").to(precision)
        learner = Learner(policy_of(model), replace(config, optimizer_on_host=first), PLAIN)
        norms = [learner.step(samples)["grad_norm"] for _ in range(2)]
        again = Learner(policy_of(model), replace(config, optimizer_on_host=then), PLAIN)
        again.load_state_dict(learner.state_dict())
        norms.append(again.step(samples)["grad_norm"])
        ends.append((norms, model.state_dict()))
    (norms, weights), *others = ends
    for norms_too, weights_too in others:
        assert norms == pytest.approx(norms_too, rel=1e-6)
        assert all(torch.equal(weights[name], weights_too[name]) for name in weights)
