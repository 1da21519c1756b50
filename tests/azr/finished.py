"""A small run as training leaves it: config, tasks of all types, metrics, a checkpoint of a tiny model."""

import json
from dataclasses import replace
from pathlib import Path

import torch

from azr.buffer import AttemptRow, Origin, ProposalRow, Purpose, TaskBuffer, TaskRow
from azr.config.fields import Config, LoraConfig
from azr.config.settings import dump_config
from azr.policy.model import Policy, load_policy
from azr.training.checkpoint import save_checkpoint
from azr.training.run import Run
from tasks.triplet import TaskType, Triplet, Verdict
from tests.azr.players import tiny_config, tiny_model_folder

PROGRAMS = (
    "def f(xs):\n    return [x + {n} for x in xs if x % 2]",
    "def f(xs):\n    total = {n}\n    for x in xs:\n        total += x\n    return total",
    "def f(xs):\n    while len(xs) > {n}:\n        xs = xs[1:]\n    return xs",
)
STEPS = 6


def finished_run(folder: Path, steps: int = STEPS, per_step: int = 3) -> Run:
    """A run of so many steps with so many tasks of each type a step, and every third proposal rejected."""
    run = Run(folder)
    folder.mkdir(parents=True)
    run.config.write_text(dump_config(Config(name=folder.name, steps=max(steps, 1))), encoding="utf-8")
    buffer = TaskBuffer.create(run.buffer)
    for step in range(steps + 1):
        with buffer.transaction():
            for number, task_type in enumerate(list(TaskType) * per_step):
                _add_task(buffer, step, number, task_type)
    buffer.close()
    lines = [json.dumps(_metrics(step, steps)) for step in range(steps + 1)]
    run.metrics.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return run


def trained_run(folder: Path, lora: int = 0, step: int = 4, base: Path | None = None) -> tuple[Run, Policy]:
    """A finished run with a checkpoint, whose weights are not the base model's, and the policy that was saved."""
    run = finished_run(folder, steps=step)
    base = base or tiny_model_folder(folder.parent / f"{folder.name}-base")
    config = tiny_config(base, name=folder.name, steps=step)
    config = replace(config, model=replace(config.model, lora=LoraConfig(rank=lora, alpha=8)))
    run.config.write_text(dump_config(config), encoding="utf-8")
    policy = load_policy(config.model)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    save_checkpoint(run, step, policy, {}, {}, keep=2)
    return run, policy


def _add_task(buffer: TaskBuffer, step: int, number: int, task_type: TaskType) -> None:
    program = PROGRAMS[(step + number) % len(PROGRAMS)].format(n=step * 10 + number)
    right = (step + number) % 5
    rate = right / 4
    if number % 3 == 0:
        text = f"attempted </script><b>escape</b> \x1b[31m {number}"
        buffer.add_proposal(ProposalRow(step, task_type, (), text, 9, True, "syntax", "SyntaxError: bad", -0.5))
    pairs = 6 if task_type is TaskType.INDUCTION else 1
    inputs, outputs = tuple(f"[{i}, 3]" for i in range(pairs)), tuple(f"[{i}, 4]" for i in range(pairs))
    message = "Keep the odd ones." if task_type is TaskType.INDUCTION else ""
    triplet = Triplet(task_type, program, inputs, outputs, message)
    refs = (1,) if step else ()
    proposal = buffer.add_proposal(
        ProposalRow(step, task_type, refs, f"proposed\n{program}", 40, False, reward=1 - rate)
    )
    learnability = 0.0 if rate in (0.0, 1.0) else 1.0 - rate
    origin = Origin.SELF_PLAY if step else Origin.SEEDING
    task = buffer.add_task(TaskRow(step, triplet, origin, proposal, rate, learnability))
    for attempt in range(4):
        verdict = Verdict.RIGHT if attempt < right else Verdict.WRONG if attempt % 2 else Verdict.UNPARSED
        answer = None if verdict is Verdict.UNPARSED else outputs[0]
        reward = 1.0 if verdict is Verdict.RIGHT else -0.5
        buffer.add_attempt(
            AttemptRow(step, task, Purpose.ESTIMATE, f"thinking {attempt}", answer, verdict, reward, 12, False)
        )


def _metrics(step: int, steps: int) -> dict[str, float]:
    line: dict[str, float] = {"step": step}
    if step % 2 == 0:
        line |= {"probe/cruxeval-o": 0.1 + 0.05 * step, "probe/cruxeval-i": 0.2}
    if step == 0:
        return line
    for task_type in TaskType:
        line |= {f"reward/propose/{task_type}": step / steps, f"reward/solve/{task_type}": -step / steps}
        line |= {f"propose/valid/{task_type}": 0.5, f"propose/learnability/{task_type}": 0.3}
        line |= {f"solve/rate/{task_type}": 0.25, f"length/propose/{task_type}": 40, f"length/solve/{task_type}": 12}
    line |= {"learner/loss": 0.01, "learner/entropy": 1.5, "learner/grad_norm": 0.7, "learner/ratio_mean": 1.0}
    return line | {"time/propose": 2.0, "time/learn": 3.0, "time/total": 5.0, "tokens_per_second": 60.0}
