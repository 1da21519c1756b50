"""From logits to tokens: one uniform number a token, read off the cumulative distribution.

A row's numbers come from its request's seed alone, so its tokens do not depend on what else is in the batch.
"""

import numpy as np
import torch


def uniforms(seed: int, sample: int, count: int) -> np.ndarray:
    """The numbers in [0, 1) that decide a sample's tokens, shape [count], float32."""
    key = np.array([seed & 0xFFFF_FFFF_FFFF_FFFF, sample], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).random(count, dtype=np.float32)


def sample(
    logits: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One token a row. `logits` is [rows, vocabulary] in fp32 and is overwritten; the rest is [rows].

    Temperature 0 takes the likeliest token. Returns the token ids and their log-probabilities under
    softmax(logits / temperature), before any top-p cut (temperature 1 where it is 0), each [rows].
    """
    greedy = temperature == 0
    logits /= torch.where(greedy, 1.0, temperature)[:, None]
    peak = logits.amax(dim=-1, keepdim=True)
    weights = torch.exp(logits - peak)
    cumulative = weights.cumsum(dim=-1)
    total = cumulative[:, -1:]
    # right=True: the first entry above the mark, so that a token of weight zero is never drawn.
    chosen = torch.searchsorted(cumulative, uniform[:, None] * total, right=True).clamp_(max=logits.shape[-1] - 1)
    if bool(greedy.any()):
        chosen[greedy] = logits[greedy].argmax(dim=-1, keepdim=True)
    cut = (top_p < 1) & ~greedy
    if bool(cut.any()):
        chosen[cut] = _sample_nucleus(weights[cut] / total[cut], top_p[cut], uniform[cut])
    # The sum, not the running one: rounding adds up along a vocabulary.
    logprobs = logits.gather(-1, chosen) - peak - weights.sum(dim=-1, keepdim=True).log()
    return chosen[:, 0], logprobs[:, 0]


def _sample_nucleus(probabilities: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """One token a row from the fewest tokens that together reach `top_p` (Holtzman et al. 2020), as [rows, 1]."""
    ordered, ids = probabilities.sort(dim=-1, descending=True, stable=True)
    cumulative = ordered.cumsum(dim=-1)
    # A token stays if those before it have not reached top_p; the first always stays.
    kept = ((cumulative - ordered) < top_p[:, None]).sum(dim=-1, keepdim=True).clamp_(min=1)
    mass = cumulative.gather(-1, kept - 1)
    rank = torch.searchsorted(cumulative, uniform[:, None] * mass, right=True)
    return ids.gather(-1, torch.minimum(rank, kept - 1))
