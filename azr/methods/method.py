"""What the loop asks of a method: rollouts with rewards, step after step. Everything else is the loop's.

A method is a module with a `ROOM` (docs/methods.md shows how to write one). The loop reads what the room needs before
anything is written, opens the method once there is a model, and then, step after step, learns from what it plays.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Protocol

from azr.buffer import TaskBuffer
from azr.config.fields import Config
from azr.progress import Advance
from azr.rollout.asking import Table
from tasks.triplet import Role

Phase = Callable[[str, int], AbstractContextManager[Advance]]
Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Rollout:
    """One response that trains, with its reward.

    `stratum` is what kind of rollout it is, `group` its prompt, which responses to the same one share; no two methods
    of a run may share one. `role` picks what the config has for a role by itself, `limit` is the most tokens it may
    have had, and `penalty` what training takes off the reward by the config's own rules. `baseline` is what a greedy
    response to the same prompt earned, where the update wants that (`Wants`).
    """

    role: Role
    stratum: tuple[str, ...]
    group: Hashable
    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    temperature: float
    reward: float
    limit: int
    penalty: float = 0.0
    baseline: float | None = None


def store_nothing(_: TaskBuffer) -> None:
    """For a play that has no rows of its own."""


@dataclass(frozen=True)
class Play:
    """What a method made: rollouts to learn from, and what there is to tell and to keep of them.

    `generated` counts the tokens sampled for it, those that train nothing too. `line` is for a person. `store` writes
    the rows, in the loop's transaction at the end of the step, once all of the step's plays have been learned from.
    """

    rollouts: Sequence[Rollout]
    generated: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    line: str = ""
    store: Callable[[TaskBuffer], None] = store_nothing


@dataclass(frozen=True, slots=True)
class Wants:
    """What the update wants of a role's rollouts besides their rewards.

    `baseline`: each has one (ReMax). `refill_rounds`: where the responses to a prompt all earned the same, the prompt
    is left out and another asked in its place, and so on for at most so many rounds (DAPO); 0: all prompts stay.
    """

    baseline: bool = False
    refill_rounds: int = 0


def nothing_more() -> dict[Role, Wants]:
    """What most estimators want: rewards alone."""
    return {role: Wants() for role in Role}


@dataclass(frozen=True)
class Seat:
    """What a method works with.

    `phase(name, total)` times a phase of a step and opens a progress bar; it yields the function that moves it on.
    `say` tells the person who watches a line. What has to be closed in the end goes onto `closing`. `wants` is what the
    run's estimators want; no run begins with a method that can't do it (Room.baselines).
    """

    table: Table
    buffer: TaskBuffer
    phase: Phase
    say: Callable[[str], None]
    closing: ExitStack
    wants: Mapping[Role, Wants] = field(default_factory=nothing_more)


class Method(Protocol):
    """Fills steps. Whatever it draws is a function of the run's seed and the step, so that a resumed run is the same.

    `legend` says once what the lines of its plays list. `looks` is what the names of `look`'s metrics begin with,
    empty where it never looks.
    """

    legend: str
    looks: str

    def prepare(self, done: int, stop: Stop) -> bool:
        """Get ready, `done` steps of the run being there already. False where `stop()` became true on the way."""
        ...

    def play(self, number: int) -> Iterator[Play]:
        """Step `number`, which counts from 1: one play, or several, each of which is learned from before the next.

        The first plays of a run's methods meet in one update, then their second ones, and so on.
        """
        ...

    def look(self, number: int) -> Mapping[str, float]:
        """What it measures of the policy after step `number` by itself (0: before the first one), where it is due."""
        ...


@dataclass(frozen=True)
class Room:
    """What a method says of a config before there is a model.

    `read` reads what the config names and returns what opens the method; it raises UserError for what is missing or
    broken. `plan` has lines (name, value) for `azr train --dry-run`. `updates` and `longest` are the most updates a
    step and the most tokens of a response. `fixed` are the sections of the config that must stay at a resume.
    `baselines` are the roles whose rollouts have one where that is wanted, or of which it has no rollouts; `refills`
    says whether it asks other prompts for those without spread.
    """

    read: Callable[[Config], Callable[[Seat], Method]]
    plan: Callable[[Config], Sequence[tuple[str, str]]]
    longest: Callable[[Config], int]
    updates: Callable[[Config], int] = lambda _: 1
    fixed: tuple[str, ...] = ()
    baselines: tuple[Role, ...] = ()
    refills: bool = False
