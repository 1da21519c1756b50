"""AdamW whose weights are held in fp32, also where the model's are bf16.

At the learning rates of this work (1e-6) an update is far below bf16's resolution: added to a bf16 weight it would be
rounded away. So such a weight gets a master copy in fp32 that takes the update and is copied back, and its gradients
are summed over micro-batches in fp32. Weights that are fp32 already (the processor) are their own master.

Masters and moments take 12 bytes a parameter. Where a card can't hold them, `HostAdamW` has them in the host's memory.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.utils import clip_grad_norm_, get_total_norm

from azr.ranks.group import Ranks

_SETTINGS = ("lr", "initial_lr", "betas", "weight_decay")  # `initial_lr` is a schedule's


class Optimizer(Protocol):
    """Sums gradients and takes steps. `adamw` has the learning rate, for a schedule."""

    adamw: torch.optim.AdamW

    def collect_gradients(self) -> None:
        """Take what a backward pass left in the model's gradients. Call it after every backward."""
        ...

    def sum_over(self, ranks: Ranks, loss: float) -> float:
        """Make what was collected the sum of what all ranks did; the sum of their losses. All call it, or none."""
        ...

    def clip(self, limit: float) -> float:
        """Scale what was collected down to a norm of `limit` where it is above; the norm before."""
        ...

    def step(self) -> None:
        """Update the weights from what was collected, and forget it."""
        ...

    def forget_gradients(self) -> None:
        """Drop what was collected."""
        ...

    def missing_moments(self) -> list[Tensor]:
        """As much of the device's memory as the first step will take for moments; nothing once they are there."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Moments, step counts, and the masters that aren't the model's own weights."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave, of this optimizer or another. The model's weights are loaded already."""
        ...


class MasterAdamW:
    """Decoupled weight decay (Loshchilov & Hutter 2019, arXiv 1711.05101) on fp32 masters of `parameters`."""

    def __init__(
        self, parameters: Sequence[Parameter], learning_rate: float, betas: tuple[float, float], weight_decay: float
    ) -> None:
        self._pairs = [(weight, _master(weight)) for weight in parameters]
        self.masters: list[Tensor] = [master for _, master in self._pairs]
        self.adamw = torch.optim.AdamW(
            self.masters, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True
        )

    @torch.no_grad()
    def collect_gradients(self) -> None:
        """See Optimizer."""
        for weight, master in self._pairs:
            if weight is master or weight.grad is None:
                continue
            if master.grad is None:
                master.grad = weight.grad.float()
            else:
                master.grad += weight.grad
            weight.grad = None

    @torch.no_grad()
    def sum_over(self, ranks: Ranks, loss: float) -> float:
        """See Optimizer."""
        summed, loss = _summed(ranks, [master.grad for master in self.masters], self.masters, loss)
        for master, total in zip(self.masters, summed, strict=True):
            master.grad = total
        return loss

    def clip(self, limit: float) -> float:
        """See Optimizer."""
        return float(clip_grad_norm_(self.masters, limit))

    @torch.no_grad()
    def step(self) -> None:
        """See Optimizer."""
        self.adamw.step()
        for weight, master in self._pairs:
            if weight is not master:
                weight.copy_(master)
        self.forget_gradients()

    def forget_gradients(self) -> None:
        """See Optimizer."""
        self.adamw.zero_grad(set_to_none=True)

    def missing_moments(self) -> list[Tensor]:
        """See Optimizer."""
        return [torch.empty_like(master) for master in self.masters if not self.adamw.state.get(master) for _ in "mv"]

    def state_dict(self) -> dict[str, Any]:
        """See Optimizer."""
        separate = [master for weight, master in self._pairs if weight is not master]
        return {"adamw": self.adamw.state_dict(), "masters": separate}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See Optimizer. The settings stay this optimizer's own: a run may be resumed with others."""
        take_over(self.adamw, state["adamw"])
        weights = [weight for weight, _ in self._pairs]
        for (weight, master), saved in zip(self._pairs, masters_of(weights, state["masters"]), strict=True):
            if weight is not master:
                master.copy_(saved)


class HostAdamW:
    """The same steps with masters and moments in the host's memory, where they are taken too, one weight at a time.

    Of a weight of the model the device has gradients alone: 4 bytes a parameter for their sum beside the backward
    pass's own. A step moves a sum to the host and the weight back.
    """

    def __init__(
        self, parameters: Sequence[Parameter], learning_rate: float, betas: tuple[float, float], weight_decay: float
    ) -> None:
        self._weights = list(parameters)
        self._sums: list[Tensor | None] = [None] * len(self._weights)
        self.masters = [Parameter(weight.detach().to("cpu", torch.float32, copy=True)) for weight in parameters]
        self.adamw = torch.optim.AdamW(
            self.masters, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True
        )

    @torch.no_grad()
    def collect_gradients(self) -> None:
        """See Optimizer."""
        for index, weight in enumerate(self._weights):
            if weight.grad is None:
                continue
            held = self._sums[index]
            self._sums[index] = weight.grad.float() if held is None else held.add_(weight.grad)
            weight.grad = None

    @torch.no_grad()
    def sum_over(self, ranks: Ranks, loss: float) -> float:
        """See Optimizer."""
        self._sums, loss = _summed(ranks, self._sums, self._weights, loss)
        return loss

    @torch.no_grad()
    def clip(self, limit: float) -> float:
        """See Optimizer. As torch's clip_grad_norm_ does it."""
        sums = [total for total in self._sums if total is not None]
        norm = get_total_norm(sums)
        for total in sums:
            total.mul_(torch.clamp(limit / (norm + 1e-6), max=1.0))
        return float(norm)

    @torch.no_grad()
    def step(self) -> None:
        """See Optimizer."""
        for index, (weight, master) in enumerate(zip(self._weights, self.masters, strict=True)):
            total, self._sums[index] = self._sums[index], None
            if total is None:
                continue
            master.grad = total.to("cpu")
            self.adamw.step()  # which passes over the masters without a gradient
            master.grad = None
            weight.copy_(master)

    def forget_gradients(self) -> None:
        """See Optimizer."""
        self._sums = [None] * len(self._weights)

    def missing_moments(self) -> list[Tensor]:
        """See Optimizer. The device has none."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """See Optimizer."""
        return {"adamw": self.adamw.state_dict(), "masters": list(self.masters)}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See Optimizer. The settings stay this optimizer's own."""
        take_over(self.adamw, state["adamw"])
        for master, saved in zip(self.masters, masters_of(self._weights, state["masters"]), strict=True):
            master.copy_(saved)


def take_over(adamw: torch.optim.AdamW, state: dict[str, Any]) -> None:
    """Load a state, but for the settings, which stay `adamw`'s own."""
    settings = [{name: group[name] for name in _SETTINGS if name in group} for group in adamw.param_groups]
    adamw.load_state_dict(state)
    for group, own in zip(adamw.param_groups, settings, strict=True):
        group.update(own)


def masters_of(weights: Sequence[Tensor], saved: Sequence[Tensor]) -> list[Tensor]:
    """A master for each weight. `HostAdamW` saves all; the others none for an fp32 weight, which is its own."""
    if len(saved) == len(weights):
        return list(saved)
    apart = iter(saved)
    return [weight if weight.dtype == torch.float32 else next(apart) for weight in weights]


def _summed(
    ranks: Ranks, held: list[Tensor | None], weights: Sequence[Tensor], loss: float
) -> tuple[list[Tensor | None], float]:
    """The gradients and the loss over all ranks. What no rank has stays away; what some have is 0 on the others."""
    if ranks.size == 1:
        return held, loss
    said = torch.tensor([*(float(total is not None) for total in held), loss], dtype=torch.float64)
    said = said.to(weights[0].device)
    ranks.sum([said])
    *wanted, loss = said.tolist()
    whole = [
        torch.zeros_like(weight, dtype=torch.float32) if some and total is None else total
        for some, total, weight in zip(wanted, held, weights, strict=True)
    ]
    ranks.sum([total for total in whole if total is not None])
    return whole, loss


def _master(weight: Parameter) -> Tensor:
    return weight if weight.dtype == torch.float32 else Parameter(weight.detach().float())
