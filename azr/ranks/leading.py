"""Rank 0's side: a learner like any other, whose steps are taken by all ranks, and the end of it all.

Sampling has no side of rank 0's: azr/rollout/asking.py tells the others what it shares with them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from azr.errors import UserError
from azr.learner import Learner, Outcome, Sample
from azr.learner.learner import OnProgress
from azr.ranks.group import Ranks


@dataclass(frozen=True)
class Learn:
    """What to train on, advantages and all: every rank plans the whole and takes its share of the micro-batches."""

    samples: Sequence[Sample]


@dataclass(frozen=True)
class GatherState:
    """Take part in `Learner.state_dict`."""


@dataclass(frozen=True)
class GatherWeights:
    """Take part in `Learner.weights`."""


@dataclass(frozen=True)
class End:
    """There is nothing more to do."""


@contextmanager
def leading(ranks: Ranks) -> Iterator[None]:
    """Tell the others when it is over. What goes wrong within a step ends this process, which they notice."""
    try:
        yield
    except UserError:
        ranks.tell(End())
        raise
    ranks.tell(End())


class LeadingLearner:
    """A learner whose steps are taken by all ranks together."""

    def __init__(self, learner: Learner, ranks: Ranks) -> None:
        self._learner = learner
        self._ranks = ranks

    def credit(self, samples: Sequence[Sample], outcomes: Sequence[Outcome]) -> list[Sample]:
        """See Learner. This rank's alone: advantages need all rollouts and little work."""
        return self._learner.credit(samples, outcomes)

    def step(self, samples: Sequence[Sample], on_progress: OnProgress | None = None) -> dict[str, float]:
        """See Learner."""
        self._ranks.tell(Learn(samples))
        return self._learner.step(samples, on_progress)

    def state_dict(self) -> dict[str, Any]:
        """See Learner."""
        self._ranks.tell(GatherState())
        return self._learner.state_dict()

    def weights(self) -> dict[str, Tensor] | None:
        """See Learner."""
        self._ranks.tell(GatherWeights())
        return self._learner.weights()


def led_learner(learner: Learner, ranks: Ranks) -> Learner | LeadingLearner:
    """The learner that rank 0's program trains."""
    return LeadingLearner(learner, ranks) if ranks.size > 1 else learner
