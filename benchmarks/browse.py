"""How fast a large buffer lists, filters and shows, and how long its report takes: 100,000 tasks, 8 answers each.

    python benchmarks/browse.py [--tasks 100000] [--folder DIR]

Builds the run with TaskBuffer (some minutes; kept in --folder, if given, for the next time), then times whole commands
in fresh processes, interpreter start included, and prints median and worst of five beside the bars.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from azr.buffer import AttemptRow, Origin, ProposalRow, Purpose, TaskBuffer, TaskRow
from azr.config.fields import Config, ModelConfig
from azr.config.settings import dump_config
from azr.training.run import Run, write_whole
from tasks.triplet import TaskType, Triplet, Verdict

ROOT = Path(__file__).resolve().parent.parent

BARS = {"list": 0.3, "filter": 0.3, "show": 0.3, "report": 20.0, "page": 5_000_000}
STEPS = 500
REASONS = ("unparsable", "syntax", "call_error", "duplicate", "policy", "timeout", "nondeterministic")
BODIES = (
    "    return [x * {a} + {b} for x in {name} if x % {c} == 0]",
    "    total = {a}\n    for x in {name}:\n        if x > {b}:\n            total += x\n        else:\n"
    "            total -= {c}\n    return total",
    "    seen = {{}}\n    for i, x in enumerate({name}):\n        seen.setdefault(x % {a}, []).append(i + {b})\n"
    "    return sorted(seen.items(), key=lambda item: (len(item[1]), item[0]))[:{c}]",
    "    {name} = sorted({name}, reverse=True)\n    while len({name}) > {a}:\n        {name} = {name}[1:] + [{b}]\n"
    "        {name}.pop()\n    return tuple({name})",
    "    def walk(n, depth):\n        return depth if n < {b} else walk(n // {a}, depth + 1)\n"
    "    return ''.join(str(walk(x, {c})) for x in {name})",
)


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--attempts", type=int, default=8)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = Run(options.folder or Path(scratch) / "large")
        if not run.buffer.exists():
            started = time.perf_counter()
            build(run, options.tasks, options.attempts)
            print(
                f"built {options.tasks} tasks with {options.attempts} answers in {time.perf_counter() - started:.0f} s"
            )
        print(f"buffer {run.buffer.stat().st_size / 1e6:.0f} MB")
        measure(run, options.tasks)


def measure(run: Run, tasks: int) -> None:
    """Time the commands and print a line each."""
    folder = str(run.folder.resolve())
    commands = {
        "list": ["buffer", "list", folder],
        "list by learnability": ["buffer", "list", folder, "--sort", "learnability", "--desc"],
        "filter by type, steps, rate": [
            "buffer", "list", folder, "--type", "abduction", "--steps", "100:200", "--solve-rate", "0.2:0.8",
        ],
        "filter by text": ["buffer", "list", folder, "--text", "setdefault"],
        "filter by text, no match": ["buffer", "list", folder, "--text", "no such text", "--sort", "learnability"],
        "show": ["buffer", "show", folder, str(tasks // 2)],
        "stats": ["buffer", "stats", folder],
        "report": ["report", folder],
    }  # fmt: skip
    for name, command in commands.items():
        bar = BARS.get(name.split()[0])
        times = [_seconds(command) for _ in range(1 if name == "report" else 5)]
        verdict = "" if bar is None else f"bar {bar} s: {'met' if max(times) <= bar else 'missed'}"
        print(f"{name:<28} median {statistics.median(times):6.3f} s  worst {max(times):6.3f} s  {verdict}", flush=True)
    size = (run.folder / "report.html").stat().st_size
    print(f"{'page':<28} {size / 1e6:.2f} MB  bar 5 MB: {'met' if size < BARS['page'] else 'missed'}")


def build(run: Run, tasks: int, attempts: int) -> None:
    """A run of STEPS steps with so many tasks, a rejected proposal for every two of them, and metrics."""
    rng = random.Random(0)
    run.folder.mkdir(parents=True, exist_ok=True)
    config = Config(name=run.name, steps=STEPS, model=ModelConfig(name="example/model"))
    write_whole(run.config, dump_config(config))
    buffer = TaskBuffer.create(run.buffer)
    per_step = -(-tasks // (STEPS + 1))
    for step in range(STEPS + 1):
        with buffer.transaction():
            for _ in range(min(per_step, tasks - step * per_step)):
                add_task(buffer, rng, step, attempts)
    buffer.close()
    with run.metrics.open("w", encoding="utf-8") as file:
        for step in range(STEPS + 1):
            file.write(json.dumps(metrics(rng, step)) + "\n")


def add_task(buffer: TaskBuffer, rng: random.Random, step: int, attempts: int) -> None:
    """One task with its proposal and answers, and now and then a rejected proposal."""
    task_type = rng.choice(list(TaskType))
    name = rng.choice(["xs", "numbers", "values", "items"])
    numbers = {"a": rng.randint(2, 60), "b": rng.randint(1, 60), "c": rng.randint(2, 9), "name": name}
    program = f"def f({name}):\n" + rng.choice(BODIES).format(**numbers)
    pairs = 10 if task_type is TaskType.INDUCTION else 1
    inputs = tuple(str([rng.randint(-99, 99) for _ in range(6)]) for _ in range(pairs))
    outputs = tuple(str([rng.randint(-99, 99) for _ in range(4)]) for _ in range(pairs))
    message = "Sort, then keep what is left over." if task_type is TaskType.INDUCTION else ""
    right = rng.randint(0, attempts)
    rate = right / attempts
    text = (
        f"<think>{'I want numbers that fold in on themselves. ' * 12}</think>\n```python\n{program}\n```\n{inputs[0]}"
    )
    if rng.random() < 0.5:
        reason = rng.choice(REASONS)
        buffer.add_proposal(ProposalRow(step, task_type, (), text, 180, False, reason, "for a reason", -0.5))
    proposal = buffer.add_proposal(ProposalRow(step, task_type, (1, 2, 3), text, 190, False, reward=1 - rate))
    learnability = 0.0 if rate in (0.0, 1.0) else 1.0 - rate
    task = buffer.add_task(
        TaskRow(
            step,
            Triplet(task_type, program, inputs, outputs, message),
            Origin.SELF_PLAY if step else Origin.SEEDING,
            proposal,
            rate,
            learnability,
        )
    )
    for number in range(attempts):
        verdict = Verdict.RIGHT if number < right else rng.choice([Verdict.WRONG, Verdict.UNPARSED])
        answer = None if verdict is Verdict.UNPARSED else outputs[0]
        reward = 1.0 if verdict is Verdict.RIGHT else -0.5
        solving = f"<think>{'First the list is walked from the left. ' * 10}</think><answer>{outputs[0]}</answer>"
        buffer.add_attempt(AttemptRow(step, task, Purpose.ESTIMATE, solving, answer, verdict, reward, 120, False))


def metrics(rng: random.Random, step: int) -> dict[str, float]:
    """A line of metrics.jsonl with the names that training writes."""
    progress = step / STEPS
    line: dict[str, float] = {"step": step}
    for task_type in TaskType:
        line[f"reward/propose/{task_type}"] = -0.4 + 0.6 * progress + rng.gauss(0, 0.08)
        line[f"reward/solve/{task_type}"] = -0.3 + 0.8 * progress + rng.gauss(0, 0.08)
        line[f"propose/valid/{task_type}"] = 0.3 + 0.5 * progress + rng.gauss(0, 0.04)
        line[f"propose/learnability/{task_type}"] = 0.4 + rng.gauss(0, 0.05)
        line[f"solve/rate/{task_type}"] = 0.2 + 0.5 * progress + rng.gauss(0, 0.05)
        line[f"length/propose/{task_type}"] = 200 + 300 * progress + rng.gauss(0, 15)
        line[f"length/solve/{task_type}"] = 150 + 500 * progress + rng.gauss(0, 20)
        line[f"buffer/{task_type}"] = 64 * (step + 4)
    line |= {"learner/loss": rng.gauss(0, 0.02), "learner/entropy": 1.1 - 0.5 * progress + rng.gauss(0, 0.02)}
    line |= {"learner/grad_norm": 0.8 + abs(rng.gauss(0, 0.1)), "tokens_per_second": 900 + rng.gauss(0, 40)}
    for phase, seconds in (("propose", 30), ("estimate", 60), ("solve", 25), ("learn", 80), ("sync", 2)):
        line[f"time/{phase}"] = seconds * (1 + 0.5 * progress) + rng.gauss(0, 2)
    if step % 50 == 0:
        line |= {"probe/cruxeval-o": 0.3 + 0.2 * progress, "probe/cruxeval-i": 0.28 + 0.22 * progress}
    return line


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    start = "from azr.cli import main; main()"
    subprocess.run([sys.executable, "-c", start, *command], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
