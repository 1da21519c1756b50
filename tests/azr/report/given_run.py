"""A run with given problems as training leaves it, and results of azr eval from both of its ends.

Twelve problems of levels 1 to 3 from two sources are looked at before training and after it. Of eight answers to a
problem of level L, 4 - L are right before; afterwards one more is, but for level 3. Each answer is ten tokens a level
long before, and two shorter after.
"""

import json
from dataclasses import replace
from pathlib import Path

from azr.buffer import AnswerRow, LookRow, ProblemRow, TaskBuffer
from azr.config.fields import Config, Label
from azr.config.settings import dump_config
from azr.training.run import Run
from tasks.triplet import Verdict

STEPS = 8
KEYS = [(f"{source}:{number}", str(1 + number % 3)) for source in ("AMC-TTT", "MATH-TTT") for number in range(6)]


def given_run(
    folder: Path, label: Label = Label.MAJORITY, method: str = "ttrl", known: bool = True, looks: bool = True
) -> Run:
    """A finished run; without `known` nobody knows an answer, without `looks` it never looked."""
    run = Run(folder)
    folder.mkdir(parents=True)
    config = Config(name=folder.name, steps=STEPS, methods=(method,))
    settings = replace(getattr(config, method), label=label, sources=("AMC-TTT.json", "MATH-TTT.json"))
    run.config.write_text(dump_config(replace(config, **{method: settings})), encoding="utf-8")
    buffer = TaskBuffer.create(run.buffer)
    with buffer.transaction():
        for step in (0, STEPS) if looks else ():
            for key, level in KEYS:
                buffer.add_look(_look(step, method, key, level, known))
        for step in range(1, STEPS + 1):
            for key, level in KEYS[2 * (step % 3) :: 6]:
                problem = buffer.add_problem(
                    ProblemRow(step, method, key, level, f"What is {key}?", "7" * known or None)
                )
                for number in range(4):
                    buffer.add_answer(_answer(step, problem, number, known))
    buffer.close()
    lines = [_metrics(step, method, label, known, looks) for step in range(STEPS + 1)]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines if len(line) > 1), encoding="utf-8")
    return run


def write_results(folder: Path, shares: dict[str, int], temperature: float = 0.6) -> Path:
    """Results of azr eval: a file for each benchmark, in which so many of ten problems are right."""
    folder.mkdir(parents=True)
    settings = {"model": folder.parent.name, "form": "reasoning", "temperature": temperature, "seed": 0}
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    for name, right in shares.items():
        lines = [
            {"task_id": f"{name}/{n}", "completion": "7", "verdict": "right" if n < right else "wrong"}
            for n in range(10)
        ]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return folder


def _look(step: int, method: str, key: str, level: str, known: bool) -> LookRow:
    solved = 4 - int(level) + (1 if step and level != "3" else 0)
    return LookRow(step, method, key, level, 8, solved if known else None, solved > 2 if known else None,
                   10.0 * int(level) - (2 if step else 0))  # fmt: skip


def _answer(step: int, problem: int, number: int, known: bool) -> AnswerRow:
    """Two of four say 7; from step 5 on three do, in fewer tokens."""
    right = number < (2 if step < 5 else 3)
    verdict = (Verdict.RIGHT if right else Verdict.WRONG) if known else None
    tokens = 20 if step < 5 else 15
    answer = "7" if right else str(number)
    return AnswerRow(step, problem, f"\\boxed{{{answer}}}", answer, verdict, 0 if right else number, right, True,
                     float(right), tokens, False)  # fmt: skip


def _metrics(step: int, method: str, label: Label, known: bool, looks: bool) -> dict[str, float]:
    line: dict[str, float] = {"step": step}
    if step in (0, STEPS) and looks:
        line |= {f"probe/tokens/{method}": 20.0 if step == 0 else 18.0}
        if known:
            gained = 0.0833 if label is Label.MAJORITY else 0.2
            line |= {f"probe/{method}": 0.25 + (gained if step else 0), f"probe/maj@8/{method}": 0.3333}
            line |= {f"probe/pass@8/{method}": 1.0}
    if step == 0:
        return line
    line |= {f"{method}/majority_ratio": 0.5 + 0.05 * step, f"reward/{method}": 0.4 + 0.05 * step}
    line |= {f"length/{method}": 20 - step, f"entropy/{method}": 1.2 - 0.1 * step, "learner/loss": 0.01}
    if known:
        rising = 0.02 if label is Label.MAJORITY else 0.05
        line |= {f"{method}/label_accuracy": 0.5 + rising * step, f"{method}/reward_accuracy": 0.8 + 0.01 * step}
        line |= {f"{method}/truth_reward": 0.3 + rising * step}
    return line | {"time/answer": 2.0, "time/learn": 3.0, "time/total": 5.0, "tokens_per_second": 60.0}
