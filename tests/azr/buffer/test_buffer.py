"""The task buffer: what is stored comes back, a step is written whole or not at all, and it can be rewound."""

import random
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azr.buffer import (
    AnswerRow,
    AttemptRow,
    LookRow,
    Origin,
    ProblemRow,
    ProposalRow,
    Purpose,
    TaskBuffer,
    TaskRow,
    connect_read_only,
    task_fingerprint,
)
from azr.errors import UserError
from tasks.triplet import TaskType, Triplet, Verdict


def triplet(program="def f(x):\n    return x", inputs=("1",), task_type=TaskType.DEDUCTION):
    return Triplet(task_type, program, inputs, inputs)


def attempt(task_id, step=1):
    return AttemptRow(step, task_id, Purpose.SOLVE, "it is 1", "1", Verdict.RIGHT, 1.0, 4, False)


@pytest.fixture
def buffer(tmp_path):
    opened = TaskBuffer.create(tmp_path / "buffer.sqlite")
    yield opened
    opened.close()


def fill(buffer, steps):
    for step in range(1, steps + 1):
        with buffer.transaction():
            proposal = ProposalRow(step, TaskType.DEDUCTION, (), f"text {step}", 5, False, reward=0.5)
            proposal_id = buffer.add_proposal(proposal)
            task = TaskRow(step, triplet(inputs=(str(step),)), Origin.SELF_PLAY, proposal_id, 0.5, 0.5)
            buffer.add_attempt(attempt(buffer.add_task(task), step))


text = st.text(st.characters(codec=None), max_size=60)


@settings(deadline=None)  # a busy disk is no fault
@given(program=text, inputs=st.lists(text, min_size=1, max_size=4), message=text)
def test_any_text_comes_back(tmp_path_factory, program, inputs, message):
    path = tmp_path_factory.mktemp("buffer") / "buffer.sqlite"
    buffer = TaskBuffer.create(path)
    given = Triplet(TaskType.INDUCTION, program, tuple(inputs), tuple(reversed(inputs)), message)
    with buffer.transaction():
        task_id = buffer.add_task(TaskRow(0, given, Origin.SEEDING))
    found = buffer.task(task_id).triplet
    buffer.close()
    assert (found.type, found.inputs, found.outputs) == (given.type, given.inputs, given.outputs)
    # SQLite holds UTF-8: a lone surrogate, which no valid program has, is kept as its escape.
    assert found.program == program.encode("utf-8", "backslashreplace").decode()
    assert found.message == message.encode("utf-8", "backslashreplace").decode()


def test_a_transaction_that_fails_leaves_nothing(buffer):
    fill(buffer, 2)
    before = buffer.position()
    orphan = TaskRow(3, triplet(inputs=("9",)), Origin.SELF_PLAY, proposal_id=999)
    with pytest.raises(sqlite3.IntegrityError), buffer.transaction():
        buffer.add_task(orphan)
    assert buffer.position() == before
    assert buffer.counts()[TaskType.DEDUCTION] == 2
    assert len(buffer.sample(TaskType.DEDUCTION, 10, random.Random(0))) == 2


def test_rewinding_drops_what_came_later_and_ids_are_used_again(buffer):
    fill(buffer, 3)
    after_three = buffer.position()
    buffer.rewind(1)
    assert buffer.position() == {"look": 0, "answer": 0, "problem": 0, "attempt": 1, "task": 1, "proposal": 1}
    assert buffer.counts()[TaskType.DEDUCTION] == 1
    with buffer.transaction():
        for step in (2, 3):
            proposal_id = buffer.add_proposal(ProposalRow(step, TaskType.DEDUCTION, (), "", 1, False))
            task_id = buffer.add_task(TaskRow(step, triplet(inputs=(f"0{step}",)), Origin.SELF_PLAY, proposal_id))
            buffer.add_attempt(attempt(task_id, step))
    assert buffer.position() == after_three


def test_samples_are_distinct_and_of_the_type(buffer):
    fill(buffer, 20)
    drawn = buffer.sample(TaskType.DEDUCTION, 8, random.Random(1))
    assert len({task.id for task in drawn}) == 8
    assert [task.id for task in drawn] == [task.id for task in buffer.sample(TaskType.DEDUCTION, 8, random.Random(1))]
    assert buffer.sample(TaskType.ABDUCTION, 8, random.Random(1)) == []


def test_every_stored_program_can_be_drawn_for_induction(buffer):
    with buffer.transaction():
        buffer.add_task(TaskRow(0, triplet(), Origin.IDENTITY))
        buffer.add_task(TaskRow(0, triplet(task_type=TaskType.ABDUCTION), Origin.IDENTITY))
        buffer.add_task(TaskRow(0, triplet(inputs=("1", "2"), task_type=TaskType.INDUCTION), Origin.SEEDING))
    drawn = {buffer.sample_program(random.Random(seed)).id for seed in range(50)}
    assert drawn == {1, 2}


def test_a_task_in_another_layout_is_held_already(buffer):
    with buffer.transaction():
        buffer.add_task(TaskRow(0, triplet("def f(x):\n    return x + 1"), Origin.SEEDING))
    assert buffer.holds(task_fingerprint(triplet("def f(y):\n\n  # the next\n  return y+1")))
    assert not buffer.holds(task_fingerprint(triplet("def f(x):\n    return x + 2")))
    assert not buffer.holds(task_fingerprint(triplet("def f(x):\n    return x + 1", ("2",))))


def test_it_is_read_while_it_is_written_and_never_changed_by_a_reader(buffer, tmp_path):
    fill(buffer, 1)
    reader = connect_read_only(tmp_path / "buffer.sqlite")
    with buffer.transaction():
        buffer.add_task(TaskRow(2, triplet(inputs=("7",)), Origin.SELF_PLAY))
        assert reader.execute("SELECT COUNT(*) FROM task").fetchone() == (1,)
    assert reader.execute("SELECT COUNT(*) FROM task").fetchone() == (2,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM task")
    reader.close()


def test_what_is_no_buffer_is_said_to_be_none(tmp_path):
    with pytest.raises(UserError, match="no buffer at"):
        TaskBuffer.open(tmp_path / "absent.sqlite")
    other = tmp_path / "other.sqlite"
    other.write_bytes(b"not a database, whatever its name says" * 40)
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE meta(a)")
    for path in (other, foreign):
        before = path.read_bytes()
        for opened in (connect_read_only, TaskBuffer.open):
            with pytest.raises(UserError, match="not a task buffer"):
                opened(path)
        assert path.read_bytes() == before


def test_another_version_is_refused(tmp_path):
    path = tmp_path / "buffer.sqlite"
    TaskBuffer.create(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema_version'")
    with pytest.raises(UserError, match="version 99, this azr reads versions up to 3"):
        TaskBuffer.open(path)


LACKS = {1: ("look", "answer", "problem"), 2: ("look",)}


def of_version(version, path):
    """A buffer as azr wrote it before there were problems (1), and before looks were stored (2)."""
    buffer = TaskBuffer.create(path)
    fill(buffer, 2)
    buffer.close()
    with sqlite3.connect(path) as connection:
        connection.executescript("".join(f"DROP TABLE {table};" for table in LACKS[version]))
        connection.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(version),))
    return path


@pytest.mark.parametrize("version", LACKS)
def test_a_buffer_of_an_older_version_is_read_unchanged_and_brought_up_when_its_run_goes_on(version, tmp_path):
    path = of_version(version, tmp_path / "buffer.sqlite")
    before = path.read_bytes()
    reader = connect_read_only(path)
    assert reader.execute("SELECT COUNT(*) FROM task").fetchone() == (2,)
    assert [reader.execute(f"SELECT COUNT(*) FROM {table}").fetchone() for table in LACKS[1]] == [(0,)] * 3
    reader.close()
    assert path.read_bytes() == before
    buffer = TaskBuffer.open(path)
    assert buffer.counts()[TaskType.DEDUCTION] == 2
    with buffer.transaction():
        add_answered(buffer, 3)
        buffer.add_look(LookRow(3, "ttrl", "aime:1", "", 4, None, None, 6.5))
    buffer.close()
    assert connect_read_only(path).execute("SELECT COUNT(*) FROM answer").fetchone() == (1,)
    assert connect_read_only(path).execute("SELECT COUNT(*) FROM look").fetchone() == (1,)


def test_a_look_is_stored_once_and_rewound(buffer):
    for step, solved in ((0, 1), (0, 1), (4, 3)):
        with buffer.transaction():
            buffer.add_look(LookRow(step, "rlvr", "own:3", "2", 4, solved, True, 6.5))
    assert buffer.position()["look"] == 2
    buffer.rewind(0)
    assert buffer.position()["look"] == 1


def add_answered(buffer, step):
    problem = buffer.add_problem(ProblemRow(step, "ttrl", "aime:1", "", "How many?", None))
    buffer.add_answer(AnswerRow(step, problem, "It is 7.", "7", None, 0, True, True, 1.0, 4, False))
    return problem


def test_a_problem_is_stored_once_and_rewound_with_its_answers(buffer):
    for step in (1, 2):
        with buffer.transaction():
            assert add_answered(buffer, step) == 1
    assert buffer.problems() == 1
    buffer.rewind(1)
    assert (buffer.position()["answer"], buffer.position()["problem"]) == (1, 1)
    buffer.rewind(0)
    assert (buffer.position()["answer"], buffer.position()["problem"]) == (0, 0)
