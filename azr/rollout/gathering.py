"""Sampling from a policy in shards (azr/learner/sharding.py): whole on each rank for as long as it samples."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch

from azr.rollout.engine import Completion, Engine, OnDone, Request


class GatheringEngine:
    """Implements azr.rollout.engine.Engine with `engine`, within `gathered()`, which all ranks enter together."""

    has_weights = False

    def __init__(self, engine: Engine, gathered: Callable[[], AbstractContextManager[None]]) -> None:
        self._engine = engine
        self._gathered = gathered
        self.name = f"{engine.name} on gathered weights"

    def generate(self, requests: Sequence[Request], on_done: OnDone | None = None) -> list[list[Completion]]:
        """See Engine."""
        with self._gathered():
            return self._engine.generate(requests, on_done)

    def rest(self) -> None:
        """See Engine."""
        self._engine.rest()

    def update_weights(self, model: torch.nn.Module) -> None:
        """See Engine. The weights are the learner's own."""

    def close(self) -> None:
        """See Engine."""
        self._engine.close()
