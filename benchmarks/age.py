"""Whether a run ages: the seconds and the memory of a step from the first to the thousandth.

    python benchmarks/age.py [--steps N] [--json]

The tests' tiny run: the real loop, sandbox, buffer, learner and checkpoints around a random-weight Llama, with a script
for what it says, so that what grows is ours and not the length of the answers. Memory is that of the process and all
its children. Ends with code 1 where the last tenth of the steps is a tenth slower, or a twentieth larger, than the
second.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # in place of this folder: what is imported below lies beside it

from azr.training.run import Run  # noqa: E402
from azr.training.telemetry import read_metrics  # noqa: E402
from tests.azr.players import tiny_model_folder  # noqa: E402

SLOWER, LARGER = 1.10, 1.05


def play(folder: Path, steps: int) -> tuple[list[float], list[float]]:
    """Seconds of each step, and MiB while each ran. Raises CalledProcessError where the run fails."""
    model = tiny_model_folder(folder / "model")
    command = [sys.executable, "-m", "tests.azr.play", str(model), str(folder / "runs"), str(steps)]
    log = (folder / "log.txt").open("w")
    process = subprocess.Popen(command, cwd=ROOT, stdout=log)
    run, watched = Run(folder / "runs" / "tiny"), psutil.Process(process.pid)
    memory: dict[int, float] = {}
    while process.poll() is None:
        time.sleep(1)
        done = len(read_metrics(run.metrics)) if run.metrics.exists() else 0
        try:
            family = [watched, *watched.children(recursive=True)]
            memory[done] = sum(member.memory_info().rss for member in family) / 2**20
        except psutil.NoSuchProcess:
            continue
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    seconds = [line["time/total"] for line in read_metrics(run.metrics) if line["step"] > 0]  # 0 is the first probe
    return seconds, [memory[step] for step in sorted(memory)]


def tenths(values: list[float]) -> list[float]:
    """The median of each tenth of the values."""
    size = len(values) // 10
    return [statistics.median(values[i * size : (i + 1) * size]) for i in range(10)]


def main() -> None:
    """Print the figures by tenths of the run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1000, help="at least 50")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds, memory = play(Path(folder), options.steps)
    figures = {"seconds": tenths(seconds), "memory_mb": tenths(memory)}
    if options.json:
        print(json.dumps(figures))
    else:
        print(f"{options.steps} steps, the median of each tenth")
        print("seconds  " + " ".join(f"{value:7.2f}" for value in figures["seconds"]))
        print("MiB      " + " ".join(f"{value:7.0f}" for value in figures["memory_mb"]))
    slower = figures["seconds"][-1] / figures["seconds"][1]
    larger = figures["memory_mb"][-1] / figures["memory_mb"][1]
    if slower > SLOWER or larger > LARGER:
        sys.exit(f"the run ages: {slower:.2f} times as slow, {larger:.2f} as large")


if __name__ == "__main__":
    main()
