"""What an update says about itself: numbers over the response tokens that it trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from azr.learner.loss import Objective, importance_weights


@dataclass(frozen=True)
class TokenRecord:
    """Per response token, [E] each: what was known before the update and what the forward pass found."""

    logprobs: Tensor
    old_logprobs: Tensor
    engine_logprobs: Tensor
    advantages: Tensor
    entropies: Tensor

    @classmethod
    def of(cls, objective: Objective, logprobs: Tensor, entropies: Tensor) -> "TokenRecord":
        """The record of a micro-batch."""
        old = logprobs if objective.old_logprobs is None else objective.old_logprobs
        return cls(logprobs, old, objective.engine_logprobs, objective.advantages, entropies)


def summary(records: Sequence[TokenRecord], clip: float, importance_cap: float) -> dict[str, float]:
    """Means and extremes over all tokens; nothing for no records.

    `entropy` is in nats, `ratio_*` are π / π_old, `clip_fraction` counts the tokens whose gradient the clipping took
    away, `engine_logprob_diff_*` are |log π_old - log π_engine|, and `importance_weight_mean` is the mean of the
    truncated importance weights (1 where they are off).
    """
    if not records:
        return {}
    tokens = TokenRecord(*(torch.cat([getattr(record, f.name) for record in records]) for f in fields(TokenRecord)))
    ratio = torch.exp(tokens.logprobs - tokens.old_logprobs)
    clipped = torch.where(tokens.advantages > 0, ratio > 1 + clip, ratio < 1 - clip)
    difference = (tokens.old_logprobs - tokens.engine_logprobs).abs()
    trust = torch.ones_like(ratio)
    if importance_cap:
        trust = importance_weights(tokens.old_logprobs, tokens.engine_logprobs, importance_cap)
    return {
        "entropy": tokens.entropies.mean().item(),
        "ratio_mean": ratio.mean().item(),
        "ratio_max": ratio.max().item(),
        "ratio_min": ratio.min().item(),
        "clip_fraction": clipped.float().mean().item(),
        "engine_logprob_diff_mean": difference.mean().item(),
        "engine_logprob_diff_max": difference.max().item(),
        "importance_weight_mean": trust.mean().item(),
    }
