"""AdamW whose weights are held in fp32, also where the model's are bf16.

At the learning rates of this work (1e-6) an update is far below bf16's resolution: added to a bf16 weight it would be
rounded away. So such a weight gets a master copy in fp32 that takes the update and is copied back, and its gradients
are summed over micro-batches in fp32. Weights that are fp32 already (the processor, LoRA's adapters) are their own
master.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

_SETTINGS = ("lr", "initial_lr", "betas", "weight_decay")  # `initial_lr` is a schedule's


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
        """Move what a backward pass left in the model's gradients to the masters'. Call it after every backward."""
        for weight, master in self._pairs:
            if weight is master or weight.grad is None:
                continue
            if master.grad is None:
                master.grad = weight.grad.float()
            else:
                master.grad += weight.grad
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update the weights from the masters' gradients, and forget these."""
        self.adamw.step()
        for weight, master in self._pairs:
            if weight is not master:
                weight.copy_(master)
        self.forget_gradients()

    def forget_gradients(self) -> None:
        """Drop what was collected."""
        self.adamw.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Moments, step counts, and the masters that aren't the model's own weights."""
        separate = [master for weight, master in self._pairs if weight is not master]
        return {"adamw": self.adamw.state_dict(), "masters": separate}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what `state_dict` gave. The model's weights have to be loaded too, before or after.

        The settings stay this optimizer's own: a run may be resumed with others.
        """
        settings = [{name: group[name] for name in _SETTINGS if name in group} for group in self.adamw.param_groups]
        self.adamw.load_state_dict(state["adamw"])
        for group, own in zip(self.adamw.param_groups, settings, strict=True):
            group.update(own)
        separate = [master for weight, master in self._pairs if weight is not master]
        for master, saved in zip(separate, state["masters"], strict=True):
            master.copy_(saved)


def _master(weight: Parameter) -> Tensor:
    return weight if weight.dtype == torch.float32 else Parameter(weight.detach().float())
