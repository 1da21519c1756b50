"""PPO's critic: what a response will earn, said at each of its tokens, and the advantages that come of it.

A trunk of its own, loaded as the policy is (so with an adapter where the policy has one), and one output on top, which
starts at 0. It reads the same packed prefix trees: the value of response token t is read where the token is predicted,
so that what responses share is computed once here too. Memory: as much again as the policy's training takes.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn import Linear, Parameter
from torch.optim.lr_scheduler import LambdaLR

from azr.config.fields import AttentionKernel, LearnerConfig
from azr.learner.attention import tree_attention, tree_mask
from azr.learner.forward import hidden_states
from azr.learner.optimizer import MasterAdamW
from azr.learner.packing import PackedBatch, by_sample, deal, pack, per_token
from azr.learner.sample import Sample
from azr.learner.schedule import learning_rate_factor, take_up
from azr.policy.model import Policy

Values = tuple[float, ...]


class Critic:
    """Learns the values of response tokens. `trunk`'s output layer is not used."""

    def __init__(
        self,
        trunk: Policy,
        config: LearnerConfig,
        kernel: AttentionKernel,
        accelerator: Accelerator,
        optimizer_steps: int | None,
    ) -> None:
        self._trunk = trunk
        self._config = config
        self._kernel = kernel
        self._accelerator = accelerator
        self._head = Linear(trunk.base.config.hidden_size, 1, device=trunk.device, dtype=torch.float32)
        torch.nn.init.zeros_(self._head.weight)
        torch.nn.init.zeros_(self._head.bias)
        self._optimizer = MasterAdamW(
            list(self._trainable().values()), config.critic.learning_rate, config.betas, config.weight_decay
        )
        self._schedule = LambdaLR(self._optimizer.adamw, learning_rate_factor(config, optimizer_steps))
        self._steps = 0

    @property
    def warming_up(self) -> bool:
        """Whether the policy is to wait: fewer steps lie behind than `critic.warmup_steps`."""
        return self._steps < self._config.critic.warmup_steps

    @torch.no_grad()
    def values(self, samples: Sequence[Sample]) -> list[Values]:
        """The value at each response token, as the weights are now."""
        batches = pack(samples, self._config.max_batch_tokens)
        return by_sample(batches, [self._values(batch.to(self._trunk.device)) for batch in batches])

    def update(self, samples: Sequence[Sample]) -> dict[str, float]:
        """Move the values towards the samples' returns, in `minibatches` optimizer steps, and say how it went.

        The samples carry a `TokenCredit` with values and returns. Raises FloatingPointError, before the weights take
        the update, if a gradient isn't finite.
        """
        hands = [hand for hand in deal(samples, self._config.minibatches) if hand]
        losses, norms = zip(*(self._optimizer_step(hand) for hand in hands), strict=True)
        self._steps += 1
        return {
            "critic_loss": sum(losses) / len(losses),
            "critic_grad_norm": sum(norms) / len(norms),
            "critic_explained_variance": explained_variance(samples),
        }

    def missing_moments(self) -> list[Tensor]:
        """See MasterAdamW."""
        return self._optimizer.missing_moments()

    def state_dict(self) -> dict[str, Any]:
        """Weights that train, optimizer, schedule and steps: all that a bit-exact resume needs beside the start."""
        return {
            "weights": {name: weight.detach() for name, weight in self._trainable().items()},
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "steps": self._steps,
        }

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave, in a critic of the same model and config."""
        for name, weight in self._trainable().items():
            weight.copy_(state["weights"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        take_up(self._schedule, state["schedule"])
        self._steps = state["steps"]

    def _trainable(self) -> dict[str, Parameter]:
        layers = {f"trunk.{name}": weight for name, weight in self._trunk.base.base_model.named_parameters()}
        head = {f"head.{name}": weight for name, weight in self._head.named_parameters()}
        return {name: weight for name, weight in (layers | head).items() if weight.requires_grad}

    def _values(self, batch: PackedBatch) -> Tensor:
        """Values [E] of the batch's response tokens."""
        with tree_attention(self._trunk.base.config, self._kernel):
            hidden = hidden_states(self._trunk.base, batch, tree_mask(self._kernel, batch.subtree_end))
        values: Tensor = self._head(hidden.float()).squeeze(-1)
        return values[batch.predictor_of]

    def _optimizer_step(self, samples: Sequence[Sample]) -> tuple[float, float]:
        """Loss, and gradient norm before clipping."""
        weight = 1 / sum(len(sample.response_ids) for sample in samples)
        total = 0.0
        self._trunk.model.train()
        try:
            for batch in pack(samples, self._config.max_batch_tokens):
                placed = batch.to(self._trunk.device)
                # The backward pass runs layers again where it checkpoints, so it belongs within the attention too.
                with tree_attention(self._trunk.base.config, self._kernel):
                    returns, old = _credit_of(samples, batch, self._trunk.device)
                    loss = weight * value_loss(self._values(placed), old, returns, self._config.critic.clip).sum()
                    self._accelerator.backward(loss)
                self._optimizer.collect_gradients()
                total += loss.item()
        finally:
            self._trunk.model.eval()
        norm = self._optimizer.clip(self._config.gradient_norm)
        if not math.isfinite(norm):
            self._optimizer.forget_gradients()
            raise FloatingPointError(f"the critic's gradient has norm {norm}: lower learner.critic.learning_rate")
        self._optimizer.step()
        self._schedule.step()
        return total, norm


def generalised_advantages(
    rewards: Sequence[float], values: Sequence[float], gamma: float, gae_lambda: float
) -> list[float]:
    """The advantage of each response token: Σ (γλ)^l δ_(t+l) where δ_t = r_t + γ V_(t+1) - V_t, and V = 0 at the end.

    `rewards` and `values` have one entry a token. Schulman et al. 2016 (arXiv 1506.02438), equation 16. With γ = λ = 1
    it is the reward still to come less the value.
    """
    result: list[float] = []
    following = advantage = 0.0
    for reward, value in zip(reversed(rewards), reversed(values), strict=True):
        advantage = reward + gamma * following - value + gamma * gae_lambda * advantage
        following = value
        result.append(advantage)
    return result[::-1]


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float) -> Tensor:
    """½ max((V - R)², (clip(V, V_old ± ε) - R)²) of each token, of the shape of its arguments.

    Value clipping as in OpenAI's PPO (baselines, ppo2), which verl and TRL have too.
    """
    near = torch.maximum(torch.minimum(values, old_values + clip), old_values - clip)
    return torch.maximum((values - returns) ** 2, (near - returns) ** 2) / 2


def explained_variance(samples: Sequence[Sample]) -> float:
    """1 - Var(R - V) / Var(R) over the tokens: 1 for a critic that knew, 0 for one that only knew the mean.

    0 where all R are equal.
    """
    credits = [sample.credit for sample in samples if sample.credit]
    returns = torch.tensor([value for credit in credits for value in credit.returns], dtype=torch.float64)
    values = torch.tensor([value for credit in credits for value in credit.values], dtype=torch.float64)
    spread = returns.var(correction=0)
    return float(1 - (returns - values).var(correction=0) / spread) if spread > 0 else 0.0


def _credit_of(samples: Sequence[Sample], batch: PackedBatch, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns and old values [E] of the batch's response tokens."""
    credits = [sample.credit for sample in samples if sample.credit and sample.credit.returns]
    if len(credits) < len(samples):
        raise ValueError("a critic learns from samples that Learner.credit made")
    returns, old = (
        per_token(batch, lambda index: credits[index].returns),
        per_token(batch, lambda index: credits[index].values),
    )
    return returns.to(device), old.to(device)
