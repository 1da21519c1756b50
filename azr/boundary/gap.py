"""ΔSE, the sampling efficiency gap: what one sample of a trained model leaves of what its base does with many.

ΔSE = pass@k of the base − pass@1 of the trained model, in points of a hundred (Yue et al. 2025, arXiv 2504.13837: k is
256 there). Smaller is better, 0 says that one sample does what k of the base do. A summary that is passed around reads
it the other way round, so the definition is printed wherever a number is.
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from azr.boundary.curves import Resampled, interval
from azr.errors import UserError

PAPERS_K = 256
_COLUMN = re.compile(r"(?:(?P<set>.+)_)?pass@?(?P<k>\d+)")


@dataclass(frozen=True, slots=True)
class Gap:
    """ΔSE in points, with its interval, and the two figures that it is the difference of (in points)."""

    k: int
    base: float
    trained: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class PublishedGap:
    """ΔSE of a published table's row on one of its problem sets, in the table's unit; `set` is "" where it has one."""

    model: str
    base_model: str
    set: str
    k: int
    base: float
    trained: float
    value: float


def definition(base: str, k: int) -> str:
    """What the number is, in one sentence."""
    return f"ΔSE = pass@{k} of {base} − pass@1 of the trained model, in points; smaller is better"


def sampling_gap(base: Resampled, trained: Resampled) -> Gap:
    """ΔSE at the paper's k = 256, or at the base's largest k where that is smaller."""
    column = int((base.ks <= PAPERS_K).sum()) - 1
    low, high = interval(base.means[:, column] - trained.means[:, 0])
    first, second = float(base.value[column]), float(trained.value[0])
    return Gap(int(base.ks[column]), 100 * first, 100 * second, 100 * (first - second), 100 * low, 100 * high)


def published_gaps(path: Path) -> list[PublishedGap]:
    """ΔSE of every row but the first, which is the base, on every problem set of a CSV table.

    Its columns: the model's name first, then SET_pass1 and SET_pass256 for each set (or pass1 and pass256; any k above
    1). Raises UserError where the table is not of that shape.
    """
    header, rows = _read_table(path)
    columns: dict[str, dict[int, int]] = {}
    for index, name in enumerate(header[1:], start=1):
        if match := _COLUMN.fullmatch(name.strip()):
            columns.setdefault(match["set"] or "", {})[int(match["k"])] = index
    wanted = [(name, found[1], max(found), found[max(found)]) for name, found in columns.items() if set(found) > {1}]
    if not wanted or len(rows) < 2:
        raise UserError(
            f"{path}: ΔSE wants a header like model,test_pass1,test_pass256, the base in the first row and a trained "
            "model in the second"
        )
    base, *trained = rows
    gaps = []
    for name, one, k, many in wanted:
        first = _number(path, base, many)
        for row in trained:
            second = _number(path, row, one)
            gaps.append(PublishedGap(row[0], base[0], name, k, first, second, round(first - second, 9)))
    return gaps


def _read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(f"{path} can't be read: {reason}") from error
    if not rows:
        raise UserError(f"{path}: the table is empty")
    return rows[0], rows[1:]


def _number(path: Path, row: list[str], column: int) -> float:
    try:
        return float(row[column])
    except (IndexError, ValueError):
        said = row[column] if column < len(row) else "nothing"
        raise UserError(f"{path}: column {column + 1} of {row[0]} is no number but {said!r}") from None
