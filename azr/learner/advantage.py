"""The parts that advantages are made of: what rewards are compared over, and what the comparison is scaled by.

azr/learner/algorithms puts them together. Deviations over responses are those of the whole population at hand (no
Bessel correction), and rewards that are all equal have nothing to teach: their advantage is exactly 0, whatever
rounding would make of it.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from azr.config.fields import Whitening

TOKEN_EPSILON = 1e-8  # added to the variance over tokens, as verl does


@dataclass(frozen=True)
class Outcomes:
    """What is known of the responses of a batch, one entry each.

    `strata[i]` is the (role, task type) of response i, `groups[i]` its prompt, `lengths[i]` its tokens, `baselines[i]`
    the reward of the greedy answer to its prompt (ReMax alone reads it). Raises ValueError where they differ in number.
    """

    rewards: Sequence[float]
    strata: Sequence[Hashable]
    groups: Sequence[Hashable]
    lengths: Sequence[int] | None = field(default=None)
    baselines: Sequence[float] | None = field(default=None)
    whitening: Whitening = Whitening.RESPONSES

    def __post_init__(self) -> None:
        if not len(self.rewards) == len(self.strata) == len(self.groups):
            counts = f"{len(self.rewards)} rewards, {len(self.strata)} strata and {len(self.groups)} groups"
            raise ValueError(f"{counts}: one each a rollout")
        for name in ("lengths", "baselines"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.rewards):
                raise ValueError(f"{len(self.rewards)} rewards and {len(column)} {name}: one each a rollout")
        if self.whitening is Whitening.TOKENS and self.lengths is None:
            raise ValueError("whitening over tokens needs the responses' lengths")


def standardised_within(keys: Sequence[Hashable], values: Sequence[float], given: Outcomes) -> list[float]:
    """(value - mean) / deviation over the responses with the same key, or over their tokens: `given.whitening` says."""
    if given.whitening is Whitening.TOKENS:
        return within(keys, whitened, values, given.lengths)
    return within(keys, standardised, values)


def within(keys: Sequence[Hashable], transform: Callable[..., list[float]], *columns: Any) -> list[float]:
    """`transform` of the columns' entries with the same key, key by key, put back in order."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        members[key].append(index)
    result = [0.0] * len(keys)
    for indices in members.values():
        values = transform(*([column[i] for i in indices] for column in columns))
        for index, value in zip(indices, values, strict=True):
            result[index] = value
    return result


def centred(rewards: Sequence[float]) -> list[float]:
    """r - mean."""
    if not rewards or min(rewards) == max(rewards):
        return [0.0] * len(rewards)
    mean = math.fsum(rewards) / len(rewards)
    return [reward - mean for reward in rewards]


def standardised(rewards: Sequence[float]) -> list[float]:
    """(r - mean) / deviation."""
    deviations = centred(rewards)
    std = math.sqrt(math.fsum(value * value for value in deviations) / len(deviations)) if deviations else 0.0
    return [value / std for value in deviations] if std else deviations


def leave_one_out(rewards: Sequence[float]) -> list[float]:
    """r - mean of the *others*, which is n / (n - 1) times the distance from the mean of all; 0 for a loner."""
    scale = len(rewards) / max(len(rewards) - 1, 1)
    return [value * scale for value in centred(rewards)]


def over_mean(rewards: Sequence[float]) -> list[float]:
    """(r - mean) / mean; 0 where the mean is 0. Rewards below 0 count as 0: a mean below it would turn every sign."""
    successes = [max(reward, 0.0) for reward in rewards]
    mean = math.fsum(successes) / max(len(successes), 1)
    return [value / mean for value in centred(successes)] if mean else [0.0] * len(successes)


def whitened(rewards: Sequence[float], lengths: Sequence[int]) -> list[float]:
    """(r - mean) / √(variance + 1e-8) over response tokens, each of which has its response's reward.

    The variance has Bessel's correction; verl's masked_whiten, which the official AZR code calls for TRR++.
    """
    tokens = sum(lengths)
    if tokens < 2 or min(rewards) == max(rewards):
        return [0.0] * len(rewards)
    mean = math.fsum(r * n for r, n in zip(rewards, lengths, strict=True)) / tokens
    variance = math.fsum(n * (r - mean) ** 2 for r, n in zip(rewards, lengths, strict=True)) / (tokens - 1)
    return [(reward - mean) / math.sqrt(variance + TOKEN_EPSILON) for reward in rewards]
