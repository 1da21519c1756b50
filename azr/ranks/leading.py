"""Rank 0's side: an engine and a learner like any other, whose work is done by all ranks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from azr.errors import UserError
from azr.learner import Learner, Outcome, Sample
from azr.learner.learner import OnProgress
from azr.policy.model import Policy
from azr.ranks.group import Ranks, deal_by_size
from azr.rollout.engine import Completion, Engine, OnDone, Request


@dataclass(frozen=True)
class Generate:
    """Each rank's requests."""

    shares: Sequence[Sequence[Request]]


@dataclass(frozen=True)
class Learn:
    """What to train on, advantages and all: every rank plans the whole and takes its share of the micro-batches."""

    samples: Sequence[Sample]


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


class LeadingEngine:
    """Implements azr.rollout.engine.Engine: requests are dealt by prompt, the most tokens first."""

    def __init__(self, engine: Engine, ranks: Ranks) -> None:
        self._engine = engine
        self._ranks = ranks
        self.name = f"{engine.name}, {ranks.size} ranks"

    def generate(self, requests: Sequence[Request], on_done: OnDone | None = None) -> list[list[Completion]]:
        """See Engine. What the other ranks sampled is reported when all of it is there."""
        dealt = deal_by_size([request.n * request.max_tokens for request in requests], self._ranks.size)
        self._ranks.tell(Generate([[requests[index] for index in share] for share in dealt]))
        found: dict[int, list[Completion]] = {}

        def on_own(number: int, completions: list[Completion]) -> None:
            found[dealt[0][number]] = completions
            if on_done:
                on_done(dealt[0][number], completions)

        own = self._engine.generate([requests[index] for index in dealt[0]], on_own)
        for share, completions in zip(dealt, self._ranks.gather(own), strict=True):
            for index, samples in zip(share, completions, strict=True):
                if index not in found:
                    found[index] = samples
                    if on_done:
                        on_done(index, samples)
        return [found[index] for index in range(len(requests))]

    def rest(self) -> None:
        """See Engine. The others' engines rest when they are told to learn."""
        self._engine.rest()

    def update_weights(self, model: torch.nn.Module) -> None:
        """See Engine. The others' engines have their own ranks' weights, which are the same."""
        self._engine.update_weights(model)

    def close(self) -> None:
        """See Engine."""
        self._engine.close()


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
        return self._learner.state_dict()


def led_engine(engine: Engine, ranks: Ranks) -> Engine:
    """The engine that rank 0's program asks."""
    return LeadingEngine(engine, ranks) if ranks.size > 1 else engine


def led_learner(learner: Learner, ranks: Ranks) -> Learner | LeadingLearner:
    """The learner that rank 0's program trains."""
    return LeadingLearner(learner, ranks) if ranks.size > 1 else learner


def spread_start(ranks: Ranks, policy: Policy, learner: Learner) -> None:
    """Rank 0 gives all ranks the weights that train and its learner's state."""
    if ranks.size > 1:
        ranks.tell(learner.state_dict())
        ranks.spread(_trained(policy))


def take_start(ranks: Ranks, policy: Policy, learner: Learner) -> None:
    """Another rank takes what `spread_start` gives."""
    state = ranks.hear()
    ranks.spread(_trained(policy))
    learner.load_state_dict(state)


def _trained(policy: Policy) -> list[Tensor]:
    return [weight.data for weight in policy.model.parameters() if weight.requires_grad]
