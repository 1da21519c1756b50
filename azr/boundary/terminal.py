"""How a study looks in a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from azr.boundary.course import Course, series
from azr.boundary.curves import Curve, Ints
from azr.boundary.gap import PublishedGap, definition
from azr.boundary.study import COVERS, Pair, Study
from azr.boundary.words import course_in_words, pairs_in_words, perplexity_in_words

SHOWN_IDS = 40


def doublings(ks: Ints) -> list[int]:
    """The columns of k = 1, 2, 4 … and of the last k."""
    return [i for i, k in enumerate(ks) if k & (k - 1) == 0 or i == len(ks) - 1]


def value_and_interval(curve: Curve, column: int, sign: str = "") -> str:
    """A figure and its interval in per cent, or a dash where the curve has ended."""
    if column >= len(curve.ks):
        return "–"
    value, low, high = (f"{100 * part[column]:{sign}.1f}" for part in (curve.value, curve.low, curve.high))
    return f"{value} [{low}, {high}]".replace("-", "−")


def print_study(study: Study, console: Console) -> None:
    """pass@k at the powers of two, who solves what, ΔSE, and all of it in words."""
    if study.course:
        console.print(_course_table(study.course))
        console.print(course_in_words(study.course), soft_wrap=True, markup=False)
    curves = {side.side.label: side.curve for side in study.sides}
    for pair, said in zip(study.pairs, pairs_in_words(study), strict=True):
        first, second = curves[pair.first], curves[pair.second]
        if pair.contrast and first and second:
            console.print(_pass_table(first, second, pair, pair.contrast.difference))
        console.print(said, soft_wrap=True, markup=False)
        sets = pair.overlap
        for label, ids in ((pair.first, sets.only_first), (pair.second, sets.only_second)):
            if ids:
                more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
                console.print(f"  only {label}: {' '.join(ids[:SHOWN_IDS])}{more}", soft_wrap=True, markup=False)
        if pair.contrast:
            gap = pair.contrast.gap
            console.print(
                f"  ΔSE {gap.value:.1f} [{gap.low:.1f}, {gap.high:.1f}]: {definition(pair.first, gap.k)}",
                soft_wrap=True,
                markup=False,
            )
    for said in perplexity_in_words(study):
        console.print(said, soft_wrap=True, markup=False)
    for note in study.notes:
        console.print(f"Note: {note}", soft_wrap=True, markup=False)
    if study.exact:
        console.print(COVERS, soft_wrap=True, markup=False)


def print_published(gaps: Sequence[PublishedGap], console: Console) -> None:
    """ΔSE by model, a column for each problem set."""
    sets = list(dict.fromkeys(gap.set for gap in gaps))
    table = Table(box=None, pad_edge=False)
    table.add_column("ΔSE")
    for name in sets:
        table.add_column(name or "", justify="right")
    found = {(gap.model, gap.set): gap.value for gap in gaps}
    for model in dict.fromkeys(gap.model for gap in gaps):
        table.add_row(model, *(f"{found[model, name]:.1f}" for name in sets))
    console.print(table)
    for base, k in dict.fromkeys((gap.base_model, gap.k) for gap in gaps):
        console.print(definition(base, k) + ".", soft_wrap=True, markup=False)


def _course_table(course: Course) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in ("step", *(f"{name}, per cent" for name, _ in series(course)), "nats a token"):
        table.add_column(head, justify="right")
    for i, stop in enumerate(course.stops):
        shares = [
            f"{100 * v:.1f} [{100 * low:.1f}, {100 * high:.1f}]" for v, low, high in (s[i] for _, s in series(course))
        ]
        table.add_row(str(stop.step), *shares, "–" if stop.entropy is None else f"{stop.entropy:.3f}")
    return table


def _pass_table(first: Curve, second: Curve, pair: Pair, between: Curve) -> Table:
    table = Table(box=None, pad_edge=False)
    for head in ("pass@k, per cent", pair.first, pair.second, f"{pair.second} − {pair.first}"):
        table.add_column(head, justify="left" if head.startswith("pass@") else "right")
    longest = max((first, second), key=lambda curve: len(curve.ks)).ks
    for column in doublings(longest):
        table.add_row(
            f"k = {longest[column]}",
            value_and_interval(first, column),
            value_and_interval(second, column),
            value_and_interval(between, column, sign="+"),
        )
    return table
