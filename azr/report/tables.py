"""Before and after as a table of words: a row of problems, what became of the share of right answers and of the mean
length of an answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from azr.report.before_after import Change, Estimate, Row


@dataclass(frozen=True, slots=True)
class Table:
    """What a template writes out; the first cell of a row is its head."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def change_table(title: str, rows: Sequence[Row]) -> Table:
    """Columns that no row has anything for are left out."""
    head, cells = ["problems", "number"], [[row.name, _count(row)] for row in rows]
    for name, changes, share in (
        ("right", [row.right for row in rows], True),
        ("tokens", [row.tokens for row in rows], False),
    ):
        if any(changes):
            head += [f"{name}, before", "after", "change"]
            cells = [[*row, *_cells(change, share)] for row, change in zip(cells, changes, strict=True)]
    return Table(title, tuple(head), tuple(map(tuple, cells)))


def _count(row: Row) -> str:
    return f"{row.problems:,}" if row.known in (0, row.problems) else f"{row.problems:,} ({row.known:,} known)"


def _cells(change: Change | None, share: bool) -> list[str]:
    if change is None:
        return ["?", "?", "?"] if share else ["-", "-", "-"]
    show: Callable[[float], str] = (lambda value: f"{value:.1%}") if share else (lambda value: f"{value:.1f}")
    signed = _points if share else "{:+.1f}".format
    return [show(change.before.value), show(change.after.value), _difference(change.difference, signed)]


def _difference(found: Estimate, signed: Callable[[float], str]) -> str:
    return f"{signed(found.value)} [{signed(found.low)}, {signed(found.high)}]"


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"
