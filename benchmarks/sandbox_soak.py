"""Whether the sandbox ages: a hundred thousand random jobs, and what is left behind.

    python benchmarks/sandbox_soak.py [--jobs N] [--data FOLDER] [--json]

Jobs are CRUXEval's programs, whole or mutated (a line dropped, doubled or moved, a token exchanged, the text cut short,
bytes thrown in), and garbage. Before and after, the same thousand whole programs are timed, processes and descriptors
are counted, and the memory of this process and of the zygotes is read. A run that leaks or slows down ends with code 1.
"""

import argparse
import collections
import json
import os
import random
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from sandbox import Job, Sandbox, SandboxConfig

ROOT = Path(__file__).resolve().parent.parent

TIMEOUT_S = 0.25  # mutants loop
SETTLE_S = 0.5  # a child that has answered takes a moment to be gone
PROBE = 1000  # whole programs timed before and after
TOKENS = [
    "0",
    "1",
    "-1",
    "10**9",
    "None",
    "[]",
    "''",
    "not",
    "+",
    "*",
    "//",
    "**",
    "while True",
    "lambda",
    ":",
    "(",
    ")",
]
TOKENS += ["yield", "f", "self", "__class__", "import os", "open", "=", "==", "[", "]", "\\", "\t", "\0", "é", "\ud800"]


def mutate(source: str, chance: random.Random) -> str:
    """The source with one or a few accidents."""
    for _ in range(chance.randint(1, 3)):
        lines = source.split("\n")
        at = chance.randrange(len(lines))
        kind = chance.randrange(6)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(chance.randrange(len(lines) + 1), lines[at])
        elif kind == 2:
            chance.shuffle(lines)
        elif kind == 3:
            lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
        else:
            words = re.split(r"(\W)", lines[at])
            words[chance.randrange(len(words))] = chance.choice(TOKENS)
            lines[at] = "".join(words)
        source = "\n".join(lines) or "pass"
    return source


def random_jobs(tasks: list[dict[str, str]], chance: random.Random) -> Iterator[Job]:
    """Without end: one in five whole, three mutated, one garbage."""
    while True:
        task = chance.choice(tasks)
        kind = chance.randrange(5)
        program, call = task["code"], task["input"]
        if kind in (1, 2, 3):
            program = mutate(program, chance)
            call = mutate(call, chance) if chance.random() < 0.2 else call
        elif kind == 4:
            program = "".join(
                chr(chance.choice([chance.randrange(32, 127), chance.randrange(0x3000)])) for _ in range(200)
            )
        yield Job(program, (call,), (task["output"],), repeats=2)


@dataclass(frozen=True)
class State:
    """What may grow."""

    processes: int
    descriptors: int
    zygote_kb: int  # proportional, of all processes below this one
    own_kb: int
    programs_per_s: float


def state(sandbox: Sandbox, probe: list[Job]) -> State:
    """The state after timing the probe."""
    started = time.perf_counter()
    for _ in sandbox.map(probe):
        pass
    rate = len(probe) / (time.perf_counter() - started)
    time.sleep(SETTLE_S)
    below = descendants(os.getpid())
    own = int(re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[1])
    descriptors = len(os.listdir("/proc/self/fd"))
    return State(len(below), descriptors, sum(map(proportional_kb, below)), own, rate)


def descendants(pid: int) -> list[int]:
    """Every process below this one; none where it ended meanwhile."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return children + [below for child in children for below in descendants(child)]


def proportional_kb(pid: int) -> int:
    """Memory, shared pages divided among those that share them; 0 where the process ended meanwhile."""
    try:
        fields = Path(f"/proc/{pid}/smaps_rollup").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(fields[fields.index("Pss:") + 1])


def soak(tasks: list[dict[str, str]], jobs: int, seed: int = 0) -> tuple[State, State, dict[str, int]]:
    """The state before and after so many random jobs, and how the jobs ended."""
    probe = [
        Job(t["code"], (t["input"],), repeats=2) for t in (tasks * (1 + PROBE // len(tasks)))[: min(PROBE, jobs // 4)]
    ]
    ends: collections.Counter[str] = collections.Counter()
    stream = random_jobs(tasks, random.Random(seed))
    others = len(descendants(os.getpid()))  # of sandboxes that are open already
    with Sandbox(SandboxConfig(timeout_s=TIMEOUT_S, memory_mb=128)) as sandbox:
        started = len(descendants(os.getpid())) - others
        unordered = Job("def f():\n    return list({'a', 'b', 'c'})", ("",), repeats=2)
        rare = replace(unordered, program=f"import zlib\n{unordered.program}")
        patience = time.monotonic() + 30
        while len(descendants(os.getpid())) < others + 4 * started:  # two hash seeds, the common and the whole library
            list(sandbox.map([unordered, rare] * 10))
            if time.monotonic() > patience:
                raise TimeoutError("the other zygotes don't start")
        before = state(sandbox, probe)
        for result in sandbox.map(next(stream) for _ in range(jobs)):
            ends[result.status] += 1
        after = state(sandbox, probe)
    return before, after, dict(ends)


def complaints(before: State, after: State) -> list[str]:
    """What a person should look at."""
    found = []
    if after.processes > before.processes:
        found.append(f"{after.processes - before.processes} processes are left")
    if after.descriptors > before.descriptors:
        found.append(f"{after.descriptors - before.descriptors} descriptors are left")
    if after.zygote_kb > 1.1 * before.zygote_kb + 4096:
        found.append("the zygotes have grown")
    if after.own_kb > 1.1 * before.own_kb + 16384:
        found.append("this process has grown")
    return found


def main() -> int:
    """Print both states; 1 where something leaks or the last thousand are slower by a fifth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("AZR_DATA", str(ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=Path, default=Path(default), help="folder that holds cruxeval/cruxeval.jsonl")
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lines = (options.data / "cruxeval" / "cruxeval.jsonl").read_text().splitlines()
    started = time.perf_counter()
    before, after, ends = soak([json.loads(line) for line in lines], options.jobs, options.seed)
    found = complaints(before, after)
    if after.programs_per_s < 0.8 * before.programs_per_s:
        found.append("the last thousand are slower than the first")
    if options.json:
        print(json.dumps({"before": asdict(before), "after": asdict(after), "ends": ends, "complaints": found}))
    else:
        print(f"{options.jobs} jobs in {time.perf_counter() - started:.0f} s: {ends}")
        for name, first in asdict(before).items():
            print(f"{name:<16} {first:10.0f} {asdict(after)[name]:10.0f}")
        print("; ".join(found) or "nothing is left behind")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
