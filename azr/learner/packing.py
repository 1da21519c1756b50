"""Prefix-tree packing: what samples have in common is computed once.

Samples become sequences of tokens (prompt, then response), and sequences with a common head share one copy of it: the
instructions and examples of two prompts, a prompt of eight responses, the first tokens of two responses alike. The tree
is laid out depth first in one row of tokens. A token then sees exactly its ancestors, which in this order are the
earlier tokens whose subtree is still open:

    token i sees token j   ⇔   j ≤ i < subtree_end[j]

and its position is its depth. So two trees in a row, two responses of a prompt and padding keep apart by the same rule,
and log-probabilities and gradients are those of separate rows. The last token of a response predicts nothing and is
left out.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise

import numpy as np
import torch
from torch import Tensor

from azr.learner.sample import Sample
from azr.ranks.group import deal_by_size

_EVEN = 1.1  # the busiest hand's part of an even share, up to which nothing is cut for it
_ROOMS = (1.0, 1.1, 1.25, 1.5, 2.0)  # budgets that are tried for several hands, over an even share


@dataclass(frozen=True)
class PackedBatch:
    """A micro-batch of T tokens that predicts E response tokens at P places.

    A *predictor* is a token of the row together with a temperature; several response tokens may share one (the first
    tokens of a prompt's responses always do). Response tokens are ordered by predictor.
    """

    input_ids: Tensor  # [T] int64
    position_ids: Tensor  # [T] int64, depth in the tree
    subtree_end: Tensor  # [T] int64, one past the last token that sees this one
    predictors: Tensor  # [P] int64, places in the row
    temperatures: Tensor  # [P] float32
    predictor_of: Tensor  # [E] int64, which predictor foretells response token e; ascending
    targets: Tensor  # [E] int64, the response token itself
    samples: Tensor  # [E] int64, the sample it belongs to, as an index into what was packed
    steps: Tensor  # [E] int64, its place in that sample's response

    def to(self, device: torch.device) -> "PackedBatch":
        """The same batch on another device."""
        return PackedBatch(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def pack(samples: Sequence[Sample], max_tokens: int, hands: int = 1) -> list[PackedBatch]:
    """All samples in micro-batches of at most `max_tokens` tokens, shared prefixes counted once.

    The micro-batches are those that make the fewest tokens: where to cut matters, since what two of them share is
    computed in both. Where they are dealt to several `hands`, they are smaller, so that each has about as much to
    compute. A sample that is longer by itself gets a micro-batch of its own, and a budget that does not hold a
    prompt with its responses makes it be computed again. `PackedBatch.samples` indexes `samples`.
    """
    # Sorted as tuples, whose comparison ends at the first difference, and worked on as arrays.
    tuples = [sample.prompt_ids + sample.response_ids[:-1] for sample in samples]
    order = sorted(range(len(samples)), key=lambda index: (tuples[index], index))
    sequences = [np.array(tuples[index]) for index in order]
    shared = [0, *(_common_prefix(left, right) for left, right in pairwise(sequences))][: len(order)]
    edges = [*_even_cuts([len(sequence) for sequence in sequences], shared, max_tokens, hands), len(order)]
    return [
        _lay_out([_Placed(samples[order[i]], order[i], sequences[i], shared[i]) for i in range(start, end)])
        for start, end in pairwise(edges)
    ]


def deal(samples: Sequence[Sample], hands: int) -> list[list[Sample]]:
    """Samples in `hands` parts of about the same number of prompts: prompts in turn, so that all roles are in each."""
    prompts: dict[tuple[int, ...], list[Sample]] = {}
    for sample in samples:
        prompts.setdefault(sample.prompt_ids, []).append(sample)
    groups = list(prompts.values())
    return [list(chain(*groups[hand::hands])) for hand in range(hands)]


def alike_in_rate(samples: Sequence[Sample]) -> list[list[Sample]]:
    """The samples of each learning rate by themselves, in the order in which the rates first come."""
    rates = dict.fromkeys(sample.learning_rate for sample in samples)
    return [[sample for sample in samples if sample.learning_rate == rate] for rate in rates]


def per_token(batch: PackedBatch, column: Callable[[int], Sequence[float]]) -> Tensor:
    """Of each packed sample one number a response token, as float32 [E] in the batch's order.

    `column(index)` has the numbers of the sample of that index, all of them.
    """
    owners = batch.samples.numpy()
    present = np.unique(owners)
    columns = [np.array(column(index), dtype=np.float64) for index in present]
    starts = np.zeros(present[-1] + 1, dtype=np.int64)
    starts[present] = np.cumsum([0, *map(len, columns[:-1])])
    return torch.from_numpy(np.concatenate(columns)[starts[owners] + batch.steps.numpy()].astype(np.float32))


def by_sample(batches: Sequence[PackedBatch], values: Sequence[Tensor]) -> list[tuple[float, ...]]:
    """Values [E] of each batch's response tokens as one tuple a sample, in the order of the packed samples."""
    if not batches:
        return []
    owners, steps, found = (
        torch.cat([column.cpu() for column in columns]).numpy()
        for columns in ([b.samples for b in batches], [b.steps for b in batches], values)
    )
    in_order = np.lexsort((steps, owners))
    edges = np.flatnonzero(np.diff(owners[in_order])) + 1
    return [tuple(own.tolist()) for own in np.split(found[in_order], edges)]


def _even_cuts(lengths: Sequence[int], shared: Sequence[int], max_tokens: int, hands: int) -> list[int]:
    """Where batches begin: as for one hand, where that gives all hands about as much; else so that it does.

    One batch more than there are hands keeps all but one of them waiting. So smaller budgets are tried that give each
    hand the same number of batches, with some room for what does not fill them, and those cuts are taken with which
    the busiest hand computes least.
    """
    whole = _cheapest_cuts(lengths, shared, max_tokens)
    total = sum(_sizes(whole, lengths, shared))

    def busiest(cuts: list[int]) -> int:
        sizes = _sizes(cuts, lengths, shared)
        return max(sum(sizes[index] for index in hand) for hand in deal_by_size(sizes, hands))

    if hands == 1 or busiest(whole) <= _EVEN * total / hands:
        return whole
    fewest = math.ceil(total / (hands * max_tokens))  # batches a hand
    budgets = {
        min(max_tokens, math.ceil(total * room / (hands * count))) for count in (fewest, fewest + 1) for room in _ROOMS
    }
    choices = [whole, *(_cheapest_cuts(lengths, shared, budget) for budget in sorted(budgets, reverse=True))]
    return min(choices, key=busiest)  # of equals the first, which has the fewest batches


def _sizes(cuts: Sequence[int], lengths: Sequence[int], shared: Sequence[int]) -> list[int]:
    """The tokens of each batch."""
    added = [length - common for length, common in zip(lengths, shared, strict=True)]
    return [shared[start] + sum(added[start:end]) for start, end in pairwise([*cuts, len(lengths)])]


def _cheapest_cuts(lengths: Sequence[int], shared: Sequence[int], max_tokens: int) -> list[int]:
    """Where batches of neighbouring sequences begin, so that they have the fewest tokens together.

    `shared[i]` is how many leading tokens sequence i has in common with the one before it. By dynamic programming over
    the last batch; of equals it takes fewer batches, then a smaller largest one. A batch of i to j has the tokens of i
    and what each later one adds to the one before it: never fewer with an earlier i.
    """
    # Tokens that a sequence adds behind the one before it, summed up.
    added = list(accumulate(length - common for length, common in zip(lengths, shared, strict=True)))
    # For the first n sequences: tokens, batches, the largest batch's tokens, where the last batch begins.
    best = [(0, 0, 0, 0)]
    for end in range(len(lengths)):
        choices = []
        for start in range(end, -1, -1):
            tokens = lengths[start] + added[end] - added[start]
            if tokens > max_tokens and start < end:
                break
            total, count, largest, _ = best[start]
            choices.append((total + tokens, count + 1, max(largest, tokens), start))
        best.append(min(choices))
    cuts = []
    end = len(lengths)
    while end:
        end = best[end][3]
        cuts.append(end)
    return cuts[::-1]


@dataclass(frozen=True)
class _Placed:
    """A sample in the order of the sequences: its index, its tokens but the last, how many the one before it shares."""

    sample: Sample
    index: int
    sequence: np.ndarray
    shared: int


def _lay_out(batch: Sequence[_Placed]) -> PackedBatch:
    """One row for the samples of `batch`, which are in the order of their sequences: that order is the tree's own."""
    shared = [0, *(placed.shared for placed in batch[1:])]  # a row begins anew
    starts = [0, *accumulate(len(placed.sequence) - own for placed, own in zip(batch, shared, strict=True))]
    subtree_end = np.empty(starts[-1], dtype=np.int64)
    path = np.empty(max(len(placed.sequence) for placed in batch), dtype=np.int64)  # places of the current sequence
    depth = 0
    predicting = []  # places in the row, of all response tokens
    for placed, own, start in zip(batch, shared, starts, strict=False):
        subtree_end[path[own:depth]] = start
        depth = len(placed.sequence)
        path[own:depth] = np.arange(start, start + depth - own)
        first = len(placed.sample.prompt_ids) - 1
        predicting.append(path[first : first + len(placed.sample.response_ids)].copy())
    subtree_end[path[:depth]] = starts[-1]
    return PackedBatch(
        input_ids=_joined([placed.sequence[own:] for placed, own in zip(batch, shared, strict=True)]),
        position_ids=_joined([np.arange(own, len(p.sequence)) for p, own in zip(batch, shared, strict=True)]),
        subtree_end=torch.from_numpy(subtree_end),
        **_predictions(batch, predicting),
    )


def _predictions(batch: Sequence[_Placed], predicting: Sequence[np.ndarray]) -> dict[str, Tensor]:
    """The columns of predictors, which are numbered as they first appear, and of response tokens, by predictor."""
    lengths = [len(places) for places in predicting]
    temperatures = list(dict.fromkeys(placed.sample.temperature for placed in batch))
    kinds = np.repeat([temperatures.index(placed.sample.temperature) for placed in batch], lengths)
    keys = np.concatenate(predicting) * len(temperatures) + kinds
    distinct, firsts, inverse = np.unique(keys, return_index=True, return_inverse=True)
    by_appearance = np.argsort(firsts)
    number = np.empty_like(by_appearance)
    number[by_appearance] = np.arange(len(distinct))
    predictor_of = number[inverse]
    targets = np.concatenate([np.array(placed.sample.response_ids) for placed in batch])
    owners = np.repeat([placed.index for placed in batch], lengths)
    steps = np.concatenate([np.arange(length) for length in lengths])
    order = np.lexsort((steps, owners, targets, predictor_of))
    places, kinds = np.divmod(distinct[by_appearance], len(temperatures))
    return {
        "predictors": torch.from_numpy(places),
        "temperatures": torch.tensor(temperatures)[torch.from_numpy(kinds)],
        "predictor_of": torch.from_numpy(predictor_of[order]),
        "targets": torch.from_numpy(targets[order]),
        "samples": torch.from_numpy(owners[order]),
        "steps": torch.from_numpy(steps[order]),
    }


def _joined(parts: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts))


def _common_prefix(left: np.ndarray, right: np.ndarray) -> int:
    """How many leading tokens the two have in common."""
    length = min(len(left), len(right))
    differs = left[:length] != right[:length]
    return int(differs.argmax()) if differs.any() else length
