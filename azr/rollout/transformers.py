"""Sampling from the learner's own module, for machines without vLLM.

Prompts are a prefix tree: what several begin with is computed once, and read by all its samples from one place. Samples
are admitted while memory for their longest course is there, and leave the batch when they end. What was left out:
caching between calls (the weights have changed by then), speculative decoding, sliding windows (it refuses them).
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import torch
from transformers import PreTrainedModel

from azr.config.fields import TailConfig
from azr.errors import UserError
from azr.policy.model import Policy
from azr.rollout.ending import finish, hits_stop
from azr.rollout.engine import Completion, OnDone, Request, refuse_pictured
from azr.rollout.prefix_tree import Segment, build_prefix_tree
from azr.rollout.sampling import sample, uniforms
from azr.rollout.tail import CUT_NOTHING, Tail
from azr.rollout.tree_attention import ATTENTION_NAME, Decode, ForwardPlan, Prefill, RowStore, SegmentStore

_MAX_ROWS = 128  # more gain little, and each holds a row of logits
_PREFILL_TOKENS = 2048  # prompt tokens in one forward pass
_REFILL_BELOW = 0.75  # samples are admitted in batches, once so few of the last batch still run


@dataclass(slots=True)
class _Sample:
    """A sample under way. `shared` segments are read by others too; `private` ones lie in the sample's own row."""

    request: int
    index: int
    chain: tuple[Segment, ...]
    shared: tuple[Segment, ...]
    private: tuple[Segment, ...]
    room: int  # positions that its row may come to hold
    uniforms: np.ndarray
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


class TransformersEngine:
    """Implements azr.rollout.engine.Engine."""

    name = "transformers"
    has_weights = False

    def __init__(self, policy: Policy, max_batch_tokens: int, tail: TailConfig = CUT_NOTHING) -> None:
        """`max_batch_tokens` bounds the key/value positions held at once, `tail` a call's last samples.

        Raises UserError for a model that does not use transformers' attention interface.
        """
        if not policy.base._can_set_attn_implementation():
            raise UserError(f"{type(policy.base).__name__} has attention of its own: use rollout.engine=vllm")
        self._policy = policy
        self._model = policy.base
        self._max_batch_tokens = max_batch_tokens
        self._tail = tail

    def generate(self, requests: Sequence[Request], on_done: OnDone | None = None) -> list[list[Completion]]:
        """See Engine. Raises UserError for a sample that `max_batch_tokens` has no room for, and for images."""
        refuse_pictured(requests)
        if not requests:
            return []
        with _sampling_mode(self._model):
            tail = Tail(self._tail, requests)
            return _Generation(self._policy, self._model, requests, on_done, self._max_batch_tokens, tail).run()

    def rest(self) -> None:
        """See Engine. Between calls it holds no memory of its own."""

    def update_weights(self, model: torch.nn.Module) -> None:
        """See Engine. The weights are the learner's own, and nothing is cached between calls."""

    def close(self) -> None:
        """See Engine. The model belongs to the policy."""


def most_positions(max_batch_tokens: int, longest: int) -> int:
    """The most key/value positions that samples of at most `longest` tokens make the engine hold at once."""
    return min(max_batch_tokens, _MAX_ROWS * longest)


class _Generation:
    """One call of `generate`: samples wait, run, and end."""

    def __init__(
        self,
        policy: Policy,
        model: PreTrainedModel,
        requests: Sequence[Request],
        on_done: OnDone | None,
        max_batch_tokens: int,
        tail: Tail,
    ) -> None:
        self._tokenizer, self._device, self._eos = policy.tokenizer, policy.device, policy.eos_ids
        self._model = model
        self._requests = requests
        self._on_done = on_done
        self._max_batch_tokens = max_batch_tokens
        self._tail = tail
        self._done: list[dict[int, Completion]] = [{} for _ in requests]
        self._waiting = deque(_in_order(requests))
        self._users = Counter(segment for one in self._waiting for segment in one.chain)
        self._store, self._row_store = SegmentStore(), RowStore()
        self._rows: list[_Sample] = []  # as in the row store; some may have ended
        self._live: list[int] = []  # the rows that still run
        self._last_admitted = 0  # live rows after the last admission
        self._leaf_logits: dict[Segment, torch.Tensor] = {}
        self._ranges: list[tuple[int, int, Segment]] = []

    def run(self) -> list[list[Completion]]:
        while self._waiting or self._live:
            self._admit()
            if self._live:
                self._decode()
        return [
            [done[index] for index in range(request.n)]
            for request, done in zip(self._requests, self._done, strict=True)
        ]

    def _admit(self) -> None:
        """Let waiting samples in, if enough have ended since the last time, and give each its first token."""
        if not self._waiting or len(self._live) > _REFILL_BELOW * self._last_admitted:
            return
        self._compact()
        newcomers = self._take_fitting()
        if not newcomers:
            return
        self._prefill(newcomers)
        self._row_store.add(
            [[self._store.layers(segment) for segment in one.private] for one in newcomers],
            like=self._store.layers(newcomers[0].chain[0]),
        )
        for segment in {segment for one in newcomers for segment in one.private}:
            self._store.drop(segment)
        first = len(self._rows)
        self._rows += newcomers
        self._live += range(first, len(self._rows))
        self._last_admitted = len(self._live)
        self._ranges = _shared_ranges(self._rows)
        self._extend(
            list(range(first, len(self._rows))), torch.stack([self._leaf_logits[one.chain[-1]] for one in newcomers])
        )
        needed = {one.chain[-1] for one in self._waiting}
        self._leaf_logits = {leaf: logits for leaf, logits in self._leaf_logits.items() if leaf in needed}

    def _take_fitting(self) -> list[_Sample]:
        """As many waiting samples as memory allows, in order."""
        taken: list[_Sample] = []
        room = max((self._rows[row].room for row in self._live), default=0)
        segments = self._store.held()
        while self._waiting and len(self._live) + len(taken) < _MAX_ROWS:
            one = self._waiting[0]
            room, segments = max(room, one.room), segments | set(one.shared)
            held = (len(self._live) + len(taken) + 1) * room + sum(len(segment.tokens) for segment in segments)
            if held > self._max_batch_tokens:
                break
            taken.append(self._waiting.popleft())
        if not taken and not self._live:
            raise UserError(
                f"one sample takes {held} tokens: raise rollout.max_batch_tokens (now {self._max_batch_tokens})"
            )
        return taken

    def _prefill(self, newcomers: list[_Sample]) -> None:
        """Compute the segments that are not there yet, and the logits behind each prompt."""
        missing = [s for s in dict.fromkeys(s for one in newcomers for s in one.chain) if s not in self._store]
        leaves = {one.chain[-1] for one in newcomers}
        for segments in _passes(missing):
            ends = np.cumsum([len(segment.tokens) for segment in segments]) - 1
            logits = self._forward(
                [token for segment in segments for token in segment.tokens],
                [position for segment in segments for position in range(segment.start, segment.end)],
                Prefill(self._store, segments, self._device),
                predict=torch.from_numpy(ends).to(self._device),
            )
            for segment, row in zip(segments, logits, strict=True):
                if segment in leaves:
                    self._leaf_logits[segment] = row.clone()

    def _decode(self) -> None:
        """One more token for each live sample."""
        if len(self._live) < _REFILL_BELOW * len(self._rows):
            self._compact()
        running = [self._rows[row] for row in self._live]
        logits = self._forward(
            [one.token_ids[-1] for one in running],
            [one.chain[-1].end + len(one.token_ids) - 1 for one in running],
            Decode(self._store, self._row_store, self._ranges, self._live, self._device),
        )
        self._extend(self._live, logits)

    def _forward(
        self, token_ids: list[int], positions: list[int], plan: ForwardPlan, predict: torch.Tensor | int = 0
    ) -> torch.Tensor:
        """Logits [tokens, vocabulary] in fp32 of packed tokens, or of those that `predict` picks."""
        return (
            self._model(
                input_ids=torch.tensor([token_ids], device=self._device),
                position_ids=torch.tensor([positions], device=self._device),
                use_cache=False,
                logits_to_keep=predict,
                plan=plan,
            )
            .logits[0]
            .float()
        )

    def _extend(self, rows: list[int], logits: torch.Tensor) -> None:
        """Sample the next token of these rows; let go of those that end."""
        running = [self._rows[row] for row in rows]
        asked = [self._requests[one.request] for one in running]
        chosen, logprobs = sample(
            logits,
            torch.tensor([request.temperature for request in asked], device=self._device),
            torch.tensor([request.top_p for request in asked], device=self._device),
            torch.tensor([one.uniforms[len(one.token_ids)] for one in running], device=self._device),
        )
        ended = set()
        for row, one, token, logprob in zip(rows, running, chosen.tolist(), logprobs.tolist(), strict=True):
            one.token_ids.append(token)
            one.logprobs.append(logprob)
            if self._ends(one):
                ended.add(row)
        if ended:
            self._live = [row for row in self._live if row not in ended]
            for row in sorted(ended):
                self._finish(self._rows[row])
            under_way = [self._rows[row] for row in self._live]
            self._tail.settle((self._requests[one.request], len(one.token_ids)) for one in under_way)

    def _ends(self, one: _Sample) -> bool:
        request = self._requests[one.request]
        return (
            one.token_ids[-1] in self._eos
            or len(one.token_ids) >= self._tail.most(request)
            or hits_stop(self._tokenizer, one.token_ids, request.stop)
        )

    def _finish(self, one: _Sample) -> None:
        """Keep the completion, report a request whose last sample this was."""
        request = self._requests[one.request]
        stopped = one.token_ids[-1] in self._eos or hits_stop(self._tokenizer, one.token_ids, request.stop)
        length, done = len(one.token_ids), self._done[one.request]
        cut = not stopped and length < request.max_tokens
        done[one.index] = finish(self._tokenizer, one.token_ids, one.logprobs, request.stop, not stopped, cut)
        self._tail.end(request, length)
        self._users.subtract(one.chain)
        if len(done) == request.n and self._on_done is not None:
            self._on_done(one.request, [done[index] for index in range(request.n)])

    def _compact(self) -> None:
        """Give back the memory of ended samples, and of segments that nobody will read again."""
        if len(self._live) < len(self._rows):
            self._row_store.keep(self._live)
            self._rows = [self._rows[row] for row in self._live]
            self._live = list(range(len(self._rows)))
            self._ranges = _shared_ranges(self._rows)
        for segment in [segment for segment, users in self._users.items() if users == 0]:
            del self._users[segment]
            if segment in self._store:
                self._store.drop(segment)


@contextmanager
def _sampling_mode(model: PreTrainedModel) -> Iterator[None]:
    """Evaluation mode, no gradients, tree attention; everything as before afterwards."""
    training, attention = model.training, model.config._attn_implementation
    model.eval()
    model.set_attn_implementation(ATTENTION_NAME)
    try:
        with torch.no_grad():
            yield
    finally:
        model.set_attn_implementation(attention)
        model.train(training)


def _in_order(requests: Sequence[Request]) -> list[_Sample]:
    """All samples, those with a common beginning side by side, and groups of them with the longest course first."""
    leaves = build_prefix_tree([request.prompt_ids for request in requests])
    users: Counter[Segment] = Counter()
    for request, leaf in zip(requests, leaves, strict=True):
        users.update(dict.fromkeys(leaf.chain(), request.n))
    samples = [
        _new_sample(i, index, requests[i], leaves[i].chain(), users)
        for i in sorted(range(len(requests)), key=lambda i: requests[i].prompt_ids)
        for index in range(requests[i].n)
    ]
    groups = [list(group) for _, group in groupby(samples, key=lambda one: one.chain[0])]
    groups.sort(key=lambda group: max(one.room for one in group), reverse=True)
    return [one for group in groups for one in group]


def _new_sample(i: int, index: int, request: Request, chain: tuple[Segment, ...], users: Counter[Segment]) -> _Sample:
    shared = tuple(segment for segment in chain if users[segment] > 1)
    private = chain[len(shared) :]
    room = sum(len(segment.tokens) for segment in private) + request.max_tokens
    return _Sample(i, index, chain, shared, private, room, uniforms(request.seed, index, request.max_tokens))


def _shared_ranges(rows: Sequence[_Sample]) -> list[tuple[int, int, Segment]]:
    """Neighbouring rows behind one shared segment, as (first, after the last, segment)."""
    ranges: list[tuple[int, int, Segment]] = []
    for depth in range(max((len(one.shared) for one in rows), default=0)):
        at_depth = [one.shared[depth] if depth < len(one.shared) else None for one in rows]
        first = 0
        for segment, run in groupby(at_depth):
            last = first + len(list(run))
            if segment is not None:
                ranges.append((first, last, segment))
            first = last
    return ranges


def _passes(segments: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Segments in their order, cut into forward passes."""
    batch: list[Segment] = []
    for segment in segments:
        if batch and sum(len(one.tokens) for one in batch) + len(segment.tokens) > _PREFILL_TOKENS:
            yield batch
            batch = []
        batch.append(segment)
    if batch:
        yield batch
