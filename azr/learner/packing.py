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

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, groupby, pairwise

import torch
from torch import Tensor

from azr.learner.sample import Sample


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


def pack(samples: Sequence[Sample], max_tokens: int) -> list[PackedBatch]:
    """All samples in micro-batches of at most `max_tokens` tokens, shared prefixes counted once.

    The micro-batches are those that make the fewest tokens: where to cut matters, since what two of them share is
    computed in both. A sample that is longer by itself gets a micro-batch of its own, and a budget that does not hold a
    prompt with its responses makes it be computed again. `PackedBatch.samples` indexes `samples`.
    """
    sequences = [sample.prompt_ids + sample.response_ids[:-1] for sample in samples]
    order = sorted(range(len(samples)), key=lambda index: (sequences[index], index))
    ordered = [sequences[index] for index in order]
    edges = [*_cheapest_cuts(ordered, max_tokens), len(order)]
    return [_lay_out(samples, sequences, order[start:end]) for start, end in pairwise(edges)]


def deal(samples: Sequence[Sample], hands: int) -> list[list[Sample]]:
    """Samples in `hands` parts of about the same number of prompts: prompts in turn, so that all roles are in each."""
    prompts: dict[tuple[int, ...], list[Sample]] = {}
    for sample in samples:
        prompts.setdefault(sample.prompt_ids, []).append(sample)
    groups = list(prompts.values())
    return [list(chain(*groups[hand::hands])) for hand in range(hands)]


def by_sample(batches: Sequence[PackedBatch], values: Sequence[Tensor]) -> list[tuple[float, ...]]:
    """Values [E] of each batch's response tokens as one tuple a sample, in the order of the packed samples."""
    found = [
        entry
        for batch, column in zip(batches, values, strict=True)
        for entry in zip(batch.samples.tolist(), batch.steps.tolist(), column.tolist(), strict=True)
    ]
    return [tuple(value for _, _, value in own) for _, own in groupby(sorted(found), key=lambda entry: entry[0])]


def _cheapest_cuts(sequences: Sequence[tuple[int, ...]], max_tokens: int) -> list[int]:
    """Where batches of neighbouring sequences begin, so that they have the fewest tokens together.

    By dynamic programming over the last batch; of equals it takes fewer batches, then a smaller largest one. A batch of
    i to j has the tokens of i and what each later one adds to the one before it: never fewer with an earlier i.
    """
    # Tokens that a sequence adds behind the one before it, summed up.
    added = list(accumulate(len(b) - _common_prefix(a, b) for a, b in pairwise([(), *sequences])))
    # For the first n sequences: tokens, batches, the largest batch's tokens, where the last batch begins.
    best = [(0, 0, 0, 0)]
    for end in range(len(sequences)):
        choices = []
        for start in range(end, -1, -1):
            tokens = len(sequences[start]) + added[end] - added[start]
            if tokens > max_tokens and start < end:
                break
            total, count, largest, _ = best[start]
            choices.append((total + tokens, count + 1, max(largest, tokens), start))
        best.append(min(choices))
    cuts = []
    end = len(sequences)
    while end:
        end = best[end][3]
        cuts.append(end)
    return cuts[::-1]


def _lay_out(samples: Sequence[Sample], sequences: Sequence[tuple[int, ...]], batch: Sequence[int]) -> PackedBatch:
    """One row for the samples of `batch`, which are in the order of their sequences: that order is the tree's own."""
    input_ids: list[int] = []
    position_ids: list[int] = []
    subtree_end: list[int] = []
    predictor_index: dict[tuple[int, float], int] = {}
    tokens: list[tuple[int, int, int, int]] = []  # predictor, target, sample, step
    path: list[int] = []  # places in the row of the current sequence's tokens
    previous: tuple[int, ...] = ()
    for index in batch:
        sequence = sequences[index]
        shared = _common_prefix(previous, sequence)
        for place in path[shared:]:
            subtree_end[place] = len(input_ids)
        start = len(input_ids)
        input_ids.extend(sequence[shared:])
        position_ids.extend(range(shared, len(sequence)))
        subtree_end.extend([0] * (len(sequence) - shared))
        path[shared:] = range(start, len(input_ids))
        previous = sequence

        sample = samples[index]
        for step, target in enumerate(sample.response_ids):
            key = (path[len(sample.prompt_ids) - 1 + step], sample.temperature)
            predictor = predictor_index.setdefault(key, len(predictor_index))
            tokens.append((predictor, target, index, step))
    for place in path:
        subtree_end[place] = len(input_ids)

    tokens.sort()
    predictor_of, targets, owners, steps = (torch.tensor(column) for column in zip(*tokens, strict=True))
    return PackedBatch(
        input_ids=torch.tensor(input_ids),
        position_ids=torch.tensor(position_ids),
        subtree_end=torch.tensor(subtree_end),
        predictors=torch.tensor([place for place, _ in predictor_index]),
        temperatures=torch.tensor([temperature for _, temperature in predictor_index]),
        predictor_of=predictor_of,
        targets=targets,
        samples=owners,
        steps=steps,
    )


def _common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many leading tokens the two have in common."""
    for count, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return count
    return min(len(left), len(right))
