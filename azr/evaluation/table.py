"""The paper's table 1 with a row of ours in it (Zhao et al. 2025, arXiv 2505.03335).

paper_table1.csv beside this file holds the paper's rows, in per cent, as its authors published them.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from azr.evaluation.benchmark import Area
from azr.evaluation.benchmarks import TABLE1

_PAPER = Path(__file__).with_name("paper_table1.csv")
_HEADS = dict(
    zip((b.name for b in TABLE1), ("HE+", "MB+", "LCB", "A24", "A25", "AMC", "M500", "Min", "Oly"), strict=True)
)
LEGEND = (
    "HE+ HumanEval+, MB+ MBPP+, LCB LiveCodeBench, A24 and A25 AIME, AMC AMC 23, M500 MATH-500, Min Minerva, "
    "Oly OlympiadBench; CAvg, MAvg their averages over code and mathematics, AVG = (CAvg + MAvg) / 2. Per cent."
)


@dataclass(frozen=True, slots=True)
class TableRow:
    """A model's figures in per cent, by benchmark name."""

    model: str
    scores: Mapping[str, float]
    code_average: float
    math_average: float

    @property
    def average(self) -> float:
        """AVG = (CAvg + MAvg) / 2, as the paper has it: code and mathematics weigh the same."""
        return (self.code_average + self.math_average) / 2


def table_row(model: str, scores: Mapping[str, float]) -> TableRow:
    """The row of a model with a score on every benchmark of table 1 (KeyError otherwise)."""
    averages = {}
    for area in (Area.CODE, Area.MATH):
        names = [benchmark.name for benchmark in TABLE1 if benchmark.area is area]
        averages[area] = sum(scores[name] for name in names) / len(names)
    return TableRow(model, {b.name: scores[b.name] for b in TABLE1}, averages[Area.CODE], averages[Area.MATH])


def paper_rows() -> list[TableRow]:
    """The paper's rows, in its order."""
    with _PAPER.open(encoding="utf-8", newline="") as file:
        return [
            TableRow(
                record["model"] if record["base"] == "-" else f"{record['model']} ({record['base']})",
                {benchmark.name: float(record[benchmark.name]) for benchmark in TABLE1},
                float(record["code_avg"]),
                float(record["math_avg"]),
            )
            for record in csv.DictReader(file)
        ]


def render_table(rows: list[TableRow], ours: int) -> Table:
    """The table, 80 columns wide; the first `ours` rows stand apart from the paper's."""
    table = Table(box=None, padding=(0, 0, 0, 1), pad_edge=False)
    table.add_column("model", no_wrap=True, overflow="ellipsis", min_width=12, max_width=19)
    for head in (*_HEADS.values(), "CAvg", "MAvg", "AVG"):
        table.add_column(head, justify="right", no_wrap=True)
    for index, row in enumerate(rows):
        figures = [*row.scores.values(), row.code_average, row.math_average, row.average]
        table.add_row(
            row.model,
            *(f"{figure:.1f}" for figure in figures),
            style="bold" if index < ours else "",
            end_section=index == ours - 1,
        )
    return table


def write_table(path: Path, rows: list[TableRow]) -> None:
    """The rows as CSV, with the columns that paper_table1.csv has."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", *_HEADS, "code_avg", "math_avg", "avg"])
        for row in rows:
            figures = [*row.scores.values(), row.code_average, row.math_average, row.average]
            writer.writerow([row.model, *(f"{figure:.1f}" for figure in figures)])
