"""Attention over a packed row, in which token i sees token j where j ≤ i < subtree_end[j] (azr/learner/packing.py).

Two kernels that transformers' models call through their attention interface:

- dense: scaled dot-product attention with a dense mask, block by block: a block of neighbouring queries against the
  keys that at least one of them sees, so that the work grows with what is seen and not with the square of the row.
- flex: torch's flex attention with a block mask, compiled. On the processor torch has its forward pass alone, which
  runs here as plain operations: enough to test the mask, not to train.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, PretrainedConfig

from azr.config.fields import AttentionKernel

# Queries a block: on the processor the blocks are worked off one by one anyway and 128 was the fastest of 64, 128 and
# 256; a GPU wants fewer, larger ones.
_CPU_BLOCK = 128
_GPU_BLOCK = 1024


@dataclass(frozen=True)
class QueryBlock:
    """Neighbouring queries, and the keys that at least one of them sees."""

    pieces: tuple[int, ...]  # of the row's keys, by their number; what they hold is in the row's order
    mask: Tensor  # [queries, keys] bool, True where the query sees the key


@dataclass(frozen=True)
class TreeMask:
    """Who sees whom in a packed row, as one of the kernels wants it."""

    kernel: AttentionKernel
    blocks: tuple[QueryBlock, ...] = ()  # dense: they make up the row
    piece_sizes: tuple[int, ...] = ()  # dense: how the row's keys are cut, so that every block needs whole pieces
    block_mask: BlockMask | None = None  # flex
    _biases: dict[tuple[int, torch.dtype], tuple[Tensor, ...]] = field(default_factory=dict)

    def biases(self, shared: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """For each dense block the mask [shared × queries, keys] as what is added to the scores: 0 or -inf.

        Made once for all layers: given the mask as booleans, torch would turn it into this in each layer and keep every
        copy for the backward pass.
        """
        if (shared, dtype) not in self._biases:
            self._biases[shared, dtype] = tuple(_as_bias(block.mask, dtype).repeat(shared, 1) for block in self.blocks)
        return self._biases[shared, dtype]


def tree_mask(kernel: AttentionKernel, subtree_end: Tensor) -> TreeMask:
    """The mask of a row, from `PackedBatch.subtree_end` ([T]); made once, used by every layer."""
    if kernel is AttentionKernel.FLEX:
        return TreeMask(kernel, block_mask=_flex_mask(subtree_end))
    return _dense_mask(subtree_end, dense_block_size(subtree_end.device.type == "cpu"))


def dense_block_size(on_processor: bool) -> int:
    """Queries a block of the dense kernel."""
    return _CPU_BLOCK if on_processor else _GPU_BLOCK


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


def _dense_mask(subtree_end: Tensor, block_size: int) -> TreeMask:
    length = len(subtree_end)
    places = torch.arange(length, device=subtree_end.device)
    blocks = []  # keys and mask
    cuts = {length}
    for start in range(0, length, block_size):
        queries = places[start : start + block_size, None]
        # What an earlier token is to the block's later queries it is to its first one: subtrees only close.
        keys = torch.cat((torch.nonzero(subtree_end[:start] > start).flatten(), queries.flatten()))
        blocks.append((keys, (keys <= queries) & (queries < subtree_end[keys])))
        gaps = keys[1:] != keys[:-1] + 1
        cuts.update((start, int(keys[0]), *keys[1:][gaps].tolist(), *(keys[:-1][gaps] + 1).tolist()))
    edges = torch.tensor(sorted(cuts), device=subtree_end.device)
    return TreeMask(
        AttentionKernel.DENSE,
        blocks=tuple(
            QueryBlock(tuple(torch.nonzero(torch.isin(edges, keys)).flatten().tolist()), mask) for keys, mask in blocks
        ),
        piece_sizes=tuple(edges.diff().tolist()),
    )


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
    grouped = query.view(1, key_heads, shared, length, size)
    # Split once and put together a block at a time: slices would each have a gradient as long as the row.
    query_blocks = grouped.split([len(block.mask) for block in tree.blocks], dim=3)
    key_pieces, value_pieces = key.split(tree.piece_sizes, dim=2), value.split(tree.piece_sizes, dim=2)
    outputs = []
    for block, queries, bias in zip(tree.blocks, query_blocks, tree.biases(shared, query.dtype), strict=True):
        rows = len(block.mask)
        attended = scaled_dot_product_attention(
            queries.reshape(1, key_heads, shared * rows, size),
            torch.cat([key_pieces[piece] for piece in block.pieces], dim=2),
            torch.cat([value_pieces[piece] for piece in block.pieces], dim=2),
            attn_mask=bias,
            scale=scaling,
        )
        outputs.append(attended.view(heads, rows, size).transpose(0, 1))
    return torch.cat(outputs)[None], None


def _as_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, float("-inf"))


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
