"""A list of tasks in a terminal, a line each. Without rich, whose import alone takes longer than the query."""

import re
import shutil

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


def visible(text: str) -> str:
    """`text` with control characters as escapes, so that what a model wrote can't steer the terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)
