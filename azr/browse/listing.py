"""Lists of tasks and problems in a terminal, a line each. Without rich, whose import takes longer than the query."""

import re
import shutil

from azr.browse.problems import ProblemPage
from azr.browse.tasks import TaskPage

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE = "{:>7} {:>5}  {:<9}  {:>5}  {:>6}  {:>5}  {}"
_BEFORE_PROGRAM = 48  # columns


def print_page(page: TaskPage, offset: int) -> None:
    """The tasks of a page, as many columns of each program as the terminal has left; 80 in all where there is none."""
    if not page.tasks:
        print("no task matches" if not page.total else f"only {page.total:,} tasks match")
        return
    room = max(20, shutil.get_terminal_size().columns - _BEFORE_PROGRAM)
    print(_LINE.format("id", "step", "type", "learn", "solved", "lines", "program"))
    for task in page.tasks:
        program = " ".join(visible(task.program).removeprefix("def ").split())
        shown = program if len(program) <= room else program[: room - 1] + "…"
        learnability = "-" if task.learnability is None else f"{task.learnability:.2f}"
        solved = "-" if task.solve_rate is None else f"{task.solve_rate:.0%}"
        print(_LINE.format(task.id, task.step, task.type, learnability, solved, task.lines, shown))
    print(f"{offset + 1} to {offset + len(page.tasks)} of {page.total:,} tasks")


_PROBLEM_LINE = "{:>6} {:>5}  {:<8}  {:<5}  {:>5}  {:>7}  {:>6}  {:>6}  {}"
_BEFORE_QUESTION = 64


def print_problems(page: ProblemPage, offset: int) -> None:
    """The problems of a page, as many columns of each question as the terminal has left."""
    if not page.problems:
        print("no problem matches" if not page.total else f"only {page.total:,} problems match")
        return
    room = max(16, shutil.get_terminal_size().columns - _BEFORE_QUESTION)
    print(_PROBLEM_LINE.format("id", "step", "method", "level", "times", "answers", "right", "agreed", "question"))
    for one in page.problems:
        question = " ".join(visible(one.question).split())
        shown = question if len(question) <= room else question[: room - 1] + "…"
        right = "?" if one.right is None else f"{one.right:.0%}"
        method, level = one.method[:8], visible(one.level)[:5]
        cells = (one.id, one.step, method, level, one.times, one.answers, right, f"{one.agreed:.0%}", shown)
        print(_PROBLEM_LINE.format(*cells))
    print(f"{offset + 1} to {offset + len(page.problems)} of {page.total:,} problems")


def visible(text: str) -> str:
    """`text` with control characters as escapes, so that what a model wrote can't steer the terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
