"""A packed row through a model: the hidden states where something is predicted, and what makes logits of them."""

import torch
from torch import Tensor
from transformers import PreTrainedModel

from azr.learner.attention import TreeMask
from azr.learner.packing import PackedBatch
from azr.policy.model import Policy


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
