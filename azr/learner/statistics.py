"""What an update says about itself: numbers over the response tokens that it trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from azr.learner.formula import Formula
from azr.learner.kl import divergence
from azr.learner.loss import Objective

UNSURE = 0.5  # a token that the engine held for less likely is one that it was unsure of


@dataclass(frozen=True)
class TokenRecord:
    """Per response token, [E] each: what was known before the update and what the forward pass found."""

    old_logprobs: Tensor
    engine_logprobs: Tensor
    advantages: Tensor
    entropies: Tensor
    ratios: Tensor
    trust: Tensor
    divergences: Tensor  # empty without a KL term in the loss

    @classmethod
    @torch.no_grad()
    def of(cls, objective: Objective, logprobs: Tensor, entropies: Tensor) -> "TokenRecord":
        """The record of a micro-batch."""
        every = slice(None)
        paid = logprobs.new_zeros(0)
        if objective.formula.kl_in_loss and objective.start_logprobs is not None:
            paid = divergence(objective.formula.kl.estimator, logprobs, objective.start_logprobs)
        return cls(
            logprobs if objective.old_logprobs is None else objective.old_logprobs,
            objective.engine_logprobs,
            objective.advantages,
            entropies,
            objective.ratio(logprobs, every),
            objective.trust(logprobs, every),
            paid,
        )

    def on_host(self) -> "TokenRecord":
        """The same, in the host's memory."""
        return TokenRecord(*(getattr(self, field.name).cpu() for field in fields(self)))


def summary(records: Sequence[TokenRecord], formula: Formula) -> dict[str, float]:
    """Means and extremes over all tokens; nothing for no records.

    `entropy` is in nats, `ratio_*` are π / π_old, `clip_fraction` counts the tokens whose gradient the clipping took
    away or capped. Of engine and learner: `engine_logprob_diff_*` are |log π_old - log π_engine|, `_unsure` that of the
    tokens which the engine held for less likely than one half (absent where there are none); `importance_weight_mean`
    is the mean of the weights (1 where they are off), `importance_truncated` the share of tokens whose weight the cap
    cut, `importance_masked` that of tokens whose response was left out, and `importance_effective` the effective sample
    size (Σ w)² / Σ w² as a share of the tokens. `kl` is the estimated divergence from the start, where it is in the
    loss.
    """
    if not records:
        return {}
    tokens = TokenRecord(*(torch.cat([getattr(record, f.name) for record in records]) for f in fields(TokenRecord)))
    clipped = formula.clip.bites(tokens.ratios, tokens.advantages)
    return {
        "entropy": tokens.entropies.mean().item(),
        "ratio_mean": tokens.ratios.mean().item(),
        "ratio_max": tokens.ratios.max().item(),
        "ratio_min": tokens.ratios.min().item(),
        "clip_fraction": clipped.float().mean().item(),
        **_mismatch(tokens, formula),
        **({"kl": tokens.divergences.mean().item()} if len(tokens.divergences) else {}),
    }


def _mismatch(tokens: TokenRecord, formula: Formula) -> dict[str, float]:
    """How far engine and learner are apart, and what was done about it."""
    difference = tokens.old_logprobs - tokens.engine_logprobs
    unsure = difference.abs()[tokens.engine_logprobs.exp() < UNSURE]
    masked = tokens.trust == 0
    cut = torch.exp(difference) > formula.importance_cap if formula.importance_cap else torch.zeros_like(masked)
    squares = tokens.trust.square().sum()
    return {
        "engine_logprob_diff_mean": difference.abs().mean().item(),
        "engine_logprob_diff_max": difference.abs().max().item(),
        **({"engine_logprob_diff_unsure": unsure.mean().item()} if len(unsure) else {}),
        "importance_weight_mean": tokens.trust.mean().item(),
        "importance_truncated": cut.float().mean().item(),
        "importance_masked": masked.float().mean().item(),
        "importance_effective": (tokens.trust.sum().square() / (squares * len(masked))).item() if squares else 0.0,
    }
