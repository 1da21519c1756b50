"""Attention over a packed row, in which token i sees token j where j ≤ i < subtree_end[j] (azr/learner/packing.py).

Two kernels that transformers' models call through their attention interface:

- dense: scaled dot-product attention with a dense mask, block by block: a block of neighbouring queries against the
  keys that at least one of them sees, so that the work grows with what is seen and not with the square of the row.
- flex: torch's flex attention with a block mask, compiled. On the processor torch has its forward pass alone, which
  runs here as plain operations: enough to test the mask, not to train.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PretrainedConfig

from azr.config import AttentionKernel

# Queries a block: on the processor the blocks are worked off one by one anyway and 128 was the fastest of 64, 128 and
# 256; a GPU wants fewer, larger ones.
_CPU_BLOCK = 128
_GPU_BLOCK = 1024


@dataclass(frozen=True)
class QueryBlock:
    """Queries `start` to `stop` of the row, and the runs of keys (first, one past the last) that they see some of."""

    start: int
    stop: int
    key_runs: tuple[tuple[int, int], ...]
    mask: Tensor  # [stop - start, keys] bool, True where the query sees the key


@dataclass(frozen=True)
class TreeMask:
    """Who sees whom in a packed row, as one of the kernels wants it."""

    kernel: AttentionKernel
    blocks: tuple[QueryBlock, ...] = ()  # dense
    block_mask: BlockMask | None = None  # flex


def tree_mask(kernel: AttentionKernel, subtree_end: Tensor) -> TreeMask:
    """The mask of a row, from `PackedBatch.subtree_end` ([T]); made once, used by every layer."""
    if kernel is AttentionKernel.FLEX:
        return TreeMask(kernel, block_mask=_flex_mask(subtree_end))
    size = _CPU_BLOCK if subtree_end.device.type == "cpu" else _GPU_BLOCK
    return TreeMask(kernel, blocks=tuple(_query_blocks(subtree_end, size)))


@contextmanager
def tree_attention(config: PretrainedConfig, kernel: AttentionKernel) -> Iterator[None]:
    """Within, the model of this config attends by the `TreeMask` that its forward is given as `tree=`.

    The backward pass belongs inside too, since gradient checkpointing runs the layers again. The former attention is
    back afterwards: the rollout engine may generate with the same model. Raises ValueError for a model whose attention
    has a sliding window, which tree packing does not know.
    """
    if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        raise ValueError(f"prefix-tree packing does not know sliding-window attention, which {config.model_type} uses")
    former = config._attn_implementation
    config._attn_implementation = f"azr_tree_{kernel}"
    try:
        yield
    finally:
        config._attn_implementation = former


def _query_blocks(subtree_end: Tensor, size: int) -> Iterator[QueryBlock]:
    length = len(subtree_end)
    places = torch.arange(length, device=subtree_end.device)
    for start in range(0, length, size):
        stop = min(start + size, length)
        # What an earlier token is to the block's later queries it is to its first one: subtrees only close.
        keys = torch.cat((torch.nonzero(subtree_end[:start] > start).flatten(), places[start:stop]))
        queries = places[start:stop, None]
        mask = (keys <= queries) & (queries < subtree_end[keys])
        breaks = (torch.nonzero(keys[1:] != keys[:-1] + 1).flatten() + 1).tolist()
        runs = tuple(
            (int(keys[first]), int(keys[last - 1]) + 1)
            for first, last in zip([0, *breaks], [*breaks, len(keys)], strict=True)
        )
        yield QueryBlock(start, stop, runs, mask)


def _dense_forward(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    tree: TreeMask,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """query [1, heads, T, d], key and value [1, key heads, T, d]; returns [1, T, heads, d] as transformers expects."""
    _refuse_dropout(dropout)
    heads, length, size = query.shape[1:]
    key_heads = key.shape[1]
    shared = heads // key_heads
    # The query heads of a key head become more queries of it: no key or value is copied for grouped heads.
    grouped = query.view(1, key_heads, shared, length, size) if shared > 1 else query[:, :, None]
    outputs = []
    for block in tree.blocks:
        rows = block.stop - block.start
        queries = grouped[:, :, :, block.start : block.stop].reshape(1, key_heads, shared * rows, size)
        attended = scaled_dot_product_attention(
            queries,
            _gather(key, block.key_runs),
            _gather(value, block.key_runs),
            attn_mask=block.mask.repeat(shared, 1),
            scale=scaling,
        )
        outputs.append(attended.view(heads, rows, size).transpose(0, 1))
    return torch.cat(outputs)[None], None


def _gather(states: Tensor, runs: tuple[tuple[int, int], ...]) -> Tensor:
    """The runs of [1, key heads, T, d] one after the other. Slices, since index_select has a slow backward."""
    return torch.cat([states[:, :, first:last] for first, last in runs], dim=2)


def _flex_mask(subtree_end: Tensor) -> BlockMask:
    def sees(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (key <= query) & (query < subtree_end[key])

    length = len(subtree_end)
    return create_block_mask(sees, None, None, length, length, device=subtree_end.device)


def _flex_forward(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    tree: TreeMask,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Shapes as in `_dense_forward`."""
    _refuse_dropout(dropout)
    kernel = flex_attention if query.device.type == "cpu" else _compiled_flex()
    attended = kernel(query, key, value, block_mask=tree.block_mask, scale=scaling, enable_gqa=True)
    return attended.transpose(1, 2).contiguous(), None


@cache
def _compiled_flex() -> Any:
    return torch.compile(flex_attention, dynamic=True)


def _refuse_dropout(dropout: float) -> None:
    if dropout:
        raise ValueError(f"prefix-tree packing has no attention dropout, but the model asks for {dropout}")


AttentionInterface.register(f"azr_tree_{AttentionKernel.DENSE}", _dense_forward)
AttentionInterface.register(f"azr_tree_{AttentionKernel.FLEX}", _flex_forward)
