"""A packed row through a model: the hidden states where something is predicted, and what makes logits of them."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedModel

from azr.learner.attention import TreeMask
from azr.learner.packing import PackedBatch
from azr.policy.model import Policy

T = TypeVar("T")


class PolicyForward(torch.nn.Module):
    """The policy's forward pass with what follows on it: all that needs the weights, in one call of one module.

    Raises ValueError as `output_matrix` does.
    """

    def __init__(self, policy: Policy) -> None:
        super().__init__()
        output_matrix(policy)
        self.model = policy.model
        self._policy = policy

    def forward(self, batch: PackedBatch, mask: TreeMask, then: Callable[[Tensor, Tensor], T]) -> T:
        """`then(hidden, head)`: the hidden states [P, H] at the predictors, and the output layer's weight [V, H]."""
        return then(hidden_states(self._policy.base, batch, mask), output_matrix(self._policy))


def hidden_states(model: PreTrainedModel, batch: PackedBatch, mask: TreeMask) -> Tensor:
    """The last hidden states [P, H] at the batch's predictors, within `tree_attention` of the model's config."""
    output = model.base_model(
        input_ids=batch.input_ids[None],
        position_ids=batch.position_ids[None],
        use_cache=False,
        tree=mask,
    )
    return output.last_hidden_state[0, batch.predictors]


def output_matrix(policy: Policy) -> Tensor:
    """The weight [V, H] that turns hidden states into logits. Raises ValueError where that is more than one matrix."""
    head = policy.base.get_output_embeddings()
    if type(head) is not torch.nn.Linear or head.bias is not None:
        raise ValueError(
            f"the learner needs an output layer that is one matrix, not {type(head).__name__}: keep LoRA off lm_head"
        )
    config = policy.base.config
    for name in ("final_logit_softcapping", "logit_scale", "logits_scaling"):
        if getattr(config, name, None) not in (None, 1, 1.0):
            raise ValueError(f"the learner takes logits as they are, but {config.model_type} applies {name} to them")
    return head.weight
