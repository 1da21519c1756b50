"""Which past tasks a proposal's prompt shows.

What is shown is what comes back: drawn alike, the references of a buffer in which one kind of program abounds make more
of that kind. Drawn for spread, every kind of program has the same chance, however many tasks it has.
"""

import random
from functools import lru_cache

from azr.buffer import StoredTask, TaskBuffer
from azr.config.choices import ReferenceDraw
from tasks.program import describe
from tasks.triplet import TaskType


def draw_references(
    buffer: TaskBuffer, task_type: TaskType, k: int, draw: ReferenceDraw, rng: random.Random
) -> list[StoredTask]:
    """Up to `k` different tasks of a type, in random order."""
    match draw:
        case ReferenceDraw.UNIFORM:
            return buffer.sample_shown(task_type, k, rng)
        case ReferenceDraw.SPREAD:
            return _of_different_kinds(buffer, task_type, k, rng)


def _of_different_kinds(buffer: TaskBuffer, task_type: TaskType, k: int, rng: random.Random) -> list[StoredTask]:
    """A task each of `k` kinds; where there are fewer kinds, more of each."""
    kinds: dict[tuple[str, ...], list[int]] = {}
    for task_id, program in buffer.programs_shown(task_type):
        kinds.setdefault(_kind(program), []).append(task_id)
    chosen: list[int] = []
    while kinds and len(chosen) < k:
        for kind in rng.sample(sorted(kinds), min(k - len(chosen), len(kinds))):
            ids = kinds[kind]
            chosen.append(ids.pop(rng.randrange(len(ids))))
            if not ids:
                del kinds[kind]
    return [buffer.task(task_id) for task_id in chosen]


@lru_cache(maxsize=1 << 18)
def _kind(program: str) -> tuple[str, ...]:
    """What the program is made of: tasks.program's words."""
    return describe(program).constructs
