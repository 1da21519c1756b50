"""Two ranks of one core each against one process with two: the same steps of SmolLM2, in the same run, in turns.

    python benchmarks/ranks.py [--steps N] [--rounds N] [KEY=VALUE ...]

RLVR on the packaged functions (configs/rlvr-smollm2.yaml). Tokens a second are those that were generated and those that
the learner computed, over the seconds of the steps; loading and the first step, which warms up, are left out.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from azr.training.telemetry import read_metrics

ROOT = Path(__file__).resolve().parent.parent

SIDES = {"one process": 1, "two ranks": 2}
AZR = "from azr.cli import main; main()"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    speeds: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(arguments.rounds):
        for side, ranks in SIDES.items():
            speeds[side].append(tokens_per_second(ranks, arguments.steps, arguments.changes))
            print(f"{side}: {speeds[side][-1]:.0f} tokens/s", flush=True)
    ratios = [two / one for one, two in zip(*speeds.values(), strict=True)]
    print(f"two ranks over one process: {statistics.median(ratios):.2f}, median of {len(ratios)}")


def tokens_per_second(ranks: int, steps: int, changes: list[str]) -> float:
    """Of all steps but the first."""
    with tempfile.TemporaryDirectory() as runs:
        several = ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks), "--no-python", sys.executable]
        words = ["train", str(ROOT / "configs" / "rlvr-smollm2.yaml"), "--runs", runs, "name=timed", f"steps={steps}"]
        words += ["probe.every=0", "rlvr.look.every=0", "checkpoint.every=0", *changes]
        subprocess.run(
            [sys.executable, *(several if ranks > 1 else []), "-c", AZR, *words],
            check=True,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)) // ranks), "PYTHONPATH": str(ROOT)},
        )
        lines = [line for line in read_metrics(Path(runs) / "timed" / "metrics.jsonl") if line["step"] > 1]
    tokens = sum(line["tokens/generated"] + line["learner/tokens_computed"] for line in lines)
    return tokens / sum(line["time/total"] for line in lines)


if __name__ == "__main__":
    main()
