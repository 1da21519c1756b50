"""Keys and values of a prefix tree, and the attention that reads them.

A prompt's segments are held once, however many samples stand behind them. Each sample has a row of its own for the
tokens that only it has. The attention function is put under transformers' models through their attention interface, so
every family that uses it works unchanged; a forward pass carries a `Prefill` or a `Decode` that says who sees what.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from transformers import AttentionInterface

from azr.errors import UserError
from azr.rollout.prefix_tree import Segment

ATTENTION_NAME = "azr_tree"
_FEW, _MANY = 32, 256  # positions that the memory of a short row, and of a longer one, grows by

Layer = tuple[torch.Tensor, torch.Tensor]  # keys and values, each [heads, tokens, dim]


class SegmentStore:
    """Keys and values of segments, layer by layer."""

    def __init__(self) -> None:
        self._layers: dict[Segment, list[Layer]] = {}

    def __contains__(self, segment: Segment) -> bool:
        return segment in self._layers

    def append(self, segment: Segment, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Add the next layer of a segment."""
        self._layers.setdefault(segment, []).append((keys, values))

    def layers(self, segment: Segment) -> list[Layer]:
        """All layers of a segment."""
        return self._layers[segment]

    def drop(self, segment: Segment) -> None:
        """Forget a segment."""
        del self._layers[segment]

    def held(self) -> set[Segment]:
        """The segments that are there."""
        return set(self._layers)


class RowStore:
    """Keys and values of the tokens that one sample alone has: [heads, rows, room, dim] a layer.

    Row i has `lengths[i]` positions filled and zeros behind them.
    """

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.keys: list[torch.Tensor] = []
        self.values: list[torch.Tensor] = []

    @property
    def room(self) -> int:
        """Positions that each row has memory for."""
        return self.keys[0].shape[2] if self.keys else 0

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all rows but these; they keep their order."""
        picked = torch.tensor(rows, dtype=torch.long)
        for tensors in (self.keys, self.values):
            for index, tensor in enumerate(tensors):
                tensors[index] = tensor.index_select(1, picked.to(tensor.device))
        self.lengths = [self.lengths[row] for row in rows]

    def add(self, rows: Sequence[Sequence[list[Layer]]], like: list[Layer]) -> None:
        """Append rows, each given as the segments that fill it (none: an empty row). `like` shows shape and type."""
        first, lengths = len(self.lengths), [sum(layers[0][0].shape[1] for layers in segments) for segments in rows]
        self._resize(first + len(rows), max([*lengths, self.room]), like)
        for row, segments in enumerate(rows, start=first):
            start = 0
            for layers in segments:
                end = start + layers[0][0].shape[1]
                for index, (keys, values) in enumerate(layers):
                    self.keys[index][:, row, start:end] = keys
                    self.values[index][:, row, start:end] = values
                start = end
        self.lengths += lengths

    def grow(self) -> None:
        """Make room for one more position in every row."""
        if self.lengths and max(self.lengths) >= self.room:
            self._resize(len(self.lengths), self.room + 1, list(zip(self.keys, self.values, strict=True)))

    def _resize(self, rows: int, room: int, like: list[Layer]) -> None:
        held, filled = len(self.lengths), self.room
        step = _FEW if room <= _MANY else _MANY  # zeroing room for 256 takes longer than answering in ten
        room = max(-(-room // step), 1) * step
        for tensors, which in ((self.keys, 0), (self.values, 1)):
            for index, layer in enumerate(like):
                shape = (layer[which].shape[0], rows, room, layer[which].shape[-1])
                resized = layer[which].new_zeros(shape)
                if held:
                    resized[:, :held, :filled] = tensors[index]
                if index < len(tensors):
                    tensors[index] = resized
                else:
                    tensors.append(resized)


class ForwardPlan(Protocol):
    """Who sees what in one forward pass over packed tokens."""

    length: int

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """Attention of [heads, tokens, dim] queries; keys and values have fewer heads. Returns [tokens, heads, dim]."""
        ...


class Prefill:
    """A pass over whole segments, packed one behind another; ancestors are in the store or earlier in the pass."""

    def __init__(self, store: SegmentStore, segments: Sequence[Segment], device: torch.device) -> None:
        self.length = max(segment.end for segment in segments)
        self._store = store
        self._segments = segments
        self._masks = [
            torch.ones(len(s.tokens), s.end, dtype=torch.bool, device=device).tril_(s.start) if s.parent else None
            for s in segments
        ]

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """See ForwardPlan."""
        outputs, start = [], 0
        for segment, mask in zip(self._segments, self._masks, strict=True):
            end = start + len(segment.tokens)
            self._store.append(segment, key[:, start:end].contiguous(), value[:, start:end].contiguous())
            chain = [self._store.layers(ancestor)[layer] for ancestor in segment.chain()]
            outputs.append(
                F.scaled_dot_product_attention(
                    query[None, :, start:end],
                    torch.cat([keys for keys, _ in chain], dim=1)[None],
                    torch.cat([values for _, values in chain], dim=1)[None],
                    attn_mask=mask,
                    is_causal=mask is None,
                    scale=scaling,
                    enable_gqa=True,
                )[0]
            )
            start = end
        return torch.cat(outputs, dim=1).transpose(0, 1)


class Decode:
    """A pass over one new token of each live row.

    `ranges` says which neighbouring rows stand behind a shared segment: their queries meet its keys in one product. A
    score's column is the token's position for shared segments; behind those come the columns of the row's own tokens.
    `live` lists the rows that still run; an ended row costs its part of the attention until `RowStore.keep`.
    """

    def __init__(
        self,
        store: SegmentStore,
        rows: RowStore,
        ranges: Sequence[tuple[int, int, Segment]],
        live: Sequence[int],
        device: torch.device,
    ) -> None:
        rows.grow()
        lengths = torch.tensor(rows.lengths, device=device)
        self._layers = [(first, last, segment, store.layers(segment)) for first, last, segment in ranges]
        self._rows = rows
        self._live = torch.tensor(live, device=device)
        self._write_at = self._live * rows.room + lengths[self._live]
        self._shared_width = max((segment.end for _, _, segment in ranges), default=0)
        self._own_width = int(lengths.max()) + 1
        self._hidden = torch.arange(self._own_width, device=device) > lengths[:, None]
        self._scores: torch.Tensor | None = None
        self._bias: torch.Tensor | None = None
        self.length = self._shared_width + self._own_width
        for row in live:
            rows.lengths[row] += 1

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
    ) -> torch.Tensor:
        """See ForwardPlan."""
        heads, tokens, dim = key.shape
        rows, group = self._rows.keys[layer].shape[1], query.shape[0] // heads
        keys, values = self._rows.keys[layer], self._rows.values[layer]
        keys.view(heads, -1, dim).index_copy_(1, self._write_at, key)
        values.view(heads, -1, value.shape[-1]).index_copy_(1, self._write_at, value)
        # [heads, rows × group, dim]: the query heads of a row that share a key head stand side by side.
        query = (query * scaling).view(heads, group, tokens, dim).transpose(1, 2)
        if tokens < rows:
            query = query.new_zeros(heads, rows, group, dim).index_copy_(1, self._live, query)
        query = query.reshape(heads, rows * group, dim)
        scores = self._score(layer, query, keys, group)
        weights = scores.softmax(dim=-1, dtype=torch.float32).to(value.dtype)
        output = self._mix(layer, weights, values, group).view(heads, rows, group, -1)
        if tokens < rows:
            output = output.index_select(1, self._live)
        return output.transpose(0, 1).reshape(tokens, heads * group, -1)

    def _score(self, layer: int, query: torch.Tensor, keys: torch.Tensor, group: int) -> torch.Tensor:
        heads, rows, _, dim = keys.shape
        if self._scores is None or self._bias is None:
            # Columns that a row does not see stay -inf from layer to layer; all others are written anew.
            self._scores = query.new_full((heads, rows * group, self.length), -torch.inf)
            bias = query.new_zeros(rows, self._own_width).masked_fill_(self._hidden, -torch.inf)
            self._bias = bias.repeat(heads, 1)[:, None]
        for first, last, segment, layers in self._layers:
            part = slice(first * group, last * group)
            self._scores[:, part, segment.start : segment.end] = torch.bmm(query[:, part], layers[layer][0].mT)
        own = keys.view(heads * rows, -1, dim)[:, : self._own_width]
        self._scores.view(heads * rows, group, -1)[..., self._shared_width :] = torch.baddbmm(
            self._bias, query.view(heads * rows, group, dim), own.mT
        )
        return self._scores

    def _mix(self, layer: int, weights: torch.Tensor, values: torch.Tensor, group: int) -> torch.Tensor:
        heads, rows, room, dim = values.shape
        own = weights.view(heads * rows, group, -1)[..., self._shared_width :]
        mixed = torch.bmm(own, values.view(heads * rows, room, dim)[:, : self._own_width])
        mixed = mixed.view(heads, rows * group, dim)
        for first, last, segment, layers in self._layers:
            part = slice(first * group, last * group)
            # Not baddbmm_: on a processor it goes head by head where its result is a slice.
            mixed[:, part] += torch.bmm(weights[:, part, segment.start : segment.end], layers[layer][1])
        return mixed


def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    plan: ForwardPlan | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers' attention layers call. Tensors are [1, heads, tokens, dim], keys already rotated."""
    if plan is None:
        raise TypeError(f"{type(module).__name__} does not hand its keyword arguments on to attention")
    _refuse_unknown(options, plan.length)
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    layer: Any = module.layer_idx
    return plan.attend(layer, query[0], key[0], value[0], scaling)[None], None


def _refuse_unknown(options: dict[str, Any], length: int) -> None:
    """Raise UserError for what some families add to attention and this function does not have."""
    window = options.get("sliding_window")
    if window is not None and length > window:
        raise UserError(
            f"the transformers engine has no sliding window ({window} tokens here): use rollout.engine=vllm"
        )
    if options.get("softcap") is not None or options.get("s_aux") is not None:
        raise UserError("the transformers engine lacks this model's kind of attention: use rollout.engine=vllm")


AttentionInterface.register(ATTENTION_NAME, tree_attention)
