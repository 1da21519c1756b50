"""How fast the sandbox judges, against the floor: a bare fork, exec and reap of the same programs, in the same run.

    python benchmarks/sandbox_speed.py [--data FOLDER] [--rounds N] [--json]

CRUXEval's 800 programs, each run twice for determinism, with every wall that the machine grants. The floor is a fresh
interpreter that forks for each program, compiles and calls it twice in the child, and reaps: no policy, no limits,
no filter, no canonical values. Rounds of both alternate, since a machine's speed drifts; medians are reported.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import multiprocess

from sandbox import Job, JobResult, JobStatus, Sandbox, SandboxConfig

ROOT = Path(__file__).resolve().parent.parent

FLOOR = """
import gc, json, os, sys, time
programs = [(job["code"], job["input"]) for job in map(json.loads, sys.stdin)]
gc.collect()
gc.freeze()
started = time.perf_counter()
for code, arguments in programs:
    pid = os.fork()
    if pid == 0:
        try:
            namespace = {}
            exec(compile(code, "program", "exec"), namespace)
            call = compile(f"f({arguments})", "call", "eval")
            repr(eval(call, namespace)) == repr(eval(call, namespace))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
print(len(programs) / (time.perf_counter() - started))
"""


def floor(lines: str) -> float:
    """Programs a second of one bare parent."""
    command = [sys.executable, "-I", "-S", "-c", FLOOR]
    return float(subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout)


def floors_side_by_side(lines: str, parents: int) -> float:
    """Programs a second of so many bare parents together."""
    with multiprocess.get_context("spawn").Pool(parents) as pool:
        return sum(pool.map(floor, [lines] * parents))


def judge(sandbox: Sandbox, jobs: list[Job]) -> tuple[float, list[JobResult]]:
    """Programs a second, and the results. Raises RuntimeError where one is not ok: a fast refusal is no result."""
    started = time.perf_counter()
    results = list(sandbox.map(jobs))
    rate = len(jobs) / (time.perf_counter() - started)
    failed = [result for result in results if result.status is not JobStatus.OK]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(jobs)} programs were not judged: {failed[0]}")
    return rate, results


def zygote_memory_mb(pid: int) -> float:
    """Proportional memory of the largest process below this one, in MiB: the zygotes, and those that wait for them."""
    sizes = [0.0]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            fields = Path(f"/proc/{child}/smaps_rollup").read_text().split()
            sizes += [int(fields[fields.index("Pss:") + 1]) / 1024, zygote_memory_mb(child)]
    return max(sizes)


def measure(lines: str, workers: int, rounds: int) -> dict[str, float]:
    """One figure for each thing measured, over alternating rounds."""
    jobs = [Job(job["code"], (job["input"],), repeats=2) for job in map(json.loads, lines.splitlines())]
    floors, together, rates, seconds = [], [], [], []
    with Sandbox(SandboxConfig(workers=workers)) as sandbox:
        judge(sandbox, jobs)  # starts the second zygotes too
        for _ in range(rounds):
            floors.append(floor(lines))
            together.append(floors_side_by_side(lines, workers))
            rate, results = judge(sandbox, jobs)
            rates.append(rate)
            seconds += [result.seconds for result in results]
        memory = zygote_memory_mb(os.getpid())
    best = statistics.median(rates)
    return {
        "programs_per_s": best,
        "floor_one_parent_per_s": statistics.median(floors),
        "floor_parents_side_by_side_per_s": statistics.median(together),
        "ratio_to_floor_times_workers": statistics.median(
            r / (f * workers) for r, f in zip(rates, floors, strict=True)
        ),
        "ratio_to_floors_side_by_side": statistics.median(r / t for r, t in zip(rates, together, strict=True)),
        "latency_median_ms": 1e3 * statistics.median(seconds),
        "latency_p99_ms": 1e3 * statistics.quantiles(seconds, n=100)[98],
        "zygote_memory_mb": memory,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("AZR_DATA", str(ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(default), help="folder that holds cruxeval/cruxeval.jsonl")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure((options.data / "cruxeval" / "cruxeval.jsonl").read_text(), options.workers, options.rounds)
    if options.json:
        print(json.dumps(figures))
        return
    print(f"CRUXEval, each program run twice, {options.workers} workers, median of {options.rounds} rounds")
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):<40} {value:10.2f}")


if __name__ == "__main__":
    main()
