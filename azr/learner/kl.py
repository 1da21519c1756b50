"""Divergence of the policy from where it started, estimated from sampled tokens.

With d = log π - log π_start of a sampled token, and so π_start / π = exp(-d):

    k1 = d    k2 = d² / 2    k3 = exp(-d) - 1 + d

Schulman 2020, "Approximating KL Divergence" (joschu.net/blog/kl-approx.html). The expectation of k1 and k3 under π is
KL(π ‖ π_start); k3 is never negative. As a term of the loss they differ in what they pull at: on-policy the expected
gradient of k2 is that of KL(π ‖ π_start), that of k3 is that of KL(π_start ‖ π), and that of k1 is 0, so that k1 is of
use in the reward alone.
"""

import torch
from torch import Tensor

from azr.config.fields import KlEstimator


def divergence(estimator: KlEstimator, logprobs: Tensor, start_logprobs: Tensor) -> Tensor:
    """The estimate of each token, of the shape of its arguments; differentiable in `logprobs`."""
    difference = logprobs - start_logprobs
    match estimator:
        case KlEstimator.K1:
            return difference
        case KlEstimator.K2:
            return difference**2 / 2
        case KlEstimator.K3:
            return torch.exp(-difference) - 1 + difference
