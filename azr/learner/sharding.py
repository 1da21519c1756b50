"""A policy in shards: each of several ranks holds a part of every weight, its gradient and its moments (FSDP2).

Shards are fp32 and their own masters; what is computed with is gathered layer by layer in the model's precision, and
gradients are summed in fp32. The policy stays the same module, so that whoever samples from it gathers it for that.
What was left out: penalties for the distance from the start, a critic, masters on the host.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn import Module, Parameter
from torch.nn.utils import clip_grad_norm_

from azr.config.fields import LearnerConfig
from azr.errors import UserError
from azr.learner.algorithms import ALGORITHMS
from azr.learner.formula import estimators
from azr.learner.forward import PolicyForward
from azr.learner.optimizer import take_over
from azr.policy.model import Policy, in_one_piece
from azr.ranks.group import Ranks


def check_sharded(config: LearnerConfig, ranks: Ranks) -> None:
    """Raises UserError for an update that shards can't do."""
    if ranks.size == 1:
        raise UserError("learner.shard=true wants several ranks: start it with torchrun (docs/scale.md)")
    for wanted, what in (
        (bool(config.kl.coefficient), "learner.kl.coefficient"),
        (config.optimizer_on_host, "learner.optimizer_on_host"),
        (any(ALGORITHMS[name].critic for name in estimators(config).values()), "a critic's learner.estimator"),
    ):
        if wanted:
            raise UserError(f"learner.shard=true can't have {what}: set one or the other")


def shard(forward: PolicyForward, policy: Policy, dtype: torch.dtype, ranks: Ranks) -> None:
    """Leave this rank its part of the policy's weights, those that train in fp32; `forward` computes in `dtype`.

    All ranks call it with the same weights, which may be in the host's memory: layer by layer they come to the device.
    From then on they call `forward` and its backward pass together.
    """
    mesh = init_device_mesh(policy.device.type, (ranks.size,))
    precision = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    layers = set(policy.base._no_split_modules or ())
    for module in [*(one for one in policy.base.modules() if type(one).__name__ in layers), forward]:
        for weight in module.parameters():
            if weight.requires_grad and not isinstance(weight, DTensor):
                weight.data = weight.data.float()
        fully_shard(module, mesh=mesh, mp_policy=precision)
    for unit in _units(forward):
        unit.set_gradient_divide_factor(1.0)  # a token's weight already divides by the whole minibatch
        unit.set_force_sum_reduction_for_comms(True)  # gloo knows no other


@contextmanager
def gathered(forward: Module) -> Iterator[None]:
    """Within, this rank has the whole policy as it computes with it. All ranks enter together, and leave at will."""
    units = _units(forward)
    inner = [unit for unit in units if unit is not forward]
    for unit in inner:
        unit.set_reshard_after_forward(False, recurse=False)
    try:
        for unit in units:
            unit.unshard()
        yield
    finally:
        for unit in inner:
            unit.set_reshard_after_forward(True, recurse=False)
        let_go(forward)


def let_go(forward: Module) -> None:
    """Give back what was gathered."""
    for unit in _units(forward):
        unit.reshard()


def whole_weights(policy: Policy, dtype: torch.dtype, ranks: Ranks) -> dict[str, Tensor]:
    """The policy's weights by their names, or an adapter's alone, in the host's memory of rank 0; nothing elsewhere.

    All ranks call it. Tied weights appear once.
    """
    adapter = policy.model is not policy.base
    tied = set() if adapter else set(policy.base.all_tied_weights_keys)
    wanted = {name for name, weight in policy.model.named_parameters() if weight.requires_grad} if adapter else None
    found = {}
    for name, weight in policy.model.state_dict().items():
        if name not in tied and (wanted is None or name in wanted):
            whole = in_one_piece(weight, dtype)
            if ranks.leads:
                found[name] = whole.to("cpu", dtype)
    return found


class ShardedAdamW:
    """Implements azr.learner.optimizer.Optimizer on shards, which are fp32. Its state is that of `MasterAdamW`, whole.

    `masters_apart`: whether `MasterAdamW` would have masters beside the model's weights, which then are in its state.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        learning_rate: float,
        betas: tuple[float, float],
        weight_decay: float,
        masters_apart: bool,
        ranks: Ranks,
    ) -> None:
        self._shards = list(parameters)
        self._masters_apart = masters_apart
        self._ranks = ranks
        self.adamw = torch.optim.AdamW(
            self._shards, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True
        )

    def collect_gradients(self) -> None:
        """See Optimizer. They are summed where they are made."""

    def sum_over(self, ranks: Ranks, loss: float) -> float:
        """See Optimizer. Of the gradients every backward pass has made the sum already."""
        total = torch.tensor(loss, dtype=torch.float64)
        ranks.sum([total])
        return total.item()

    def clip(self, limit: float) -> float:
        """See Optimizer."""
        norm = clip_grad_norm_(self._shards, limit)
        return float(in_one_piece(norm, norm.dtype))

    def step(self) -> None:
        """See Optimizer."""
        self.adamw.step()
        self.forget_gradients()

    def forget_gradients(self) -> None:
        """See Optimizer."""
        self.adamw.zero_grad(set_to_none=True)

    def missing_moments(self) -> list[Tensor]:
        """See Optimizer."""
        return [
            torch.empty_like(cast(DTensor, shard).to_local())  # whose class Parameter hides
            for shard in self._shards
            if not self.adamw.state.get(shard)
            for _ in "mv"
        ]

    @torch.no_grad()
    def state_dict(self) -> dict[str, Any]:
        """See Optimizer. All ranks call it; what is whole is rank 0's, in the host's memory."""
        adamw = self.adamw.state_dict()
        moments = {
            index: {name: self._kept(value) for name, value in held.items()} for index, held in adamw["state"].items()
        }
        masters = [self._kept(shard) for shard in self._shards] if self._masters_apart else []
        return {"adamw": {**adamw, "state": moments}, "masters": masters}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See Optimizer. All ranks have the whole state, and each takes its part."""
        moments = {
            index: {
                name: _part(value, self._shards[index]) if name != "step" else value for name, value in held.items()
            }
            for index, held in state["adamw"]["state"].items()
        }
        take_over(self.adamw, {**state["adamw"], "state": moments})
        if self._masters_apart:
            for shard_, saved in zip(self._shards, state["masters"], strict=True):
                shard_.copy_(_part(saved, shard_))

    def _kept(self, value: Tensor) -> Tensor:
        whole = in_one_piece(value, value.dtype)
        return whole.cpu() if self._ranks.leads else whole.new_empty(0)


def _units(forward: Module) -> list[FSDPModule]:
    return [module for module in forward.modules() if isinstance(module, FSDPModule)]


def _part(whole: Tensor, like: Tensor) -> Tensor:
    """This rank's part of a tensor that all ranks have."""
    assert isinstance(like, DTensor)
    return distribute_tensor(whole.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
