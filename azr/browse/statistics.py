"""Figures of a whole buffer: by task type, and over the steps."""

import sqlite3
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from azr.browse.problems import ProblemFigures, problem_figures


@dataclass(frozen=True, slots=True)
class Figures:
    """What was proposed and what became of it, in one group of proposals and tasks.

    `valid` counts proposals that became tasks, `rejected` the others by reason; `tasks` also counts those that nobody
    proposed (the identity, a seed file's). Means are over the tasks of the group that have the value, None where none
    has. `distinct` counts programs that differ in more than layout and names; `new` those of them that no earlier step
    had.
    """

    proposals: int
    valid: int
    rejected: dict[str, int]
    tasks: int
    learnability: float | None
    solve_rate: float | None
    lines: float | None
    nodes: float | None
    branches: float | None
    distinct: int
    new: int

    @property
    def valid_share(self) -> float | None:
        """Of the proposals, the share that became tasks."""
        return self.valid / self.proposals if self.proposals else None

    @property
    def novelty(self) -> float | None:
        """Of the tasks, the share whose program no earlier task had: 1 where each step's programs are all new."""
        return self.new / self.tasks if self.tasks else None


@dataclass(frozen=True, slots=True)
class StepFigures:
    """The figures of steps `first` to `last`, both included; 0 is seeding. `programs`: distinct ones up to `last`."""

    first: int
    last: int
    figures: Figures
    programs: int


@dataclass(frozen=True, slots=True)
class BufferStatistics:
    """Figures of the whole buffer, of each type, of stretches of steps, and of the problems that methods were given;
    `attempts` counts judged answers to tasks."""

    total: Figures
    by_type: dict[str, Figures]
    by_step: tuple[StepFigures, ...]
    attempts: int
    problems: tuple[ProblemFigures, ...] = ()


def buffer_statistics(db: sqlite3.Connection, rows: int = 12, until: int = sys.maxsize) -> BufferStatistics:
    """Figures of a buffer, its steps gathered into at most `rows` stretches of equal length; seeding stands alone.

    What steps after `until` brought is left out (but for given problems, whose figures are the whole run's).
    """
    (attempts,) = db.execute("SELECT COUNT(*) FROM attempt WHERE step <= ?", (until,)).fetchone()
    return BufferStatistics(
        total=_grouped(db, "0", until).get(0, _EMPTY),
        by_type={str(name): figures for name, figures in sorted(_grouped(db, "type", until).items())},
        by_step=_by_step(db, rows, until),
        attempts=attempts,
        problems=problem_figures(db),
    )


_PROPOSED = "origin != 'varied'"  # other inputs of a program are nobody's invention
_EMPTY = Figures(0, 0, {}, 0, None, None, None, None, None, 0, 0)


def _by_step(db: sqlite3.Connection, rows: int, until: int) -> tuple[StepFigures, ...]:
    (last,) = db.execute(
        "SELECT MAX((SELECT COALESCE(MAX(step), 0) FROM task), (SELECT COALESCE(MAX(step), 0) FROM proposal))"
    ).fetchone()
    last = min(last, until)
    width = max(1, -(-last // rows))
    groups = _grouped(db, f"(step + {width - 1}) / {width}", until)  # seeding is group 0, steps 1 to width are group 1
    stretches, programs = [], 0
    for group, figures in sorted(groups.items()):
        programs += figures.new
        first = 0 if group == 0 else (group - 1) * width + 1
        stretches.append(StepFigures(first, min(group * width, last), figures, programs))
    return tuple(stretches)


def _grouped(db: sqlite3.Connection, group: str, until: int) -> dict[Any, Figures]:
    """Figures by the value of an SQL expression over columns that `proposal` and `task` share, up to step `until`."""
    outcomes: dict[Any, Counter[str | None]] = defaultdict(Counter)
    for key, rejection, count in db.execute(
        f"SELECT {group}, rejection, COUNT(*) FROM proposal WHERE step <= ? GROUP BY 1, 2", (until,)
    ):
        outcomes[key][rejection] = count
    tasks = {
        key: values
        for key, *values in db.execute(
            f"SELECT {group}, COUNT(*), AVG(learnability), AVG(solve_rate), AVG(lines), AVG(nodes), AVG(branches),"
            f" COUNT(DISTINCT program_fingerprint) FROM task WHERE {_PROPOSED} AND step <= ? GROUP BY 1",
            (until,),
        )
    }
    new = dict(
        db.execute(
            f"SELECT {group}, COUNT(*) FROM task WHERE id IN (SELECT MIN(id) FROM task GROUP BY program_fingerprint)"
            f" AND {_PROPOSED} AND step <= ? GROUP BY 1",
            (until,),
        )
    )
    figures = {}
    for key in outcomes.keys() | tasks.keys():
        rejected = {reason: count for reason, count in outcomes[key].most_common() if reason is not None}
        count, learnability, solve_rate, lines, nodes, branches, distinct = tasks.get(key, [0, *[None] * 5, 0])
        figures[key] = Figures(
            proposals=outcomes[key].total(),
            valid=outcomes[key][None],
            rejected=rejected,
            tasks=count,
            learnability=learnability,
            solve_rate=solve_rate,
            lines=lines,
            nodes=nodes,
            branches=branches,
            distinct=distinct,
            new=new.get(key, 0),
        )
    return figures
