"""What `azr buffer` and `azr runs` find in a run, while it runs and after, and that they leave it alone."""

import fcntl
import hashlib
import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from azr.browse.folders import RunState, find_run, list_runs, read_metrics, reading, summarize
from azr.browse.statistics import buffer_statistics
from azr.browse.tasks import SortKey, TaskFilter, list_tasks, rejected_proposals, show_task
from azr.buffer import Origin, TaskBuffer, TaskRow
from azr.buffer.seed_file import read_seed_files, store_seed_tasks
from azr.cli import app
from azr.errors import UserError
from azr.training.run import Run
from sandbox import Sandbox, SandboxConfig
from tasks.triplet import TaskType, Triplet
from tests.azr.finished import STEPS, finished_run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return finished_run(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture
def db(run):
    with reading(run) as connection:
        yield connection


def azr(*words: str) -> str:
    """What a command prints, piped."""
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def fingerprint(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def all_tasks(db):
    return list_tasks(db, TaskFilter(), limit=1000).tasks


@pytest.mark.parametrize("sort", SortKey)
@pytest.mark.parametrize("descending", [False, True])
def test_list_is_in_order_and_pages_join_up(db, sort, descending):
    whole = list_tasks(db, TaskFilter(), sort, descending, limit=1000)
    values = [getattr(task, sort) for task in whole.tasks]
    assert values == sorted(values, reverse=descending)
    pages = [list_tasks(db, TaskFilter(), sort, descending, limit=17, offset=at) for at in range(0, whole.total, 17)]
    assert [task for page in pages for task in page.tasks] == list(whole.tasks)


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        (TaskFilter(type="abduction"), lambda task: task.type == "abduction"),
        (TaskFilter(origin="seeding"), lambda task: task.step == 0),
        (TaskFilter(first_step=2, last_step=3), lambda task: task.step in (2, 3)),
        (TaskFilter(min_learnability=0.5), lambda task: task.learnability >= 0.5),
        (TaskFilter(max_learnability=0.0), lambda task: task.learnability == 0),
        (TaskFilter(min_solve_rate=0.25, max_solve_rate=0.5), lambda task: 0.25 <= task.solve_rate <= 0.5),
        (TaskFilter(text="WHILE LEN"), lambda task: "while len" in task.program),
        (TaskFilter(text="odd ones"), lambda task: task.type == "induction"),
        (TaskFilter(text="%"), lambda task: "%" in task.program),
        (TaskFilter(type="deduction", text="x_s"), lambda task: False),
    ],
)
def test_a_filter_lets_through_exactly_what_it_says(db, wanted, holds):
    page = list_tasks(db, wanted, limit=1000)
    assert list(page.tasks) == [task for task in all_tasks(db) if holds(task)]
    assert page.total == len(page.tasks)


def test_tasks_without_a_value_come_last_in_either_direction(tmp_path):
    run = finished_run(tmp_path / "run", steps=1)
    buffer = TaskBuffer.open(run.buffer)
    with buffer.transaction():
        row = TaskRow(0, Triplet(TaskType.DEDUCTION, "def f(x):\n    return x", ("1",), ("1",)), Origin.IDENTITY)
        identity = buffer.add_task(row)
    buffer.close()
    with reading(run) as db:
        for descending in (False, True):
            listed = list_tasks(db, TaskFilter(), SortKey.SOLVE_RATE, descending, limit=1000).tasks
            assert listed[-1].id == identity


def test_show_has_the_whole_story_of_a_task(db):
    of_step = list_tasks(db, TaskFilter(type="induction", first_step=3, last_step=3), limit=100).tasks
    task = next(task for task in of_step if task.solve_rate == 0.75)
    detail = show_task(db, task.id)
    assert detail.summary == task
    assert len(detail.inputs) == len(detail.outputs) == 6
    assert detail.message == "Keep the odd ones."
    assert detail.proposal is not None
    assert detail.proposal.refs == (1,)
    assert detail.proposal.text == f"proposed\n{task.program}"
    assert [attempt.verdict for attempt in detail.attempts] == ["right", "right", "right", "wrong"]
    assert [attempt.text for attempt in detail.attempts] == [f"thinking {i}" for i in range(4)]


def test_rejected_proposals_are_newest_first_and_by_reason(db):
    found = rejected_proposals(db, reason="syntax", task_type="deduction", limit=5)
    assert len(found) == 5
    assert [p.id for p in found] == sorted((p.id for p in found), reverse=True)
    assert {(p.rejection, p.type, p.truncated) for p in found} == {("syntax", "deduction", True)}
    assert rejected_proposals(db, reason="timeout") == []


def test_statistics_agree_with_the_rows(db):
    statistics = buffer_statistics(db)
    tasks = all_tasks(db)
    assert statistics.total.tasks == len(tasks) == (STEPS + 1) * 9
    assert statistics.attempts == 4 * len(tasks)
    assert statistics.total.solve_rate == pytest.approx(sum(t.solve_rate for t in tasks) / len(tasks))
    for name, figures in statistics.by_type.items():
        ours = [task for task in tasks if task.type == name]
        assert figures.valid == figures.tasks == len(ours)
        assert figures.lines == pytest.approx(sum(task.lines for task in ours) / len(ours))
    assert statistics.by_type["deduction"].rejected == {"syntax": (STEPS + 1) * 3}
    assert [(row.first, row.last) for row in statistics.by_step] == [(step, step) for step in range(STEPS + 1)]
    assert sum(row.figures.new for row in statistics.by_step) == statistics.total.distinct
    assert statistics.by_step[-1].programs == statistics.total.distinct


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 100])
def test_stretches_of_steps_cover_every_step_once(db, rows):
    stretches = buffer_statistics(db, rows).by_step
    steps = [step for row in stretches for step in range(row.first, row.last + 1)]
    assert steps == list(range(STEPS + 1))
    assert len(stretches) <= rows + 1  # and seeding
    assert sum(row.figures.tasks for row in stretches) == (STEPS + 1) * 9


def test_export_to_jsonl_and_parquet_hold_the_same_records(run, tmp_path):
    azr("buffer", "export", run.folder, tmp_path / "tasks.jsonl", "--attempts", "--type", "abduction")
    azr("buffer", "export", run.folder, tmp_path / "tasks.parquet", "--attempts", "--type", "abduction")
    lines = [json.loads(line) for line in (tmp_path / "tasks.jsonl").read_text().splitlines()]
    assert len(lines) == (STEPS + 1) * 3
    assert pq.read_table(tmp_path / "tasks.parquet").to_pylist() == lines
    assert {attempt["verdict"] for line in lines for attempt in line["attempts"]} == {"right", "wrong", "unparsed"}


def test_seed_export_seeds_another_run(tmp_path):
    """Deduction, abduction and induction tasks arrive as what they were, outputs computed anew."""
    source = finished_run(tmp_path / "source", steps=1, per_step=1)
    azr("buffer", "export", source.folder, tmp_path / "seeds.jsonl", "--format", "seed")
    buffer = TaskBuffer.create(tmp_path / "new.sqlite")
    with Sandbox(SandboxConfig(workers=1)) as sandbox:
        seeded = store_seed_tasks(buffer, sandbox, read_seed_files([str(tmp_path / "seeds.jsonl")]), lambda done: None)
    with reading(source) as db:
        expected = sorted((task.type, task.program) for task in all_tasks(db))
    kept = [buffer.sample(t, 10, random.Random(0)) for t in TaskType]
    assert sorted((task.triplet.type, task.triplet.program) for tasks in kept for task in tasks) == expected
    assert seeded.kept == len(expected)
    buffer.close()


@pytest.mark.parametrize(
    "words", [("stats",), ("list", "-n", "3"), ("show", "5"), ("rejected", "-n", "2")], ids=lambda words: words[0]
)
def test_json_and_text_say_the_same_run_and_nothing_is_written(run, words):
    before = fingerprint(run.folder)
    command, *rest = words
    json.loads(azr("buffer", command, run.folder, *rest, "--json"))
    text = azr("buffer", command, run.folder, *rest)
    assert "\x1b" not in text
    if command in ("stats", "list"):
        assert max(map(len, text.splitlines())) <= 80
    assert fingerprint(run.folder) == before


def test_what_a_model_wrote_can_not_steer_the_terminal(run):
    assert "\\x1b[31m" in azr("buffer", "rejected", run.folder)


def test_a_running_run_is_read_beside_its_writer(tmp_path):
    run = finished_run(tmp_path / "run", steps=1)
    writer = TaskBuffer.open(run.buffer)
    row = TaskRow(2, Triplet(TaskType.DEDUCTION, "def f(x):\n    return 7", ("1",), ("7",)), Origin.SELF_PLAY)
    with run.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert summarize(run).state is RunState.RUNNING
        with writer.transaction():
            writer.add_task(row)
        with writer.transaction():
            writer.add_task(row)
            with reading(run) as db:
                assert list_tasks(db, TaskFilter(text="return 7")).total == 1  # the second is not committed yet
    writer.close()


def test_runs_tell_state_steps_and_last_scores(tmp_path):
    finished_run(tmp_path / "done")
    stopped = finished_run(tmp_path / "stopped")
    lines = stopped.metrics.read_text().splitlines()
    stopped.metrics.write_text("\n".join(lines[:4]) + '\n{"step": 4, "rew')  # cut while being written
    (tmp_path / "no-run").mkdir()
    found = {summary.name: summary for summary in list_runs(tmp_path)}
    assert set(found) == {"done", "stopped"}
    assert (found["done"].state, found["done"].step) == (RunState.FINISHED, STEPS)
    assert (found["stopped"].state, found["stopped"].step) == (RunState.STOPPED, 3)
    assert found["done"].scores == {"probe/cruxeval-o": 0.4, "probe/cruxeval-i": 0.2}
    assert "stopped" in azr("runs", tmp_path)
    assert [entry["name"] for entry in json.loads(azr("runs", tmp_path, "--json"))] == ["done", "stopped"]


def test_a_name_is_looked_for_among_the_runs(run):
    assert find_run("small", run.folder.parent) == run
    assert find_run(str(run.folder)) == run


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("buffer", "list", "RUN/nowhere"), "is not a run"),
        (("buffer", "show", "RUN", "100000"), "no task 100000; ids go from 1 to"),
        (("buffer", "list", "RUN", "--learnability", "high"), "LOW:HIGH"),
        (("buffer", "export", "RUN", "RUN/out.jsonl"), "the run's own folder"),
        (("buffer", "export", "RUN", "RUN/../no/such/out.jsonl"), "can't be written"),
        (("runs", "RUN/nowhere"), "no folder"),
    ],
)
def test_a_mistake_gets_one_line_and_exit_code_2(run, words, message):
    words = [word.replace("RUN", str(run.folder)) for word in words]
    start = [sys.executable, "-c", "from azr.cli import main; main()"]
    result = subprocess.run([*start, *words], capture_output=True, text=True)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_broken_files_are_named(tmp_path):
    run = finished_run(tmp_path / "run", steps=1)
    run.metrics.write_text('{"step": 1}\nnonsense\n{"step": 2}\n')
    with pytest.raises(UserError, match="damaged in line 2"):
        read_metrics(run)
    whole = run.buffer.read_bytes()
    run.buffer.write_bytes(whole[:4096] + bytes(len(whole) - 4096))
    with pytest.raises(UserError, match="malformed"), reading(run) as db:
        buffer_statistics(db)
    run.buffer.write_bytes(b"no database at all, whatever its name says")
    with pytest.raises(UserError, match="not a task buffer"), reading(run):
        pass
    run.buffer.unlink()
    with pytest.raises(UserError, match="no buffer yet"), reading(run):
        pass


def test_an_empty_buffer_lists_and_counts(tmp_path):
    run = finished_run(tmp_path / "run", steps=1)
    run.buffer.unlink()
    TaskBuffer.create(run.buffer).close()
    assert "0 tasks" in azr("buffer", "stats", run.folder)
    assert "no task matches" in azr("buffer", "list", run.folder)
    with reading(run) as db, pytest.raises(UserError, match="the buffer is empty"):
        show_task(db, 1)


def test_looking_at_a_buffer_imports_nothing_heavy():
    heavy = "{'torch', 'transformers', 'pydantic', 'omegaconf', 'altair', 'pyarrow', 'yaml'}"
    code = f"import sys, azr.cli; print(sorted({heavy} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_the_queries_in_the_docs_run_and_every_column_is_described(db):
    text = (Path(__file__).parents[3] / "docs" / "buffer.md").read_text(encoding="utf-8")
    queries = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    assert len(queries) == 5
    for query in queries:
        db.execute(query).fetchall()
    _, schema = text.split("## Schema")
    for table in ("proposal", "task", "attempt", "problem", "answer"):
        described = schema.split(f"`{table}`: ")[1].split("\n\n`")[0]
        for column in db.execute(f"PRAGMA table_info({table})").fetchall():
            assert re.search(rf"\b{column[1]}\b", described), column[1]
