"""Which tasks the solver practises on: what is new first, and of the buffer the tasks it is unsure of.

A task that is always or never solved has nothing to teach a group estimator, and which ones are changes as the model
does. So a task is drawn by a guess at its solve rate: the share of right answers among its newest ones, pulled towards
that of the other tasks of its program, which is pulled towards that of all. Most tasks of a large buffer were never
tried, and a small model solves few of them: they are as hard as their kin, not a toss-up. The answers are in the
buffer, so that a resumed run reckons with the same rates.
"""

import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from azr.buffer import TaskBuffer
from azr.config.choices import Draw
from azr.config.fields import Config
from tasks.triplet import Triplet, Verdict

Streams = Callable[..., random.Random]  # words that say what for -> the round's generator for it

KIN = 2  # answers that the rate of a task's program weighs as much as, beside the task's own
ALL = 8  # and that the rate of all tasks weighs as much as, beside the program's


@dataclass(frozen=True, slots=True)
class Source:
    """Where a task comes from: proposal number `proposal` of this step, or the buffer's task `stored`."""

    triplet: Triplet
    proposal: int | None = None
    stored: int | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers, and how many of them are right."""

    right: int = 0
    answers: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.right + other.right, self.answers + other.answers)

    def rate(self, expected: float, weight: int) -> float:
        """The share of right ones, with `weight` answers more of which the share `expected` is right."""
        return (self.right + weight * expected) / (self.answers + weight)


class Practice:
    """Draws tasks from the buffer, and knows how each was last answered."""

    def __init__(self, config: Config, buffer: TaskBuffer) -> None:
        self._types = config.propose.types
        self._batch = config.solver.batch
        self._draw = config.solver.draw
        self._floor, self._power = config.solver.draw_floor, config.solver.draw_power
        self._window = config.solver.estimate_samples
        self._buffer = buffer
        self._latest: dict[int, deque[Verdict]] = {}
        if self._draw is Draw.UNCERTAIN:
            for task_id, verdicts in buffer.latest_verdicts(self._window).items():
                self.note(task_id, verdicts)

    def note(self, task_id: int, verdicts: Iterable[Verdict]) -> None:
        """Take in answers to a stored task, in the order in which the buffer keeps them."""
        self._latest.setdefault(task_id, deque(maxlen=self._window)).extend(verdicts)

    def rates(self) -> dict[int, float]:
        """A guess at each stored task's solve rate, by its newest `solver.estimate_samples` answers and its kin."""
        return self._rates(())[0]

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
        """`k` different tasks, at solve rate p by weight (floor + 4 p (1 - p))^power, without replacement.

        The k largest of u^(1/weight), u uniform: Efraimidis and Spirakis 2006 (Weighted random sampling with a
        reservoir). Their logarithms are compared, since of a small weight the power itself is 0.
        """
        known, expected = self._rates([verdicts for _, verdicts in fresh])
        stored, rates = list(known), [*known.values(), *expected]
        weights = [(self._floor + 4 * rate * (1 - rate)) ** self._power for rate in rates]
        keys = [math.log(rng.random()) / weight for weight in weights]
        best = sorted(range(len(keys)), key=keys.__getitem__, reverse=True)[:k]
        return [
            Source(self._buffer.task(stored[index]).triplet, stored=stored[index])
            if index < len(stored)
            else fresh[index - len(stored)][0]
            for index in best
        ]

    def _rates(self, fresh: Sequence[Sequence[Verdict]]) -> tuple[dict[int, float], list[float]]:
        """Guesses for the stored tasks, by id, and for tasks not yet stored, by the verdicts on their answers."""
        programs = {
            task_id: (task_type, program)
            for task_type in self._types
            for task_id, program in self._buffer.program_fingerprints(task_type)
        }
        tallies = {task_id: _tally(self._latest.get(task_id, ())) for task_id in programs}
        by_program: dict[tuple[str, str], Tally] = {}
        for task_id, program in programs.items():
            by_program[program] = by_program.get(program, Tally()) + tallies[task_id]
        new = [_tally(verdicts) for verdicts in fresh]
        overall = sum([*by_program.values(), *new], Tally()).rate(0.5, ALL)
        kin = {program: tally.rate(overall, ALL) for program, tally in by_program.items()}
        stored = {task_id: tallies[task_id].rate(kin[program], KIN) for task_id, program in programs.items()}
        return stored, [tally.rate(overall, KIN) for tally in new]


def _tally(verdicts: Iterable[Verdict]) -> Tally:
    given = list(verdicts)
    return Tally(sum(verdict is Verdict.RIGHT for verdict in given), len(given))
