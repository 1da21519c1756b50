"""Queries for tasks: the ones that match, one with all that is known of it, and proposals that did not become tasks."""

import json
import sqlite3
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from azr.errors import UserError


class SortKey(StrEnum):
    """What a list of tasks can be ordered by; each is a column of the table `task`."""

    ID = "id"
    STEP = "step"
    LEARNABILITY = "learnability"
    SOLVE_RATE = "solve_rate"
    LINES = "lines"
    NODES = "nodes"
    BRANCHES = "branches"


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks. A field that is None lets all pass; bounds are inclusive; `text` is looked for in program, inputs,
    outputs and message, upper and lower case alike."""

    type: str | None = None
    origin: str | None = None
    first_step: int | None = None
    last_step: int | None = None
    min_learnability: float | None = None
    max_learnability: float | None = None
    min_solve_rate: float | None = None
    max_solve_rate: float | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """A row of a list of tasks. `solve_rate` and `learnability` are None where nobody estimated them."""

    id: int
    step: int
    type: str
    origin: str
    solve_rate: float | None
    learnability: float | None
    lines: int
    nodes: int
    branches: int
    program: str


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A part of the tasks that match. `total` counts them all."""

    total: int
    tasks: tuple[TaskSummary, ...]


@dataclass(frozen=True, slots=True)
class ProposalRecord:
    """A text of the proposer's. `refs` are the ids of the tasks that its prompt showed."""

    id: int
    step: int
    type: str
    refs: tuple[int, ...]
    text: str
    tokens: int
    truncated: bool
    rejection: str | None
    detail: str | None
    reward: float | None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A judged answer."""

    id: int
    step: int
    purpose: str
    verdict: str
    answer: str | None
    reward: float
    tokens: int
    truncated: bool
    text: str


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """All that is known of a task. `proposal` is None where no model proposed it; `attempts` are oldest first."""

    summary: TaskSummary
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    message: str
    proposal: ProposalRecord | None
    attempts: tuple[AttemptRecord, ...]


_TEXTS = ("program", "inputs", "outputs", "message")
_CONDITIONS = {
    "type": "type = :type",
    "origin": "origin = :origin",
    "first_step": "step >= :first_step",
    "last_step": "step <= :last_step",
    "min_learnability": "learnability >= :min_learnability",
    "max_learnability": "learnability <= :max_learnability",
    "min_solve_rate": "solve_rate >= :min_solve_rate",
    "max_solve_rate": "solve_rate <= :max_solve_rate",
    "text": "(" + " OR ".join(rf"{column} LIKE :text ESCAPE '\'" for column in _TEXTS) + ")",
}
_SUMMARY = "id, step, type, origin, solve_rate, learnability, lines, nodes, branches, program"
_PROPOSAL = "id, step, type, refs, text, tokens, truncated, rejection, detail, reward"
_ATTEMPT = "id, step, purpose, verdict, answer, reward, tokens, truncated, text"


def list_tasks(
    db: sqlite3.Connection,
    wanted: TaskFilter,
    sort: SortKey = SortKey.ID,
    descending: bool = False,
    limit: int = 20,
    offset: int = 0,
) -> TaskPage:
    """The tasks that match, from `offset` on, at most `limit`; those without a value to sort by come last."""
    where, values = where_clause(wanted)
    direction = "DESC" if descending else "ASC"
    if wanted == TaskFilter():
        (total,) = db.execute("SELECT COUNT(*) FROM task").fetchone()
        rows = db.execute(
            f"SELECT id FROM task ORDER BY {sort} {direction} NULLS LAST, id {direction} LIMIT ? OFFSET ?",
            (limit, offset),
        )
        return TaskPage(total, tuple(_summary(db, task_id) for (task_id,) in rows))
    # One pass counts and orders. The plus keeps SQLite from walking an index and jumping to the table for every row.
    order = f"+{sort} {direction} NULLS LAST, id {direction}"
    ids = [row[0] for row in db.execute(f"SELECT id FROM task WHERE {where} ORDER BY {order}", values)]
    return TaskPage(len(ids), tuple(_summary(db, task_id) for task_id in ids[offset : offset + limit]))


def show_task(db: sqlite3.Connection, task_id: int) -> TaskDetail:
    """Everything about one task. Raises UserError where there is none of that id."""
    row = db.execute("SELECT inputs, outputs, message, proposal_id FROM task WHERE id = ?", (task_id,)).fetchone()
    if row is None:
        raise UserError(f"no task {task_id}{_known_ids(db)}")
    inputs, outputs, message, proposal_id = row
    return TaskDetail(
        summary=_summary(db, task_id),
        inputs=tuple(json.loads(inputs)),
        outputs=tuple(json.loads(outputs)),
        message=message,
        proposal=None if proposal_id is None else _proposal(db, proposal_id),
        attempts=attempts_on(db, task_id),
    )


def attempts_on(db: sqlite3.Connection, task_id: int) -> tuple[AttemptRecord, ...]:
    """Every judged answer to a task, oldest first."""
    rows = db.execute(f"SELECT {_ATTEMPT} FROM attempt WHERE task_id = ? ORDER BY id", (task_id,))
    return tuple(_attempt_record(row) for row in rows)


def rejected_proposals(
    db: sqlite3.Connection, reason: str | None = None, task_type: str | None = None, limit: int = 20
) -> list[ProposalRecord]:
    """The newest proposals that did not become tasks, by reason and type where given."""
    rows = db.execute(
        f"SELECT {_PROPOSAL} FROM proposal WHERE rejection IS NOT NULL"
        " AND (?1 IS NULL OR rejection = ?1) AND (?2 IS NULL OR type = ?2) ORDER BY id DESC LIMIT ?3",
        (reason, task_type, limit),
    )
    return [_proposal_record(row) for row in rows]


def where_clause(wanted: TaskFilter) -> tuple[str, dict[str, Any]]:
    """The condition on the table `task` in SQL, and the values of its named parameters."""
    values = asdict(wanted) | {"text": _pattern(wanted.text)}
    used = [condition for name, condition in _CONDITIONS.items() if values[name] is not None]
    return " AND ".join(used) or "1", values


def _pattern(text: str | None) -> str | None:
    if text is None:
        return None
    return "%" + text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"


def _summary(db: sqlite3.Connection, task_id: int) -> TaskSummary:
    return TaskSummary(*db.execute(f"SELECT {_SUMMARY} FROM task WHERE id = ?", (task_id,)).fetchone())


def _proposal(db: sqlite3.Connection, proposal_id: int) -> ProposalRecord:
    return _proposal_record(db.execute(f"SELECT {_PROPOSAL} FROM proposal WHERE id = ?", (proposal_id,)).fetchone())


def _proposal_record(row: tuple[Any, ...]) -> ProposalRecord:
    proposal_id, step, task_type, refs, text, tokens, truncated, rejection, detail, reward = row
    return ProposalRecord(
        proposal_id, step, task_type, tuple(json.loads(refs)), text, tokens, bool(truncated), rejection, detail, reward
    )


def _attempt_record(row: tuple[Any, ...]) -> AttemptRecord:
    attempt_id, step, purpose, verdict, answer, reward, tokens, truncated, text = row
    return AttemptRecord(attempt_id, step, purpose, verdict, answer, reward, tokens, bool(truncated), text)


def _known_ids(db: sqlite3.Connection) -> str:
    first, last = db.execute("SELECT MIN(id), MAX(id) FROM task").fetchone()
    return "; the buffer is empty so far" if first is None else f"; ids go from {first} to {last}"
