"""Sampling from a model on all ranks, for `azr eval` and `azr boundary`: rank 0 asks, judges and writes.

What another rank has sampled of a prompt is sent at once, so that a stop loses no more than one process would.
"""

import queue
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import torch

from azr.config.fields import ModelConfig, RolloutConfig
from azr.policy.model import Policy, load_policy, trained_weights
from azr.ranks.group import Ranks, check_card, open_ranks
from azr.ranks.leading import End
from azr.rollout import open_engine
from azr.rollout.engine import Completion, Engine, OnDone, Request
from azr.rollout.tensor_parallel import deal

_Arrived = tuple[int, int, list[Completion]]
_ENDING_S = 10.0  # for which a rank that ends waits for the others to do so


@dataclass(frozen=True)
class Open:
    """A model to sample from, whose trained weights rank 0 spreads. See `open_engine` for `max_tokens`."""

    model: ModelConfig
    rollout: RolloutConfig
    max_tokens: int


@dataclass(frozen=True)
class Generate:
    """Each engine's requests."""

    shares: Sequence[Sequence[Request]]


@dataclass(frozen=True)
class Close:
    """The model is done with."""


@contextmanager
def open_sampling(policy: Policy, opened: Open, ranks: Ranks) -> Iterator[Engine]:
    """An engine that samples from `policy` on all ranks; without others it is this process's own."""
    check_card(opened.model.device, ranks)
    ranks.tell(opened)
    ranks.spread(trained_weights(policy))
    engine = open_engine(policy, opened.rollout, opened.max_tokens)
    try:
        size = opened.rollout.vllm.tensor_parallel_size
        yield LeadingEngine(engine, ranks, size) if ranks.size > 1 else engine
        ranks.tell(Close())
    finally:
        engine.close()


def serve_models() -> None:
    """Sample for rank 0 from the models that it opens, one after another, until it ends.

    Ctrl-C ends this rank at once: rank 0 has what it sampled. One that shares rank 0's engine goes on until rank 0 has
    ended, which could else not leave the engine. Raises RankLostError where a rank is gone.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with open_ranks() as ranks:
        while not isinstance(told := ranks.hear(), End):
            shares = ranks.rank < told.rollout.vllm.tensor_parallel_size
            signal.signal(signal.SIGINT, _let_pass if shares else signal.SIG_DFL)
            policy = load_policy(told.model)
            ranks.spread(trained_weights(policy))
            engine = open_engine(policy, told.rollout, told.max_tokens)
            try:
                while isinstance(asked := ranks.hear(), Generate):
                    _sample(engine, asked.shares, ranks, told.rollout.vllm.tensor_parallel_size)
            finally:
                engine.close()
            if isinstance(asked, End):  # rank 0 met an error that it could tell
                return


def _let_pass(number: int, _: FrameType | None) -> None:
    """Nothing; unlike a signal that is ignored, Pulse hears of it."""


class LeadingEngine:
    """Implements azr.rollout.engine.Engine: requests are dealt to the engines, of which `size` ranks share one."""

    def __init__(self, engine: Engine, ranks: Ranks, size: int) -> None:
        self._engine = engine
        self._ranks = ranks
        self._size = size
        self.name = engine.name
        self.has_weights = engine.has_weights

    def generate(self, requests: Sequence[Request], on_done: OnDone | None = None) -> list[list[Completion]]:
        """See Engine. Interrupted, it reports what has come of the others before it lets the interruption through."""
        shares = deal(requests, self._ranks, self._size)
        self._ranks.tell(Generate([[requests[index] for index in share] for share in shares.of_engines]))
        arrivals = _Arrivals(self._ranks, range(self._size, self._ranks.size, self._size))
        found: dict[int, list[Completion]] = {}

        def take(rank: int, number: int, completions: list[Completion]) -> None:
            index = shares.sampled(rank)[number]
            found[index] = completions
            if on_done:
                on_done(index, completions)

        def on_own(number: int, completions: list[Completion]) -> None:
            take(0, number, completions)
            for arrived in arrivals.so_far():
                take(*arrived)

        try:
            self._engine.generate([requests[index] for index in shares.sampled(0)], on_own)
            for arrived in arrivals.rest():
                take(*arrived)
        except BaseException:
            for arrived in arrivals.last():
                take(*arrived)
            raise
        return [found[index] for index in range(len(requests))]

    def rest(self) -> None:
        """See Engine. Nobody learns beside it."""

    def update_weights(self, model: torch.nn.Module) -> None:
        """See Engine. Raises ValueError: the others' weights would stay as they are."""
        raise ValueError("the weights that all ranks sample from are spread when the model is opened")

    def close(self) -> None:
        """See Engine. Each rank's own is closed where it was opened."""


class _Arrivals:
    """What `senders` send, in the order in which it comes: (rank, number of the request, its samples)."""

    def __init__(self, ranks: Ranks, senders: Sequence[int]) -> None:
        self._ranks = ranks
        self._come: queue.SimpleQueue[_Arrived | RuntimeError | None] = queue.SimpleQueue()
        self._sending = len(senders)
        self._threads = [
            threading.Thread(target=self._listen, args=(rank,), name=f"rank {rank}", daemon=True) for rank in senders
        ]
        for thread in self._threads:
            thread.start()

    def so_far(self) -> Iterator[_Arrived]:
        """What has come and was not handed out. Raises RankLostError where a rank is gone."""
        while not self._come.empty():
            yield from self._next()

    def rest(self) -> Iterator[_Arrived]:
        """All that is still to come. Raises RankLostError where a rank is gone."""
        while self._sending:
            yield from self._next()

    def last(self) -> Iterator[_Arrived]:
        """What has come, where this rank ends: with the others, as a rule, so that no thread waits on in vain."""
        deadline = time.monotonic() + _ENDING_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        while not self._come.empty():
            if isinstance(come := self._come.get(), tuple):
                yield come

    def _next(self) -> Iterator[_Arrived]:
        come = self._come.get()
        if isinstance(come, RuntimeError):
            raise self._ranks.lost_touch(come) from come
        if come is None:
            self._sending -= 1
        else:
            yield come

    def _listen(self, rank: int) -> None:
        try:
            while sent := self._ranks.receive(rank):
                self._come.put((rank, *sent))
            self._come.put(None)
        except RuntimeError as error:
            self._come.put(error)


def _sample(engine: Engine, shares: Sequence[Sequence[Request]], ranks: Ranks, size: int) -> None:
    """This rank's share, sent by the first of the `size` ranks that sample it together, if that isn't rank 0."""
    requests = shares[ranks.rank // size]
    if ranks.rank < size or ranks.rank % size:
        engine.generate(requests)
        return
    engine.generate(requests, lambda number, completions: ranks.send((number, completions)))
    ranks.send(None)
