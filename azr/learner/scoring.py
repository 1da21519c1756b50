"""How likely a model finds responses that are there: packed as the learner packs them, and nothing trained."""

from collections.abc import Iterator, Sequence

import torch

from azr.config.fields import AttentionKernel
from azr.learner.attention import tree_attention, tree_mask
from azr.learner.forward import hidden_states, output_matrix
from azr.learner.loss import token_logprobs
from azr.learner.packing import by_sample, pack
from azr.learner.sample import Sample
from azr.policy.model import Policy

PACKED_TOGETHER = 512  # samples among which the best cuts are sought


@torch.no_grad()
def sample_logprobs(
    policy: Policy, samples: Sequence[Sample], max_batch_tokens: int, logit_chunk: int
) -> Iterator[tuple[float, ...]]:
    """Each sample's log-probabilities, one a response token, in the order of the samples, at their own temperatures.

    They come as soon as the samples around them are done: what is shared by PACKED_TOGETHER neighbours is computed once
    (azr/learner/packing.py). `max_batch_tokens` are in a row at once, and `logit_chunk` predicted tokens' logits in
    memory. Raises ValueError for a model whose output layer isn't one plain matrix.
    """
    head = output_matrix(policy)
    for start in range(0, len(samples), PACKED_TOGETHER):
        packed = pack(samples[start : start + PACKED_TOGETHER], max_batch_tokens)
        batches = [batch.to(policy.device) for batch in packed]
        found = []
        with tree_attention(policy.base.config, AttentionKernel.DENSE):
            for batch in batches:
                hidden = hidden_states(policy.base, batch, tree_mask(AttentionKernel.DENSE, batch.subtree_end))
                found.append(token_logprobs(hidden, head, batch, logit_chunk))
        yield from by_sample(batches, found)
