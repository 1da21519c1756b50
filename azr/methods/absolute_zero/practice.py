"""Which tasks the solver practises on: what is new first, and of the buffer the tasks it is unsure of.

A task that is always or never solved has nothing to teach a group estimator, and which ones are changes as the model
does. So the solve rate that a task is drawn by is the share of right answers among its newest ones, which the buffer
stores: a resumed run reckons with the same rates.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from azr.buffer import TaskBuffer
from azr.config.choices import Draw
from azr.config.fields import Config
from tasks.triplet import Triplet, Verdict

Streams = Callable[..., random.Random]  # words that say what for -> the round's generator for it

UNKNOWN = 0.5  # the rate of a task that nobody has tried: as uncertain as can be


@dataclass(frozen=True, slots=True)
class Source:
    """Where a task comes from: proposal number `proposal` of this step, or the buffer's task `stored`."""

    triplet: Triplet
    proposal: int | None = None
    stored: int | None = None


class Practice:
    """Draws tasks from the buffer, and knows how each was last answered."""

    def __init__(self, config: Config, buffer: TaskBuffer) -> None:
        self._types = config.propose.types
        self._batch = config.solver.batch
        self._draw = config.solver.draw
        self._floor = config.solver.draw_floor
        self._window = config.solver.estimate_samples
        self._buffer = buffer
        self._latest: dict[int, deque[Verdict]] = {}
        if self._draw is Draw.UNCERTAIN:
            for task_id, verdicts in buffer.latest_verdicts(self._window).items():
                self.note(task_id, verdicts)

    def note(self, task_id: int, verdicts: Iterable[Verdict]) -> None:
        """Take in answers to a stored task, in the order in which the buffer keeps them."""
        self._latest.setdefault(task_id, deque(maxlen=self._window)).extend(verdicts)

    def rate(self, task_id: int) -> float:
        """The share of right answers among the newest `solver.estimate_samples` to a stored task."""
        return _share_right(self._latest.get(task_id, ()))

    def first_round(self, fresh: Sequence[Source], streams: Streams) -> list[Source]:
        """A step's first tasks, solver.batch a type: this step's own, then the buffer's."""
        own = [
            source
            for task_type in self._types
            for source in [one for one in fresh if one.triplet.type is task_type][: self._batch]
        ]
        if self._draw is Draw.UNCERTAIN:
            return [*own, *self._uncertain((), len(self._types) * self._batch - len(own), streams("fill"))]
        filled = []
        for task_type in self._types:
            missing = self._batch - sum(source.triplet.type is task_type for source in own)
            filled += [
                Source(task.triplet, stored=task.id)
                for task in self._buffer.sample(task_type, missing, streams("fill", task_type))
            ]
        return [*own, *filled]

    def later_round(self, fresh: Sequence[tuple[Source, Sequence[Verdict]]], streams: Streams) -> list[Source]:
        """As many tasks again, from the buffer and this step's own, which come with their newest verdicts."""
        if self._draw is Draw.UNCERTAIN:
            return self._uncertain(fresh, len(self._types) * self._batch, streams("draw"))
        return [
            Source(task.triplet, stored=task.id)
            for task_type in self._types
            for task in self._buffer.sample(task_type, self._batch, streams("draw", task_type))
        ]

    def _uncertain(self, fresh: Sequence[tuple[Source, Sequence[Verdict]]], k: int, rng: random.Random) -> list[Source]:
        """`k` different tasks, at solve rate p by weight floor + 4 p (1 - p), without replacement.

        The k largest of u^(1/weight), u uniform: Efraimidis and Spirakis 2006 (Weighted random sampling with a
        reservoir).
        """
        stored = [task_id for task_type in self._types for task_id in self._buffer.ids(task_type)]
        rates = [self.rate(task_id) for task_id in stored]
        rates += [_share_right(verdicts) for _, verdicts in fresh]
        keys = [rng.random() ** (1 / (self._floor + 4 * rate * (1 - rate))) for rate in rates]
        best = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)[:k]
        return [
            Source(self._buffer.task(stored[index]).triplet, stored=stored[index])
            if index < len(stored)
            else fresh[index - len(stored)][0]
            for index in best
        ]


def _share_right(verdicts: Iterable[Verdict]) -> float:
    given = list(verdicts)
    return sum(verdict is Verdict.RIGHT for verdict in given) / len(given) if given else UNKNOWN
