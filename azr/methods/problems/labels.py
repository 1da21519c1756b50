"""Labels: what the answers to a problem are paid, each a small function from the answers to their rewards.

    truth           1 where the judge says right, else 0: RLVR. For TTRL it is the bound that leakage would give
    majority        1 for every answer of the largest cluster, else 0: Zuo et al. 2025 (TTRL, arXiv 2504.16084)
    probability     the geometric mean of the sampled tokens' probabilities
    entropy         minus the mean entropy of the tokens' distributions, in nats
    self-certainty  the mean of KL(uniform, distribution) over the tokens: Kang et al. 2025 (arXiv 2502.18581)

The last three ask nobody who is right; arXiv 2603.08660 compares such rewards, and shows how they collapse. The names
are the field's; the papers were not opened for this file.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from azr.config.choices import Label
from azr.problems.voting import Tally
from tasks.triplet import Verdict

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spread:
    """How sure a response was of its tokens: means over them, in nats."""

    entropy: float
    certainty: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a label may look at, one entry an answer. None where nobody knows, or it was not asked for."""

    logprobs: Sequence[Sequence[float]]
    verdicts: Sequence[Verdict] | None = None
    tally: Tally | None = None
    spreads: Sequence[Spread] | None = None


def truth(evidence: Evidence) -> list[float]:
    """Raises ValueError where nobody knows what is right."""
    return [float(verdict is Verdict.RIGHT) for verdict in _there(evidence.verdicts)]


def majority(evidence: Evidence) -> list[float]:
    """Where nothing could be read nothing is earned. Raises ValueError where answers can't vote."""
    tally = _there(evidence.tally)
    return [float(cluster is not None and cluster == tally.label) for cluster in tally.clusters]


def probability(evidence: Evidence) -> list[float]:
    """From 0 to 1."""
    return [math.exp(fmean(logprobs)) for logprobs in evidence.logprobs]


def entropy(evidence: Evidence) -> list[float]:
    """0 at most."""
    return [-spread.entropy for spread in _there(evidence.spreads)]


def self_certainty(evidence: Evidence) -> list[float]:
    """0 at least."""
    return [spread.certainty for spread in _there(evidence.spreads)]


LABELS: dict[Label, Callable[[Evidence], list[float]]] = {
    Label.TRUTH: truth,
    Label.MAJORITY: majority,
    Label.PROBABILITY: probability,
    Label.ENTROPY: entropy,
    Label.SELF_CERTAINTY: self_certainty,
}
WANT_SPREADS = (Label.ENTROPY, Label.SELF_CERTAINTY)


def _there(known: T | None) -> T:
    if known is None:
        raise ValueError("the label needs what is not known of these answers")
    return known
