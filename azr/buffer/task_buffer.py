"""TaskBuffer: everything a run ever proposed and answered, in one SQLite file.

Six tables. `proposal` has every text the proposer wrote, valid or not; `task` every validated triplet; `attempt`
every judged answer to a task; `problem` every problem that was given, and `answer` every judged answer to one; `look`
what a look at problems now and then came to, problem by problem.
docs/buffer.md describes the columns. A step's rows are written in one transaction, and the journal is a write-ahead
log, so other programs can read while the run goes on.

Rows of a step are a function of the run's seed alone, ids included, so that a resumed run, which first drops what was
written after its checkpoint (`rewind`), ends with the same rows as one that never stopped.
"""

import hashlib
import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from azr.buffer.connection import connect, connect_new
from azr.buffer.rows import AnswerRow, AttemptRow, LookRow, Origin, ProblemRow, ProposalRow, StoredTask, TaskRow
from azr.buffer.schema import SCHEMA, SCHEMA_VERSION, TABLES, TASK_COLUMNS, added_since
from azr.errors import UserError
from tasks.program import describe, fingerprint
from tasks.triplet import TaskType, Triplet, Verdict


def task_fingerprint(triplet: Triplet) -> str:
    """Equal for two tasks that differ in layout, comments and names of variables alone."""
    return _digest(triplet.type, fingerprint(triplet.program), *triplet.inputs)


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


class TaskBuffer:
    """The buffer of one run, open for writing.

    Rows become visible to others, and durable, when the block of `transaction` ends.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._ids: dict[TaskType, list[int]] = {}
        self._shown: dict[TaskType, list[int]] = {}  # those that a proposer may be shown
        self._load_ids()

    @classmethod
    def create(cls, path: Path) -> "TaskBuffer":
        """A new, empty buffer. Raises UserError where the file exists."""
        if path.exists():
            raise UserError(f"{path} exists already; resume that run with --resume, or choose another name=")
        connection = connect_new(path)
        connection.executescript(f"BEGIN; {SCHEMA} {added_since(1)} COMMIT;")
        connection.execute("INSERT INTO meta VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),))
        connection.commit()
        return cls(connection)

    @classmethod
    def open(cls, path: Path) -> "TaskBuffer":
        """An existing buffer, brought to this version. Raises UserError where it is none, or of one not known here."""
        if not path.is_file():
            raise UserError(f"no buffer at {path}")
        connection, version = connect(path)
        if version < SCHEMA_VERSION:
            newer = f"UPDATE meta SET value = '{SCHEMA_VERSION}' WHERE key = 'schema_version';"
            connection.executescript(f"BEGIN IMMEDIATE; {added_since(version)} {newer} COMMIT;")
        return cls(connection)

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All rows added in the block, or none of them."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                yield
        except BaseException:
            self._load_ids()
            raise

    def add_proposal(self, row: ProposalRow) -> int:
        """Store a text of the proposer's and return its id."""
        cursor = self._db.execute(
            "INSERT INTO proposal(step, type, refs, text, tokens, truncated, rejection, detail, reward)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.step,
                row.type,
                json.dumps(row.refs),
                _storable(row.text),
                row.tokens,
                row.truncated,
                row.rejection,
                row.detail and _storable(row.detail),
                row.reward,
            ),
        )
        return _row_id(cursor)

    def add_task(self, row: TaskRow) -> int:
        """Store a validated triplet and return its id."""
        triplet = row.triplet
        facts = describe(triplet.program)
        cursor = self._db.execute(
            "INSERT INTO task(step, type, origin, proposal_id, program, inputs, outputs, message, fingerprint,"
            " program_fingerprint, lines, nodes, branches, solve_rate, learnability)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.step,
                triplet.type,
                row.origin,
                row.proposal_id,
                _storable(triplet.program),
                json.dumps(triplet.inputs),
                json.dumps(triplet.outputs),
                _storable(triplet.message),
                _digest(triplet.type, facts.fingerprint, *triplet.inputs),
                facts.fingerprint,
                facts.lines,
                facts.nodes,
                facts.branches,
                row.solve_rate,
                row.learnability,
            ),
        )
        task_id = _row_id(cursor)
        self._note_id(triplet.type, task_id, row.origin)
        return task_id

    def add_attempt(self, row: AttemptRow) -> int:
        """Store a judged answer and return its id."""
        cursor = self._db.execute(
            "INSERT INTO attempt(step, task_id, purpose, text, answer, verdict, reward, tokens, truncated)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.step,
                row.task_id,
                row.purpose,
                _storable(row.text),
                row.answer and _storable(row.answer),
                row.verdict,
                row.reward,
                row.tokens,
                row.truncated,
            ),
        )
        return _row_id(cursor)

    def add_problem(self, row: ProblemRow) -> int:
        """Store a problem, unless the method's problem of that key is stored already, and return its id."""
        found = self._db.execute(
            "SELECT id FROM problem WHERE method = ? AND key = ?", (row.method, row.key)
        ).fetchone()
        if found:
            return int(found[0])
        cursor = self._db.execute(
            "INSERT INTO problem(step, method, key, level, question, answer) VALUES (?, ?, ?, ?, ?, ?)",
            (row.step, row.method, row.key, row.level, _storable(row.question), row.answer and _storable(row.answer)),
        )
        return _row_id(cursor)

    def add_answer(self, row: AnswerRow) -> int:
        """Store a judged answer to a problem and return its id."""
        cursor = self._db.execute(
            "INSERT INTO answer(step, problem_id, text, answer, verdict, cluster, label, trained, reward, tokens,"
            " truncated) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.step,
                row.problem_id,
                _storable(row.text),
                row.answer and _storable(row.answer),
                row.verdict,
                row.cluster,
                row.label,
                row.trained,
                row.reward,
                row.tokens,
                row.truncated,
            ),
        )
        return _row_id(cursor)

    def add_look(self, row: LookRow) -> None:
        """Store what a look at a problem came to, unless the same look is stored already."""
        self._db.execute(
            "INSERT OR IGNORE INTO look(step, method, key, level, answers, solved, vote, tokens)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (row.step, row.method, row.key, row.level, row.answers, row.solved, row.vote, row.tokens),
        )

    def problems(self) -> int:
        """How many different problems were asked."""
        (count,) = self._db.execute("SELECT COUNT(*) FROM problem").fetchone()
        return int(count)

    def counts(self) -> dict[TaskType, int]:
        """How many tasks of each type there are."""
        return {task_type: len(ids) for task_type, ids in self._ids.items()}

    def sample(self, task_type: TaskType, k: int, rng: random.Random) -> list[StoredTask]:
        """Up to `k` different tasks of a type, uniformly, in random order."""
        ids = self._ids[task_type]
        return [self.task(task_id) for task_id in rng.sample(ids, min(k, len(ids)))]

    def sample_shown(self, task_type: TaskType, k: int, rng: random.Random) -> list[StoredTask]:
        """Like `sample`, of what a proposer may be shown: not of the tasks that only vary another's input."""
        ids = self._shown[task_type]
        return [self.task(task_id) for task_id in rng.sample(ids, min(k, len(ids)))]

    def sample_program(self, rng: random.Random) -> StoredTask:
        """A deduction or abduction task, uniformly: the program that an induction proposal is about."""
        deduction, abduction = self._shown[TaskType.DEDUCTION], self._shown[TaskType.ABDUCTION]
        index = rng.randrange(len(deduction) + len(abduction))
        return self.task(deduction[index] if index < len(deduction) else abduction[index - len(deduction)])

    def task(self, task_id: int) -> StoredTask:
        """The task with that id. Raises KeyError where there is none."""
        row = self._db.execute(f"SELECT {TASK_COLUMNS} FROM task WHERE id = ?", (task_id,)).fetchone()
        if row is None:
            raise KeyError(task_id)
        return stored_task(row)

    def holds(self, fingerprint: str) -> bool:
        """Whether a task of that `task_fingerprint` is stored already."""
        found = self._db.execute("SELECT 1 FROM task WHERE fingerprint = ? LIMIT 1", (fingerprint,))
        return found.fetchone() is not None

    def holds_program(self, task_type: TaskType, program: str) -> bool:
        """Whether a task of that type is stored whose program has that fingerprint (tasks.program)."""
        found = self._db.execute(
            "SELECT 1 FROM task WHERE program_fingerprint = ? AND type = ? LIMIT 1", (program, task_type)
        )
        return found.fetchone() is not None

    def latest_verdicts(self, most: int) -> dict[int, list[Verdict]]:
        """Of every task that was answered, the verdicts on its newest `most` answers, oldest first."""
        rows = self._db.execute(
            "SELECT task_id, verdict FROM (SELECT id, task_id, verdict,"
            " ROW_NUMBER() OVER (PARTITION BY task_id ORDER BY id DESC) AS age FROM attempt)"
            " WHERE age <= ? ORDER BY id",
            (most,),
        )
        verdicts: dict[int, list[Verdict]] = {}
        for task_id, verdict in rows:
            verdicts.setdefault(task_id, []).append(Verdict(verdict))
        return verdicts

    def programs_shown(self, task_type: TaskType) -> list[tuple[int, str]]:
        """(id, program) of every task of that type that a proposer may be shown, oldest first."""
        return self._db.execute(
            "SELECT id, program FROM task WHERE type = ? AND origin != ? ORDER BY id", (task_type, Origin.VARIED)
        ).fetchall()

    def program_fingerprints(self, task_type: TaskType) -> list[tuple[int, str]]:
        """(id, fingerprint of the program) of every task of that type, oldest first."""
        return self._db.execute(
            "SELECT id, program_fingerprint FROM task WHERE type = ? ORDER BY id", (task_type,)
        ).fetchall()

    def ids_of_step(self, step: int, task_type: TaskType, besides: Origin) -> list[int]:
        """The ids of a type's tasks of that step, oldest first, without those of one origin."""
        rows = self._db.execute(
            "SELECT id FROM task WHERE step = ? AND type = ? AND origin != ? ORDER BY id", (step, task_type, besides)
        )
        return [task_id for (task_id,) in rows]

    def distinct_programs(self) -> int:
        """How many programs there are, layout aside."""
        (count,) = self._db.execute("SELECT COUNT(DISTINCT program_fingerprint) FROM task").fetchone()
        return int(count)

    def position(self, step: int | None = None) -> dict[str, int]:
        """The newest id of each table, 0 where it is empty; with `step`, of the rows written up to it."""
        newest = f"SELECT COALESCE(MAX(id), 0) FROM {{}}{'' if step is None else ' WHERE step <= ?'}"
        given = () if step is None else (step,)
        return {table: int(self._db.execute(newest.format(table), given).fetchone()[0]) for table in TABLES}

    def seed_rounds(self) -> int:
        """How many rounds of seeding are stored."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'seed_rounds'").fetchone()
        return int(row[0]) if row else 0

    def count_seed_round(self) -> None:
        """Note that one more round of seeding is stored, in the transaction that stores it."""
        rounds = str(self.seed_rounds() + 1)
        self._db.execute("INSERT OR REPLACE INTO meta VALUES ('seed_rounds', ?)", (rounds,))

    def rewind(self, step: int) -> None:
        """Drop every row written after `step`."""
        with self.transaction():
            for table in TABLES:
                self._db.execute(f"DELETE FROM {table} WHERE step > ?", (step,))
        self._load_ids()

    def _load_ids(self) -> None:
        self._ids = {task_type: [] for task_type in TaskType}
        self._shown = {task_type: [] for task_type in TaskType}
        for task_id, task_type, origin in self._db.execute("SELECT id, type, origin FROM task ORDER BY id"):
            self._note_id(TaskType(task_type), task_id, Origin(origin))

    def _note_id(self, task_type: TaskType, task_id: int, origin: Origin) -> None:
        self._ids[task_type].append(task_id)
        if origin is not Origin.VARIED:
            self._shown[task_type].append(task_id)


def stored_task(row: tuple[int, str, str, str, str, str]) -> StoredTask:
    """A task from its TASK_COLUMNS."""
    task_id, task_type, program, inputs, outputs, message = row
    triplet = Triplet(TaskType(task_type), program, tuple(json.loads(inputs)), tuple(json.loads(outputs)), message)
    return StoredTask(task_id, triplet)


def _storable(text: str) -> str:
    """`text` as SQLite can hold it: a lone surrogate becomes its escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _row_id(cursor: sqlite3.Cursor) -> int:
    assert cursor.lastrowid is not None
    return cursor.lastrowid
