"""What the solver practises on: new tasks first, then those whose answers are a toss-up."""

from collections import Counter
from functools import partial

import pytest

from azr.buffer import AttemptRow, Origin, Purpose, TaskBuffer, TaskRow
from azr.config.fields import Config, Draw, ProposeConfig, SolverConfig
from azr.methods.absolute_zero.practice import UNKNOWN, Practice, Source
from azr.seeds import stream
from tasks.triplet import TaskType, Triplet, Verdict

RIGHT, WRONG = Verdict.RIGHT, Verdict.WRONG


def triplet(number, task_type=TaskType.DEDUCTION):
    return Triplet(task_type, f"def f(x):\n    return x + {number}", ("1",), (str(1 + number),))


def answer(buffer, task_id, verdicts):
    for verdict in verdicts:
        buffer.add_attempt(AttemptRow(1, task_id, Purpose.SOLVE, "", "", verdict, 0.0, 1, False))


@pytest.fixture
def buffer(tmp_path):
    """Ten tasks of each of two types: task n of ten was right n times in its last eight answers, at most 8."""
    opened = TaskBuffer.create(tmp_path / "buffer.sqlite")
    with opened.transaction():
        for task_type in (TaskType.DEDUCTION, TaskType.ABDUCTION):
            for number in range(10):
                task_id = opened.add_task(TaskRow(0, triplet(number, task_type), Origin.SEEDING))
                right = min(number, 8)
                if number < 9:
                    answer(opened, task_id, [RIGHT] * 20 + [WRONG] * (8 - right) + [RIGHT] * right)
    yield opened
    opened.close()


def practice(buffer, draw=Draw.UNCERTAIN, batch=4, types=(TaskType.DEDUCTION, TaskType.ABDUCTION)):
    return Practice(Config(propose=ProposeConfig(types=types), solver=SolverConfig(batch=batch, draw=draw)), buffer)


def test_a_rate_is_that_of_the_newest_answers(buffer):
    known = practice(buffer)
    assert [known.rate(task_id) for task_id in range(1, 10)] == [n / 8 for n in range(9)]
    assert known.rate(10) == UNKNOWN
    known.note(1, [RIGHT] * 2)
    assert known.rate(1) == 0.25
    known.note(1, [RIGHT] * 8)
    assert known.rate(1) == 1.0


def test_rates_noted_while_it_runs_are_those_read_from_the_buffer(buffer):
    running = practice(buffer)
    with buffer.transaction():
        for task_id, verdicts in ((3, [WRONG] * 3), (10, [RIGHT, WRONG]), (3, [RIGHT])):
            answer(buffer, task_id, verdicts)
            running.note(task_id, verdicts)
    resumed = practice(buffer)
    assert [running.rate(i) for i in range(1, 21)] == [resumed.rate(i) for i in range(1, 21)]


def test_uncertain_tasks_are_drawn_most_and_none_twice(buffer):
    known = practice(buffer)
    drawn = Counter()
    for number in range(400):
        sources = known.later_round((), partial(stream, 0, number))
        ids = [source.stored for source in sources]
        assert len(set(ids)) == len(ids) == 8
        drawn.update(ids)
    half, never, always, unknown = drawn[5], drawn[1], drawn[9], drawn[10]
    assert half > 2 * never
    assert half > 2 * always
    assert abs(unknown - half) < 0.25 * half
    assert min(never, always) > 20


def test_what_is_new_comes_first_and_the_buffer_fills_the_rest(buffer):
    fresh = [Source(triplet(50 + n), proposal=n) for n in range(6)]
    for draw in Draw:
        sources = practice(buffer, draw).first_round(fresh, partial(stream, 0, "step", 1))
        assert [source.proposal for source in sources[:4]] == [0, 1, 2, 3]
        assert len(sources) == 8
        assert all(source.stored is not None for source in sources[4:])
    uniform = practice(buffer, Draw.UNIFORM).first_round(fresh[:1], partial(stream, 0, "step", 1))
    assert Counter(source.triplet.type for source in uniform) == {TaskType.DEDUCTION: 4, TaskType.ABDUCTION: 4}


def test_a_later_round_knows_how_the_steps_own_tasks_went(buffer):
    fresh = [(Source(triplet(60), proposal=0), [RIGHT, WRONG]), (Source(triplet(61), proposal=1), [WRONG] * 8)]
    known = practice(buffer)
    drawn = Counter(
        source.proposal for number in range(400) for source in known.later_round(fresh, partial(stream, 0, number))
    )
    assert drawn[0] > 2 * drawn[1] > 0


def test_types_that_are_not_played_are_not_drawn(buffer):
    known = practice(buffer, types=(TaskType.ABDUCTION,))
    assert {s.triplet.type for s in known.later_round((), partial(stream, 0))} == {TaskType.ABDUCTION}
