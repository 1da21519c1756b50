"""All that a report says of one run, gathered from its folder."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from azr.browse.folders import RunSummary, read_config, read_metrics, reading, summarize
from azr.browse.statistics import BufferStatistics, buffer_statistics
from azr.browse.tasks import TaskDetail, show_task
from azr.evaluation.probe_counts import Look, read_looks
from azr.report.before_after import Row
from azr.report.benchmarks import found_benchmarks
from azr.report.given import GivenStory, given_stories
from azr.training.run import Run
from tasks.program import describe

STRETCHES = 40  # points of a curve drawn from the buffer
SAMPLE = 800  # programs parsed at each end of the run for the constructs in them
DIFFICULTIES = (
    ("never solved", "solve_rate = 0"),
    ("up to a third", "solve_rate > 0 AND solve_rate <= 1.0 / 3"),
    ("up to two thirds", "solve_rate > 1.0 / 3 AND solve_rate <= 2.0 / 3"),
    ("more often", "solve_rate > 2.0 / 3 AND solve_rate < 1"),
    ("always solved", "solve_rate = 1"),
)


@dataclass(frozen=True, slots=True)
class Contrast:
    """Tasks of one type from both ends of the run; None where there is none."""

    type: str
    early: TaskDetail | None
    late: TaskDetail | None


@dataclass(frozen=True, slots=True)
class Pick:
    """A task worth reading, and why."""

    why: str
    task: TaskDetail


@dataclass(frozen=True, slots=True)
class RunStory:
    """One run. `metrics` has a line a step. `difficulty`: (last step of the stretch, how solved, count). `constructs`:
    word -> share of the programs that have it, (early, late), each over at most SAMPLE programs. `benchmarks`: other
    problems, before and after."""

    summary: RunSummary
    config: dict[str, Any]
    metrics: list[dict[str, float]]
    statistics: BufferStatistics
    difficulty: list[tuple[int, str, int]]
    constructs: dict[str, tuple[float, float]]
    contrasts: tuple[Contrast, ...]
    picks: tuple[Pick, ...]
    looks: list[Look]
    given: tuple[GivenStory, ...]
    benchmarks: tuple[Row, ...]

    @property
    def is_given_alone(self) -> bool:
        """Whether there are given problems, and no task was made or proposed."""
        return bool(self.given) and not (self.statistics.total.tasks or self.statistics.total.proposals)


def gather(run: Run, benchmarks: tuple[Row, ...] | None = None) -> RunStory:
    """Read a run, going on or ended; `benchmarks` None are those that lie where `azr eval run` leaves them.

    Raises UserError where files are missing or broken.
    """
    config = read_config(run)
    with reading(run) as db:
        contrasts = _contrasts(db)
        shown = {task.summary.id for pair in contrasts for task in (pair.early, pair.late) if task}
        return RunStory(
            summary=summarize(run),
            config=config,
            metrics=_by_step(read_metrics(run)),
            statistics=buffer_statistics(db, rows=STRETCHES),
            difficulty=_difficulty(db),
            constructs=_constructs(db),
            contrasts=contrasts,
            picks=_picks(db, shown),
            given=given_stories(db, config),
            benchmarks=found_benchmarks(run) if benchmarks is None else benchmarks,
            looks=read_looks(run.probe),
        )


def _by_step(lines: Iterable[Mapping[str, float]]) -> list[dict[str, float]]:
    """A line a step: before the first one the probe and every method's look write one each. What is no number can't be
    drawn, and is left out."""
    steps: dict[int, dict[str, float]] = {}
    for line in lines:
        finite = {name: value for name, value in line.items() if isinstance(value, int | float) and isfinite(value)}
        steps.setdefault(int(line["step"]), {}).update(finite)
    return list(steps.values())


def _last_step(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT COALESCE(MAX(step), 0) FROM task").fetchone()[0])


def _difficulty(db: sqlite3.Connection) -> list[tuple[int, str, int]]:
    last = _last_step(db)
    width = max(1, -(-last // STRETCHES))
    cases = " ".join(f"WHEN {condition} THEN '{name}'" for name, condition in DIFFICULTIES)
    return db.execute(
        f"SELECT MIN((step + {width - 1}) / {width} * {width}, {last}), CASE {cases} END, COUNT(*) FROM task"
        " WHERE solve_rate IS NOT NULL GROUP BY 1, 2"
    ).fetchall()


def _constructs(db: sqlite3.Connection) -> dict[str, tuple[float, float]]:
    early, late = (_construct_shares(_end_programs(db, order)) for order in ("ASC", "DESC"))
    return {word: (early.get(word, 0.0), late.get(word, 0.0)) for word in early.keys() | late.keys()}


def _end_programs(db: sqlite3.Connection, order: str) -> list[str]:
    """Programs of the first or last fifth of what the model invented, SAMPLE at most."""
    (invented,) = db.execute("SELECT COUNT(*) FROM task WHERE proposal_id IS NOT NULL").fetchone()
    rows = db.execute(
        f"SELECT program FROM task WHERE proposal_id IS NOT NULL ORDER BY id {order} LIMIT ?",
        (min(SAMPLE, -(-invented // 5)),),
    )
    return [program for (program,) in rows]


def _construct_shares(programs: list[str]) -> dict[str, float]:
    counts = Counter(word for program in programs for word in describe(program).constructs)
    return {word: count / len(programs) for word, count in counts.items()}


def _contrasts(db: sqlite3.Connection) -> tuple[Contrast, ...]:
    types = [row[0] for row in db.execute("SELECT DISTINCT type FROM task ORDER BY type DESC")]
    return tuple(Contrast(name, _typical(db, name, "ASC"), _typical(db, name, "DESC")) for name in types)


def _typical(db: sqlite3.Connection, task_type: str, order: str) -> TaskDetail | None:
    """The task of median size among the 50 first or last of a type that are sometimes solved, or, failing that, of all;
    of few tasks the first or last half."""
    for condition in ("learnability > 0", "proposal_id IS NOT NULL"):
        ids = [
            row[0]
            for row in db.execute(
                f"SELECT id FROM (SELECT id, nodes FROM task WHERE type = ?1 AND {condition} ORDER BY id {order} LIMIT"
                f" MIN(50, (SELECT COUNT(*) FROM task WHERE type = ?1 AND {condition}) / 2)) ORDER BY nodes, id",
                (task_type,),
            )
        ]
        if ids:
            return show_task(db, ids[len(ids) // 2])
    return None


_PICKS = (
    ("Rarely solved: the most learnable tasks", "learnability > 0", "learnability DESC, nodes DESC"),
    ("The most involved programs that were still solved", "solve_rate > 0", "branches DESC, nodes DESC"),
    ("The shortest that were hard", "learnability >= 0.5 AND lines > 1", "nodes ASC, id DESC"),
    ("Never solved", "solve_rate = 0 AND step > 0", "nodes DESC"),
)


def _picks(db: sqlite3.Connection, shown: set[int], each: int = 2) -> tuple[Pick, ...]:
    """A few tasks a reason, none of those that are shown already, no program twice."""
    chosen: set[str] = set()
    picks = []
    for why, condition, order in _PICKS:
        rows = db.execute(
            f"SELECT id, program_fingerprint FROM task WHERE {condition} AND proposal_id IS NOT NULL"
            f" ORDER BY {order} LIMIT 40"
        ).fetchall()
        fresh = [(task_id, program) for task_id, program in rows if program not in chosen and task_id not in shown]
        unique = list({program: task_id for task_id, program in reversed(fresh)}.items())[::-1][:each]
        chosen |= {program for program, _ in unique}
        picks += [Pick(why, show_task(db, task_id)) for _, task_id in unique]
    return tuple(picks)
