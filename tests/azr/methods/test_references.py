"""What a proposal's prompt shows: each kind of program alike, where that is asked for."""

import random
from collections import Counter

import pytest

from azr.buffer import Origin, TaskBuffer, TaskRow
from azr.config.choices import ReferenceDraw
from azr.methods.absolute_zero.references import draw_references
from tasks.triplet import TaskType, Triplet

ODD = ("def f(s):\n    return s.upper()", "def f(xs):\n    return sorted(xs)", "def f(n):\n    return lambda: n")


@pytest.fixture
def buffer(tmp_path):
    """Thirty tasks of one kind and one each of three others."""
    opened = TaskBuffer.create(tmp_path / "buffer.sqlite")
    with opened.transaction():
        for program in (*(f"def f(x):\n    return x + {n}" for n in range(30)), *ODD):
            opened.add_task(TaskRow(0, Triplet(TaskType.DEDUCTION, program, ("1",), ("1",)), Origin.SEEDING))
    yield opened
    opened.close()


def shares(buffer, draw, k=2, times=600):
    shown = Counter()
    for number in range(times):
        tasks = draw_references(buffer, TaskType.DEDUCTION, k, draw, random.Random(number))
        assert len({task.id for task in tasks}) == len(tasks) == k
        shown.update("common" if task.id <= 30 else "odd" for task in tasks)
    return shown["odd"] / (times * k)


def test_spread_gives_every_kind_the_same_chance(buffer):
    assert shares(buffer, ReferenceDraw.UNIFORM) == pytest.approx(3 / 33, abs=0.03)
    assert shares(buffer, ReferenceDraw.SPREAD) == pytest.approx(3 / 4, abs=0.03)


def test_more_than_there_are_kinds_is_filled_and_no_task_comes_twice(buffer):
    rng = random.Random(0)
    tasks = draw_references(buffer, TaskType.DEDUCTION, 33, ReferenceDraw.SPREAD, rng)
    assert sorted(task.id for task in tasks) == list(range(1, 34))
    assert len(draw_references(buffer, TaskType.DEDUCTION, 50, ReferenceDraw.SPREAD, rng)) == 33
    assert draw_references(buffer, TaskType.ABDUCTION, 2, ReferenceDraw.SPREAD, rng) == []
