"""Clipping: how far from its old probability a token may still pull.

With ratio = π / π_old and advantage A, what a token gains is

    ppo:    min(ratio · A, clip(ratio, 1 - low, 1 + high) · A)
    cispo:  constant(clip(ratio, 1 - low, 1 + high)) · A · log π

PPO: Schulman et al. 2017 (arXiv 1707.06347), equation 7, with low = high; two halves of their own are DAPO's
clip-higher (Yu et al. 2025, arXiv 2503.14476, section 3.1). Dual clip: where A < 0 the gain is at least dual · A (Ye et
al. 2020, arXiv 1912.09729, equation 5). CISPO: MiniMax 2025 (MiniMax-M1, arXiv 2506.13585, equations 4 and 5).

CISPO's cap is 1 + high here, as in MiniMax's paper and in verl; TRL's `epsilon_high` and ScaleRL's ε_max are the cap
itself, so that their 5 is high = 4 here.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from azr.config.fields import Clipping


@dataclass(frozen=True)
class Clip:
    """The bounds. `low` None: no bound below. `dual` None: no bound on what an unlikely failure costs."""

    low: float | None
    high: float
    dual: float | None = None
    form: Clipping = Clipping.PPO

    def gain(self, ratio: Tensor, logprobs: Tensor, advantage: Tensor) -> Tensor:
        """What each token gains, of the shape of its arguments; differentiable in `ratio` and `logprobs`."""
        clipped = ratio.clamp(None if self.low is None else 1 - self.low, 1 + self.high)
        if self.form is Clipping.CISPO:
            return clipped.detach() * advantage * logprobs
        gain = torch.minimum(ratio * advantage, clipped * advantage)
        if self.dual is not None:
            gain = torch.where(advantage < 0, torch.maximum(gain, self.dual * advantage), gain)
        return gain

    def bites(self, ratio: Tensor, advantage: Tensor) -> Tensor:
        """Where clipping changes the gradient, as booleans: takes it away, or (cispo) caps its weight."""
        above = ratio > 1 + self.high
        below = torch.zeros_like(above) if self.low is None else ratio < 1 - self.low
        if self.form is Clipping.CISPO:
            return above | below
        bites = torch.where(advantage > 0, above, below)
        return bites if self.dual is None else bites | ((advantage < 0) & (ratio > self.dual))

    def __str__(self) -> str:
        bounds = f"{'-∞' if self.low is None else f'1 - {self.low:g}'}, 1 + {self.high:g}"
        if self.form is Clipping.CISPO:
            return f"constant(clip(ratio, {bounds})) · A · log π"
        gain = f"min(ratio · A, clip(ratio, {bounds}) · A)"
        return gain if self.dual is None else f"{gain}, at least {self.dual:g} · A where A < 0"
