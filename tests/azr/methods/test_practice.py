"""What the solver practises on: new tasks first, then those whose answers are a toss-up."""

from collections import Counter
from dataclasses import replace
from functools import partial

import pytest

from azr.buffer import AttemptRow, Origin, Purpose, TaskBuffer, TaskRow
from azr.config.fields import Config, Draw, ProposeConfig, SolverConfig
from azr.methods.absolute_zero.practice import Practice, Source
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


def practice(buffer, draw=Draw.UNCERTAIN, batch=4, types=(TaskType.DEDUCTION, TaskType.ABDUCTION), draw_power=1.0):
    solver = SolverConfig(batch=batch, draw=draw, draw_power=draw_power)
    return Practice(Config(propose=ProposeConfig(types=types), solver=solver), buffer)


def test_a_rate_follows_the_newest_answers(buffer):
    known = practice(buffer)
    before = known.rates()
    assert sorted(range(1, 10), key=before.__getitem__) == list(range(1, 10))
    assert before[1] < 0.1
    assert before[9] > 0.9
    known.note(1, [RIGHT] * 4)
    halfway = known.rates()[1]
    known.note(1, [RIGHT] * 4)
    assert before[1] < halfway < known.rates()[1]
    assert known.rates()[1] > 0.8


def test_a_task_that_nobody_tried_is_as_hard_as_its_kin(buffer):
    with buffer.transaction():
        easy, hard, strange = (
            buffer.add_task(TaskRow(1, replace(triplet(number), inputs=("70",), outputs=("0",)), Origin.VARIED))
            for number in (8, 0, 90)
        )
    rates = practice(buffer).rates()
    assert rates[easy] > rates[strange] + 0.1
    assert rates[hard] < rates[strange] - 0.1
    of_all = sum(min(number, 8) for number in range(9)) / 72
    assert abs(rates[strange] - of_all) < 0.02


def test_nothing_tried_is_a_toss_up(tmp_path):
    buffer = TaskBuffer.create(tmp_path / "new.sqlite")
    with buffer.transaction():
        task_id = buffer.add_task(TaskRow(0, triplet(1), Origin.SEEDING))
    assert practice(buffer).rates() == {task_id: 0.5}
    buffer.close()


def test_rates_noted_while_it_runs_are_those_read_from_the_buffer(buffer):
    running = practice(buffer)
    with buffer.transaction():
        for task_id, verdicts in ((3, [WRONG] * 3), (10, [RIGHT, WRONG]), (3, [RIGHT])):
            answer(buffer, task_id, verdicts)
            running.note(task_id, verdicts)
    assert running.rates() == practice(buffer).rates()


def shares_drawn(known):
    """How often each task is drawn, in 400 rounds, none twice in a round."""
    drawn = Counter()
    for number in range(400):
        ids = [source.stored for source in known.later_round((), partial(stream, 0, number))]
        assert len(set(ids)) == len(ids) == 8
        drawn.update(ids)
    return drawn


def test_uncertain_tasks_are_drawn_most_and_none_twice(buffer):
    drawn = shares_drawn(practice(buffer))
    half, never, always = drawn[5], drawn[1], drawn[9]
    assert half > 1.5 * never
    assert half > 1.5 * always
    assert min(never, always) > 20


def test_a_power_draws_more_of_what_teaches(buffer):
    even, sharp = shares_drawn(practice(buffer)), shares_drawn(practice(buffer, draw_power=4.0))
    assert sharp[5] > even[5]
    assert sharp[1] < even[1] / 2
    assert sharp[9] < even[9] / 2


def test_of_tasks_with_next_to_no_weight_chance_decides(buffer):
    """Nine of ten tasks: all but one of the two that are never and always solved, which weigh the same."""
    known = practice(buffer, types=(TaskType.DEDUCTION,), batch=9, draw_power=200.0)
    rounds = [{source.stored for source in known.later_round((), partial(stream, 0, number))} for number in range(200)]
    assert all((1 in drawn) != (9 in drawn) for drawn in rounds)
    assert 60 < sum(1 in drawn for drawn in rounds) < 140


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
    known = practice(buffer, draw_power=2.0)
    drawn = Counter(
        source.proposal for number in range(400) for source in known.later_round(fresh, partial(stream, 0, number))
    )
    assert drawn[0] > 2 * drawn[1] > 0


def test_types_that_are_not_played_are_not_drawn(buffer):
    known = practice(buffer, types=(TaskType.ABDUCTION,))
    assert {s.triplet.type for s in known.later_round((), partial(stream, 0))} == {TaskType.ABDUCTION}
