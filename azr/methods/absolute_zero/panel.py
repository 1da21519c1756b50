"""The panel: the same few tasks of the buffer, asked again every few steps.

A step's solve rate moves with the tasks that happen to be in it; the panel's moves with the solver alone. It is drawn
once from what seeding left, and every asking uses the same random numbers, so that two of them differ by the weights.
The solver may practise on these tasks: what it does on tasks it never saw is the probe's to say.
"""

from collections.abc import Sequence
from statistics import fmean

from azr.buffer import Origin, TaskBuffer
from azr.config.fields import Config
from azr.progress import Advance
from azr.rollout.asking import Table, solve
from azr.seeds import stream
from tasks.triplet import TaskType, Triplet, Verdict


def choose_panel(config: Config, buffer: TaskBuffer) -> list[Triplet]:
    """panel.tasks of each type (fewer where there are fewer), from what was there before the first step."""
    if not config.panel.every:
        return []
    chosen = []
    for task_type in config.propose.types:
        ids = buffer.ids_of_step(0, task_type, besides=Origin.IDENTITY)
        drawn = stream(config.seed, "panel", task_type).sample(ids, min(config.panel.tasks, len(ids)))
        chosen += [buffer.task(task_id).triplet for task_id in drawn]
    return chosen


def ask_panel(table: Table, panel: Sequence[Triplet], advance: Advance) -> dict[str, float]:
    """panel/rate and panel/rate/TYPE, shares of right answers, and panel/copies, of those that repeat the question."""
    groups = solve(table, panel, table.config.panel.samples, ("panel",), advance)
    answers = [(task.type, answer) for task, group in zip(panel, groups, strict=True) for answer in group]
    right = [(task_type, float(answer.verdict is Verdict.RIGHT)) for task_type, answer in answers]
    kinds = dict.fromkeys(task_type for task_type, _ in right)
    rates = {f"panel/rate/{kind}": fmean(value for task_type, value in right if task_type is kind) for kind in kinds}
    copies = [answer.repeats for task_type, answer in answers if task_type is not TaskType.INDUCTION]
    return {
        "panel/rate": fmean(value for _, value in right),
        **rates,
        **({"panel/copies": fmean(copies)} if copies else {}),
    }
