"""One step, whatever is played in it: play, learn, hand over the weights, store.

    every method plays → rewards → advantages → update → new weights to the engine → rows to the buffer

The rollouts of a run's methods meet in one update. A method may play several times a step; each play is learned from
before the next, and all of them are one step: for the buffer, the metrics, checkpoints and a resume.

Metrics of the loop's own: learner/... (over the step's updates a sum of what is counted, the largest of ..._max, the
smallest of ..._min, a mean of the rest),
buffer/TYPE, buffer/distinct_programs, buffer/problems, time/PHASE, tokens/generated, tokens_per_second and
tokens_per_second/generate (per second that the methods' phases took).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from statistics import fmean

from azr.buffer import TaskBuffer
from azr.learner import Learner, Outcome, Sample
from azr.learner.overlong import overlong_penalty
from azr.methods.method import Method, Phase, Play, Rollout
from azr.progress import Advance
from azr.ranks.leading import LeadingLearner
from azr.rollout.asking import Table


@dataclass(frozen=True, slots=True)
class Step:
    """A step that is over: its metrics, and what its methods say of it, a line each."""

    metrics: dict[str, float]
    lines: list[str]


class Stopwatch:
    """Telemetry's `phase`, and how long the phases of the current step took."""

    def __init__(self, phase: Phase) -> None:
        self._phase = phase
        self.seconds: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str, total: int) -> Iterator[Advance]:
        """See azr/methods/method.py, Seat."""
        with self.timed(name), self._phase(name, total) as advance:
            yield advance

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """The block's time counts for the phase `name`."""
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


class Loop:
    """Steps of a run. `watch` is the stopwatch whose `phase` the methods' seats have."""

    def __init__(
        self,
        table: Table,
        learner: Learner | LeadingLearner,
        buffer: TaskBuffer,
        methods: Sequence[Method],
        watch: Stopwatch,
    ) -> None:
        self._table = table
        self._learner = learner
        self._buffer = buffer
        self._methods = methods
        self._watch = watch

    def step(self, number: int) -> Step:
        """Play and learn until every method has played all it has for step `number`, then store it."""
        began = time.perf_counter()
        self._watch.seconds = {}
        plays: list[Play] = []
        updates = []
        played = [method.play(number) for method in self._methods]
        while turn := [play for play in (next(plays_of, None) for plays_of in played) if play]:
            updates.append(self._learn([rollout for play in turn for rollout in play.rollouts]))
            plays += turn
        with self._watch.timed("store"), self._buffer.transaction():
            for play in plays:
                play.store(self._buffer)
        self._watch.seconds["total"] = time.perf_counter() - began
        metrics = dict(chain.from_iterable(play.metrics.items() for play in plays))
        metrics |= {f"learner/{name}": value for name, value in _together(updates).items()}
        metrics |= _holdings(self._buffer) | self._speed(sum(play.generated for play in plays))
        return Step(metrics, [play.line for play in plays if play.line])

    def _learn(self, rollouts: Sequence[Rollout]) -> dict[str, float]:
        with self._watch.timed("sync"):
            self._table.engine.rest()
        samples = self._learner.credit(
            [
                Sample(rollout.prompt_ids, rollout.response_ids, rollout.logprobs, 0.0, rollout.temperature)
                for rollout in rollouts
            ],
            [
                Outcome(self._shaped(rollout), rollout.stratum, rollout.group, rollout.role, rollout.baseline)
                for rollout in rollouts
            ],
        )
        with self._watch.phase("learn", len(samples)) as advance:
            done = 0

            def on_progress(tokens: int, total: int) -> None:
                nonlocal done
                advance(tokens - done, total)
                done = tokens

            update = self._learner.step(samples, on_progress)
        with self._watch.timed("sync"):
            self._table.engine.update_weights(self._table.policy.model)
        return update

    def _shaped(self, rollout: Rollout) -> float:
        """The reward, less what the config takes off: the method's penalty, and DAPO's for a long response."""
        reward = rollout.reward - rollout.penalty
        buffer = min(self._table.config.learner.overlong_buffer, rollout.limit)  # a task may leave less room
        return reward + overlong_penalty(len(rollout.response_ids), rollout.limit, buffer) if buffer else reward

    def _speed(self, generated: int) -> dict[str, float]:
        seconds = self._watch.seconds
        generating = sum(value for phase, value in seconds.items() if phase not in _OWN_PHASES)
        return {
            **{f"time/{phase}": value for phase, value in seconds.items()},
            "tokens/generated": float(generated),
            "tokens_per_second": generated / seconds["total"],
            **({"tokens_per_second/generate": generated / generating} if generating else {}),
        }


_OWN_PHASES = ("learn", "sync", "store", "total")


def _holdings(buffer: TaskBuffer) -> dict[str, float]:
    """How much the buffer holds by now, of what it holds at all."""
    counts, problems = buffer.counts(), buffer.problems()
    held = {"buffer/problems": float(problems)} if problems else {}
    if any(counts.values()):
        held |= {f"buffer/{task_type}": float(count) for task_type, count in counts.items()}
        held["buffer/distinct_programs"] = float(buffer.distinct_programs())
    return held


_TOTALS = ("samples", "dropped_samples", "micro_batches", "tokens_real", "tokens_computed", "seconds")


def _together(updates: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """A step's updates as one, each metric over the updates that have it."""
    return {
        name: _merging(name)([update[name] for update in updates if name in update])
        for name in dict.fromkeys(chain.from_iterable(updates))
    }


def _merging(name: str) -> Callable[[Sequence[float]], float]:
    if name in _TOTALS:
        return sum
    return max if name.endswith("_max") else min if name.endswith("_min") else fmean
