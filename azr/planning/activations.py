"""What a backward pass needs of a row of tokens, counted on torch's meta device.

The model's own layers run there as in training, on tensors that have a shape and no memory, and whatever autograd would
keep is added up. So the count follows from the model's code, an adapter included, and not from a formula for a family.
Attention alone is stood in for: our kernels (azr/learner/attention.py) are not defined there.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, PretrainedConfig, PreTrainedModel

from azr.config.fields import AttentionKernel, ModelConfig
from azr.learner.attention import dense_block_size
from azr.policy.model import DTYPES
from azr.policy.shape import head_size, with_layers, without_memory

_ATTENTION = "azr_planned"


@dataclass(frozen=True)
class Activations:
    """Bytes for one row. `kept` lives from the forward pass to the end of the backward pass, `working` comes and goes.

    `masks` is what the dense kernel adds to the scores; flex attention has a mask of blocks, which is small.
    """

    kept: int
    working: int
    masks: int


def count_activations(shape: PretrainedConfig, config: ModelConfig, tokens: int, on_processor: bool) -> Activations:
    """For a row of `tokens` in which every token sees all before it: the most that a row can take.

    With gradient checkpointing a layer keeps its input alone, and one layer at a time is computed again.
    """
    one, two = (_kept_by(without_memory(with_layers(shape, layers), config), tokens) for layers in (1, 2))
    layers = shape.num_hidden_layers
    layer, ends = two.total - one.total, 2 * one.total - two.total
    width = torch.finfo(_dtype(config)).bits // 8
    block = dense_block_size(on_processor)
    if config.attention is AttentionKernel.DENSE:
        layer += _put_together(shape, tokens, block) * width
    # The backward pass of a layer has a few gradients as large as the largest thing that the layer kept.
    gradients = 3 * two.largest
    if config.gradient_checkpointing:
        return Activations(
            layers * tokens * shape.hidden_size * width + ends, layer + gradients, _masks(shape, config, tokens, block)
        )
    return Activations(layers * layer + ends, gradients, _masks(shape, config, tokens, block))


@dataclass(frozen=True)
class _Kept:
    total: int
    largest: int


def _kept_by(model: PreTrainedModel, tokens: int) -> _Kept:
    """What autograd keeps of a forward pass, weights and buffers left out, each storage counted once."""
    own = {tensor.untyped_storage()._cdata for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}  # held, so that no storage's address is given out twice

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage
        return tensor

    model.config._attn_implementation = _ATTENTION
    row = torch.zeros(1, tokens, dtype=torch.long, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.train().base_model(input_ids=row, position_ids=row, use_cache=False)
    sizes = [storage.nbytes() for storage in kept.values()]
    return _Kept(sum(sizes), max(sizes))


class _Attended(torch.autograd.Function):
    """Keeps what the kernels keep: queries, keys, values, their output, and a number a query and head.

    It has no backward pass: nothing is computed here, only counted.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        output = torch.empty_like(query)
        ctx.save_for_backward(query, key, value, output, query.new_empty(query.shape[:-1], dtype=torch.float32))
        return output.transpose(1, 2).contiguous()


def _planned_attention(
    module: torch.nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: None, **_: Any
) -> tuple[Tensor, None]:
    return _Attended.apply(query, key, value), None


def _put_together(shape: PretrainedConfig, tokens: int, block: int) -> int:
    """Numbers that the dense kernel copies a layer: the queries by key head, and each block's keys and values."""
    head = head_size(shape)
    seen = sum(min(start + block, tokens) for start in range(0, tokens, block))
    return tokens * shape.num_attention_heads * head + 2 * seen * shape.num_key_value_heads * head


def _masks(shape: PretrainedConfig, config: ModelConfig, tokens: int, block: int) -> int:
    """The dense kernel's masks, as booleans and as numbers for each of the query heads that share a key head."""
    if config.attention is not AttentionKernel.DENSE:
        return 0
    shared = shape.num_attention_heads // shape.num_key_value_heads
    pairs = sum(min(block, tokens - start) * min(start + block, tokens) for start in range(0, tokens, block))
    return pairs * (1 + shared * torch.finfo(_dtype(config)).bits // 8)


def _dtype(config: ModelConfig) -> torch.dtype:
    return DTYPES[config.precision]


AttentionInterface.register(_ATTENTION, _planned_attention)
