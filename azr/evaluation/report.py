"""How scores and comparisons look in a terminal."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from azr.evaluation.comparison import Comparison
from azr.evaluation.samples import LineProblem
from azr.evaluation.scoring import Score

SHOWN_LINES = 10
TOLD_EVERY_S = 60.0  # where there is no terminal to draw a bar in


@contextmanager
def progress_bar(console: Console, title: str, total: int, there: int = 0) -> Iterator[Callable[[int], None]]:
    """A bar that runs to `total`; yields the function that moves it on. Where output is piped, a line a minute.

    `there`: how many were done before, and take no time now.
    """
    if not console.is_terminal:
        yield _line_a_minute(console, title, total, there)
        return
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(title, total=total)
        yield lambda done: progress.update(bar, advance=done)


def _line_a_minute(console: Console, title: str, total: int, there: int) -> Callable[[int], None]:
    began = told = time.monotonic()
    done = 0

    def advance(more: int) -> None:
        nonlocal done, told
        done += more
        now = time.monotonic()
        if now - told >= TOLD_EVERY_S:
            told = now
            left = (total - done) * (now - began) / max(1, done - there)
            console.print(f"{title}: {done:,} of {total:,}, some {left / 60:.0f} min left", soft_wrap=True)

    return advance


def print_scores(scores: Sequence[Score], console: Console) -> None:
    """pass@k of each benchmark in per cent, with its 95 % interval over problems."""
    table = Table(box=None, pad_edge=False)
    for head in ("benchmark", "problems", "pass@k", "95 % interval", "unanswered"):
        table.add_column(head, justify="left" if head == "benchmark" else "right")
    for score in scores:
        for index, (k, estimate) in enumerate(score.pass_at.items()):
            first = index == 0
            figures = (
                (f"@{k} {100 * estimate.value:.1f}", f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}")
                if estimate
                else (f"@{k} –", "too few samples")
            )
            table.add_row(
                score.benchmark if first else "",
                str(score.n_tasks) if first else "",
                *figures,
                str(len(score.unanswered) or "") if first else "",
            )
    console.print(table)
    _print_details(scores, console)
    if any(score.unanswered for score in scores):
        console.print("A problem without a sample counts as failed.")


def _print_details(scores: Sequence[Score], console: Console) -> None:
    """What only some benchmarks have: pass@1 by grade, and the share of answers that repeat the question."""
    for score in scores:
        details = [f"grade {grade} {100 * value:.1f}" for grade, value in score.by_grade.items()]
        if score.repeats is not None:
            details.append(f"repeat the question {100 * score.repeats:.1f}")
        if details:
            console.print(f"{score.benchmark}: {', '.join(details)}", soft_wrap=True)


def print_line_problems(problems: Sequence[LineProblem], file: str, console: Console) -> None:
    """What was wrong with which lines, and how many there were."""
    if not problems:
        return
    console.print(f"{file}: {len(problems)} lines could not be used:", soft_wrap=True, markup=False)
    for problem in problems[:SHOWN_LINES]:
        console.print(f"  line {problem.line}: {problem.reason}", soft_wrap=True, markup=False)
    if len(problems) > SHOWN_LINES:
        console.print(f"  and {len(problems) - SHOWN_LINES} more (--json lists all)")


def print_comparisons(names: tuple[str, str], comparisons: Sequence[Comparison], console: Console) -> None:
    """Side by side in per cent: both scores, the difference with its interval, and how many each alone solves."""
    console.print(f"A {names[0]}\nB {names[1]}", soft_wrap=True, markup=False)
    table = Table(box=None, pad_edge=False)
    for head in ("benchmark", "", "problems", "A", "B", "B - A", "95 % interval", "only A", "only B"):
        table.add_column(head, justify="right" if head and head != "benchmark" else "left", no_wrap=head == "benchmark")
    for found in comparisons:
        table.add_row(
            found.benchmark,
            found.measure,
            str(found.problems),
            f"{100 * found.a:.1f}",
            f"{100 * found.b:.1f}",
            f"{100 * found.difference:+.1f}",
            f"{100 * found.low:+.1f} to {100 * found.high:+.1f}",
            str(len(found.only_a)),
            str(len(found.only_b)),
        )
    console.print(table)
    for found in comparisons:
        if found.measure == "repeats":
            continue
        for side, tasks in (("A", found.only_a), ("B", found.only_b)):
            if tasks:
                console.print(f"{found.benchmark}, only {side}: {' '.join(tasks)}", soft_wrap=True, markup=False)
        if found.left_out:
            console.print(f"{found.benchmark}: {found.left_out} problems that only one answered are left out")
