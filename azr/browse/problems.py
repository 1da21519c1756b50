"""Queries for problems that were given: figures by method, the ones that match, and one with every answer to it."""

import sqlite3
from dataclasses import dataclass
from typing import Any

from azr.errors import UserError


@dataclass(frozen=True, slots=True)
class ProblemFigures:
    """What a method's problems came to. `right` is None where no problem's answer is known; `agreed` is the share of
    answers that are of the largest cluster of their vote."""

    method: str
    problems: int
    answers: int
    trained: int
    right: float | None
    agreed: float
    tokens: float


@dataclass(frozen=True, slots=True)
class ProblemSummary:
    """A row of a list of problems. `step` is when it was first asked, `times` in how many steps; shares as above."""

    id: int
    step: int
    method: str
    key: str
    level: str
    times: int
    answers: int
    right: float | None
    agreed: float
    question: str


@dataclass(frozen=True, slots=True)
class ProblemPage:
    """A part of the problems that match. `total` counts them all."""

    total: int
    problems: tuple[ProblemSummary, ...]


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """A judged answer to a problem. `verdict` is None where nobody knows, `cluster` where it did not vote."""

    id: int
    step: int
    verdict: str | None
    answer: str | None
    cluster: int | None
    label: bool
    trained: bool
    reward: float
    tokens: int
    truncated: bool
    text: str


@dataclass(frozen=True, slots=True)
class ProblemDetail:
    """All that is known of a problem. `answer` is None where it is not known; `answers` are oldest first."""

    summary: ProblemSummary
    answer: str | None
    answers: tuple[AnswerRecord, ...]


_SHARES = "AVG(CASE WHEN verdict IS NULL THEN NULL ELSE verdict = 'right' END), AVG(label)"
_SUMMARY = (
    "SELECT problem.id, problem.step, method, key, level, COUNT(DISTINCT answer.step), COUNT(answer.id),"
    f" {_SHARES}, question FROM problem JOIN answer ON problem_id = problem.id"
)


def has_only_problems(db: sqlite3.Connection) -> bool:
    """Whether problems were given, and no task was made."""
    return _is_filled(db, "problem") and not _is_filled(db, "task")


def problem_figures(db: sqlite3.Connection) -> tuple[ProblemFigures, ...]:
    """Figures of every method that was given problems, by name."""
    rows = db.execute(
        f"SELECT method, COUNT(DISTINCT problem.id), COUNT(*), SUM(trained), {_SHARES}, AVG(tokens)"
        " FROM problem JOIN answer ON problem_id = problem.id GROUP BY method ORDER BY method"
    )
    return tuple(ProblemFigures(*row) for row in rows)


def list_problems(db: sqlite3.Connection, text: str | None, limit: int, offset: int) -> ProblemPage:
    """The problems with `text` in their question (None: all), by id, from `offset` on, at most `limit`."""
    where = "WHERE ?1 IS NULL OR instr(lower(question), lower(?1))"
    (total,) = db.execute(f"SELECT COUNT(*) FROM problem {where}", (text,)).fetchone()
    rows = db.execute(
        f"{_SUMMARY} {where} GROUP BY problem.id ORDER BY problem.id LIMIT ?2 OFFSET ?3", (text, limit, offset)
    )
    return ProblemPage(total, tuple(ProblemSummary(*row) for row in rows))


def show_problem(db: sqlite3.Connection, problem_id: int) -> ProblemDetail:
    """Everything about one problem. Raises UserError where there is none of that id."""
    known = db.execute("SELECT answer FROM problem WHERE id = ?", (problem_id,)).fetchone()
    if known is None:
        (last,) = db.execute("SELECT MAX(id) FROM problem").fetchone()
        raise UserError(f"no problem {problem_id}" + (f"; ids go from 1 to {last}" if last else "; none was given"))
    summary = db.execute(f"{_SUMMARY} WHERE problem.id = ? GROUP BY problem.id", (problem_id,)).fetchone()
    rows = db.execute(
        "SELECT id, step, verdict, answer, cluster, label, trained, reward, tokens, truncated, text FROM answer"
        " WHERE problem_id = ? ORDER BY id",
        (problem_id,),
    )
    answers = tuple(_answer_record(row) for row in rows)
    return ProblemDetail(ProblemSummary(*summary), known[0], answers)


def _answer_record(row: tuple[Any, ...]) -> AnswerRecord:
    answer_id, step, verdict, answer, cluster, label, trained, reward, tokens, truncated, text = row
    return AnswerRecord(
        answer_id, step, verdict, answer, cluster, bool(label), bool(trained), reward, tokens, bool(truncated), text
    )


def _is_filled(db: sqlite3.Connection, table: str) -> bool:
    return db.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None
