"""A packed row through a model: the hidden states where something is predicted."""

from torch import Tensor
from transformers import PreTrainedModel

from azr.learner.attention import TreeMask
from azr.learner.packing import PackedBatch


def hidden_states(model: PreTrainedModel, batch: PackedBatch, mask: TreeMask) -> Tensor:
    """The last hidden states [P, H] at the batch's predictors, within `tree_attention` of the model's config."""
    output = model.base_model(
        input_ids=batch.input_ids[None],
        position_ids=batch.position_ids[None],
        use_cache=False,
        tree=mask,
    )
    return output.last_hidden_state[0, batch.predictors]
