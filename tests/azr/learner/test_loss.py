"""The policy's loss and the log-probabilities under it, against plain formulas."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from azr.config.fields import LearnerConfig
from azr.learner.formula import Formula, formula_of
from azr.learner.loss import Objective, policy_loss, token_logprobs
from azr.learner.packing import PackedBatch, pack
from tests.azr.learner.models import rollouts

VOCABULARY, WIDTH = 61, 16


def formula(cap: float = 0.0) -> Formula:
    return formula_of(LearnerConfig(truncated_importance=cap))


def objective(count: int, old: Tensor | None = None, cap: float = 0.0, seed: int = 0) -> Objective:
    generator = torch.Generator().manual_seed(seed)
    advantages, weights, engine = (torch.randn(count, generator=generator) for _ in range(3))
    return Objective(formula(cap), advantages, weights.abs(), engine - 4, torch.zeros(count, dtype=torch.int64), old)


def problem(dtype: torch.dtype = torch.float32) -> tuple[PackedBatch, Tensor, Tensor]:
    """A batch, hidden states at its predictors, and an output layer."""
    (batch,) = pack(rollouts(), 1000)
    torch.manual_seed(0)
    hidden = torch.randn(len(batch.predictors), WIDTH, dtype=dtype, requires_grad=True)
    head = torch.randn(VOCABULARY, WIDTH, dtype=dtype, requires_grad=True)
    return batch, hidden, head


def plain_logprobs(batch: PackedBatch, hidden: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies with all logits at once and torch's own gradient."""
    distribution = torch.log_softmax(hidden @ head.t() / batch.temperatures[:, None], dim=-1)
    return distribution[batch.predictor_of, batch.targets], -(distribution.exp() * distribution).sum(-1)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("on_policy", [True, False])
def test_loss_and_gradients_are_those_of_all_logits_at_once(chunk: int, on_policy: bool) -> None:
    batch, hidden, head = problem()
    plain, entropies = plain_logprobs(batch, hidden, head)
    old = None if on_policy else plain.detach() + 0.3 * torch.randn(len(plain))
    goal = objective(len(plain), old, cap=2.0)
    expected = goal.loss(plain, slice(None))
    expected_gradients = torch.autograd.grad(expected, (hidden, head))

    loss, logprobs, found_entropies = policy_loss(hidden, head, batch, goal, chunk)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logprobs, plain.detach())
    torch.testing.assert_close(found_entropies, entropies.detach())
    torch.testing.assert_close(torch.autograd.grad(loss, (hidden, head)), expected_gradients)
    torch.testing.assert_close(token_logprobs(hidden, head, batch, chunk), plain.detach())


def test_a_scaled_loss_has_scaled_gradients() -> None:
    batch, hidden, head = problem()
    goal = objective(len(batch.targets))
    once = torch.autograd.grad(policy_loss(hidden, head, batch, goal, 8)[0], (hidden, head))
    thrice = torch.autograd.grad(3 * policy_loss(hidden, head, batch, goal, 8)[0], (hidden, head))
    torch.testing.assert_close(thrice, tuple(3 * gradient for gradient in once))


def test_a_frozen_output_layer_gets_no_gradient() -> None:
    batch, hidden, head = problem()
    head.requires_grad_(False)
    policy_loss(hidden, head, batch, objective(len(batch.targets)), 8)[0].backward()
    assert head.grad is None
    assert hidden.grad is not None


def test_bf16_is_summed_in_fp32() -> None:
    batch, hidden, head = problem(torch.bfloat16)
    goal = objective(len(batch.targets))
    loss, logprobs, _ = policy_loss(hidden, head, batch, goal, 1)
    assert loss.dtype == logprobs.dtype == torch.float32
    gradients = torch.autograd.grad(loss, (hidden, head))
    exact_hidden, exact_head = (t.detach().float().requires_grad_() for t in (hidden, head))
    exact = torch.autograd.grad(policy_loss(exact_hidden, exact_head, batch, goal, 1)[0], (exact_hidden, exact_head))
    for gradient, reference in zip(gradients, exact, strict=True):
        assert gradient.dtype == torch.bfloat16
        assert (gradient.float() - reference).norm() < 0.02 * reference.norm()


class _Largest(TorchDispatchMode):
    """Remembers the largest tensor that any operation gave."""

    elements = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


def test_no_more_logits_than_a_chunk_are_held() -> None:
    batch, hidden, head = problem()
    chunk = 16
    with _Largest() as largest:
        loss, _, _ = policy_loss(hidden, head, batch, objective(len(batch.targets)), chunk)
        loss.backward()
    assert largest.elements == max(chunk * VOCABULARY, head.numel(), hidden.numel())
    assert largest.elements < len(batch.predictors) * VOCABULARY


@pytest.mark.parametrize(
    ("ratio", "advantage", "gain", "has_gradient"),
    [
        (1.1, 2.0, 2.2, True),
        (1.5, 2.0, 2.4, False),  # clipped at 1.2
        (0.5, 2.0, 1.0, True),  # the minimum is the unclipped one
        (0.9, -2.0, -1.8, True),
        (0.5, -2.0, -1.6, False),  # clipped at 0.8
        (1.5, -2.0, -3.0, True),
    ],
)
def test_the_clipped_objective_by_hand(ratio: float, advantage: float, gain: float, has_gradient: bool) -> None:
    logprob = torch.tensor([math.log(ratio) - 3], requires_grad=True)
    old = torch.tensor([-3.0])
    goal = Objective(formula(), torch.tensor([advantage]), torch.tensor([0.5]), old, torch.tensor([0]), old)
    loss = goal.loss(logprob, slice(None))
    loss.backward()
    assert loss.item() == pytest.approx(-0.5 * gain)
    assert logprob.grad is not None
    assert logprob.grad.item() == pytest.approx(-0.5 * advantage * ratio if has_gradient else 0.0)


@pytest.mark.parametrize(("cap", "weight"), [(2.0, 2.0), (4.0, 3.0), (0.0, 1.0)])
def test_the_truncated_importance_weight_by_hand(cap: float, weight: float) -> None:
    # the learner holds the token three times as likely as the engine did
    logprob = torch.tensor([math.log(0.6)], requires_grad=True)
    engine = torch.tensor([math.log(0.2)])
    goal = Objective(formula(cap), torch.ones(1), torch.ones(1), engine, torch.tensor([0]))
    loss = goal.loss(logprob, slice(None))
    loss.backward()
    assert loss.item() == pytest.approx(-weight)
    assert logprob.grad is not None
    assert logprob.grad.item() == pytest.approx(-weight)  # constant for the gradient: only the ratio is differentiated
