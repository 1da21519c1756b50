"""Every estimator on one small labelled problem set: the same problems, seeds and number of samples a step.

    python benchmarks/estimators.py OUT                                      all estimators, seed 0
    python benchmarks/estimators.py OUT --estimators grpo ppo --seeds 0 1 2 --steps 20
    python benchmarks/estimators.py OUT --table                              the table and the figure of what is there

Each estimator and seed is a run of `azr train` on configs/rlvr-smollm2.yaml in OUT/runs, so that what is measured is
what trains: the TUNE half of the packaged small functions as deduction, --prompts problems a step with --answers to
each. ReMax's greedy answers and the problems that DAPO asks in place of others come on top, and the table counts them.
Each step is two optimizer steps: in the first of them all ratios are 1 and clippings don't differ. DAPO has its soft
penalty in the last quarter of an answer's tokens.

The untrained and the trained model are read alike: --samples answers to each of --held-out functions of the other half,
from the same seeds, a file of JSON lines in OUT/readings. What is there is not made again, and a run that was cut off
goes on at its newest checkpoint: the same command goes on where it was stopped. Gains are paired by problem; their 95 %
intervals resample problems (azr/evaluation/passk.py). ΔSE is the untrained model's pass@k at the most samples, less the
trained one's pass@1 (Yue et al. 2025, arXiv 2504.13837, table 2): lower is better.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from learning import read
from learning_gains import Change, Line

from azr.config.fields import Estimator, Half, ProbeConfig
from azr.config.settings import load_config
from azr.evaluation.passk import Floats, bootstrap_interval, per_problem
from azr.evaluation.probe import load_probe
from azr.training.checkpoint import find_checkpoint
from azr.training.run import Run, write_whole
from azr.training.telemetry import read_metrics
from tasks.triplet import TaskType

ROOT = Path(__file__).resolve().parent.parent

UNTRAINED = "untrained"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--estimators", nargs="+", default=list(Estimator), choices=list(Estimator), metavar="NAME")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--prompts", type=int, default=10, help="problems a step")
    parser.add_argument("--answers", type=int, default=16, help="answers to each")
    parser.add_argument("--held-out", type=int, default=32, help="held-out functions")
    parser.add_argument("--samples", type=int, default=64, help="answers to each of them")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="config keys to change, for all")
    parser.add_argument("--table", action="store_true", help="only the table and the figure of what is there")
    arguments = parser.parse_args()
    study = Study(arguments)
    if not arguments.table:
        study.run()
    print(study.table())


class Study:
    """One folder of runs and readings."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._out: Path = arguments.out.resolve()

    def run(self) -> None:
        """Train and read whatever is not there yet."""
        for seed in self._arguments.seeds:
            for name in self._arguments.estimators:
                if self._reading(name, seed).is_file():
                    continue
                run = self._train(name, seed)
                self._read(UNTRAINED, seed, run)
                self._read(name, seed, run)
                shutil.rmtree(run.checkpoints)  # two GiB, and four with a critic

    def _train(self, name: str, seed: int) -> Run:
        """`azr train` to the last step, in a process of its own for its memory."""
        run = Run(self._out / "runs" / f"{name}-{seed}")
        if run.config.is_file():
            command = ["train", str(run.folder), "--resume"]
        else:
            words = [f"name={run.name}", f"seed={seed}", *self._words(name), *self._arguments.set]
            config = str(ROOT / "configs" / "rlvr-smollm2.yaml")
            command = ["train", config, *words, "--runs", str(self._out / "runs")]
        if not _is_done(run):
            say(f"azr {' '.join(command)}")
            self._note_peak(run, _watched([sys.executable, "-c", "from azr.cli import main; main()", *command]))
        return run

    def _words(self, name: str) -> list[str]:
        """What the benchmark, and what the estimator changes in the config."""
        arguments = self._arguments
        words = [
            f"steps={arguments.steps}",
            "rlvr.sources=[small-own-d-tune]",
            "rlvr.look.every=0",
            f"rlvr.batch={arguments.prompts}",
            f"rlvr.votes={arguments.answers}",
            f"learner.estimator={name}",
            "learner.minibatches=2",
            "solver.max_tokens=32",  # what reads the held-out problems asks as the solver
            "probe.every=0",
            "checkpoint.every=5",
            "checkpoint.keep=1",
        ]
        return [*words, "learner.overlong_buffer=8"] if name == Estimator.DAPO else words

    def _read(self, name: str, seed: int, run: Run) -> None:
        """Ask the held-out problems, of the untrained model once a seed."""
        place = self._reading(name, seed)
        if place.is_file():
            return
        began = time.perf_counter()
        asked = load_probe(
            ProbeConfig(
                every=1,
                problems=self._arguments.held_out,
                data="small-own",
                half=Half.HELD,
                types=(TaskType.DEDUCTION,),
            )
        )
        checkpoint = None if name == UNTRAINED else find_checkpoint(run)
        lines = read(load_config(run.config), checkpoint, asked, self._arguments.samples)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_whole(place, "".join(json.dumps(asdict(line)) + "\n" for line in lines))
        say(f"{place.name} in {time.perf_counter() - began:.0f} s")

    def _reading(self, name: str, seed: int) -> Path:
        return self._out / "readings" / f"{name}-{seed}.jsonl"

    def _note_peak(self, run: Run, gib: float) -> None:
        """The most that any of the run's processes held: a run that was cut off had several."""
        write_whole(self._peak(run), json.dumps(max(gib, _peak_gib(self._peak(run)))) + "\n")

    def _peak(self, run: Run) -> Path:
        return run.folder / "peak_gib.json"

    def table(self) -> str:
        """Before, after and cost of every estimator, in Markdown; written to OUT/table.md with the figure beside it."""
        found = list(self._compared())
        head = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
        text = "\n".join([*head, *(one.row() for one in found)]) + "\n"
        self._out.mkdir(parents=True, exist_ok=True)
        write_whole(self._out / "table.md", text)
        if found:
            write_whole(self._out / "estimators.svg", figure(found))
        return text

    def _compared(self) -> Iterator["Compared"]:
        for name in Estimator:
            for place in sorted((self._out / "readings").glob(f"{name}-[0-9]*.jsonl")):
                seed = int(place.stem.removeprefix(f"{name}-"))
                before = _lines(self._reading(UNTRAINED, seed))
                run = Run(self._out / "runs" / f"{name}-{seed}")
                steps = [line for line in read_metrics(run.metrics) if line["step"]]  # 0 has the look before training
                yield Compared(name, seed, before, _lines(place), steps, _peak_gib(self._peak(run)))


COLUMNS = (
    "estimator",
    "seed",
    "steps",
    "pass@1",
    "gain",
    "pass@k",
    "gain",
    "k",
    "ΔSE",
    "entropy",
    "reward of the first and last third",
    "tokens sampled",
    "refilled",
    "minutes",
    "peak GiB",
)


@dataclass(frozen=True)
class Compared:
    """The untrained and the trained model on the same problems, and what the run between them cost."""

    name: str
    seed: int
    before: list[Line]
    after: list[Line]
    steps: list[dict[str, float]]
    peak_gib: float

    @property
    def samples(self) -> int:
        """Answers to each held-out problem."""
        return self.after[0].samples

    def gain(self, k: int) -> Change:
        """In pass@k. Raises ValueError where the two readings are not of the same problems."""
        if [line.id for line in self.before] != [line.id for line in self.after]:
            raise ValueError(f"{self.name}: the untrained model was read on other problems")
        old, new = _pass_at(self.before, k), _pass_at(self.after, k)
        low, high = bootstrap_interval(new - old)
        return Change(float(old.mean()), float(new.mean()), low, high)

    def row(self) -> str:
        """A line of the table."""
        one, most = self.gain(1), self.gain(self.samples)
        third = max(len(self.steps) // 3, 1)
        rewards = [step["reward/rlvr"] for step in self.steps]
        cells = [
            self.name,
            str(self.seed),
            str(len(self.steps)),
            one.ends(),
            str(one),
            most.ends(),
            str(most),
            str(self.samples),
            f"{100 * (most.before - one.after):+.1f}",
            f"{_entropy(self.before):.2f} → {_entropy(self.after):.2f}",
            f"{fmean(rewards[:third]):.3f} → {fmean(rewards[-third:]):.3f}",
            f"{sum(step['tokens/generated'] for step in self.steps):,.0f}",
            f"{sum(step.get('rlvr/refilled', 0.0) for step in self.steps):.0f}",
            f"{sum(step['time/total'] for step in self.steps) / 60:.1f}",
            f"{self.peak_gib:.1f}",
        ]
        return f"| {' | '.join(cells)} |"


def figure(found: Sequence[Compared]) -> str:
    """Gains in pass@1 and pass@k with their intervals, an estimator a row, as SVG."""
    import altair as alt
    import vl_convert

    points = [point for one in found for point in _points(one)]
    rows = alt.Y("estimator:N", title=None, sort=list(Estimator))
    base = alt.Chart().encode(rows, alt.YOffset("seed:N"))
    bars = base.mark_rule(strokeWidth=2).encode(alt.X("low:Q", title="points gained, 95 %"), alt.X2("high:Q"))
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(alt.X("gain:Q"))
    zero = alt.Chart().mark_rule(strokeDash=[3, 3]).encode(x=alt.datum(0))
    chart = alt.layer(zero, bars, dots).properties(width=300, height=20 * len(found) + 40)
    faceted = chart.facet(data=alt.Data(values=points), column=alt.Column("measure:N", title=None, sort=None))
    faceted = faceted.resolve_scale(x="independent").properties(
        padding={"left": 60, "right": 20, "top": 5, "bottom": 5}
    )
    return str(vl_convert.vegalite_to_svg(faceted.to_json()))


def _points(one: Compared) -> Iterator[Mapping[str, Any]]:
    for k in (1, one.samples):
        gain = one.gain(k)
        yield {
            "estimator": one.name,
            "seed": one.seed,
            "measure": f"pass@{k}",
            "gain": 100 * (gain.after - gain.before),
            "low": 100 * gain.low,
            "high": 100 * gain.high,
        }


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _watched(command: Sequence[str]) -> float:
    """Run a process to its end; the most memory that it held, GiB. Raises SystemExit where it failed."""
    process = subprocess.Popen(command, cwd=ROOT)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return used.ru_maxrss / 2**20


def _is_done(run: Run) -> bool:
    return run.config.is_file() and any(
        line["step"] >= load_config(run.config).steps for line in read_metrics(run.metrics)
    )


def _lines(place: Path) -> list[Line]:
    return [Line(**json.loads(line)) for line in place.read_text(encoding="utf-8").splitlines()]


def _pass_at(lines: Sequence[Line], k: int) -> Floats:
    return per_problem([(line.samples, line.right) for line in lines], k)


def _entropy(lines: Sequence[Line]) -> float:
    """Nats a token, at the temperature of sampling."""
    return sum(line.surprise for line in lines) / sum(line.tokens for line in lines)


def _peak_gib(place: Path) -> float:
    return float(json.loads(place.read_text(encoding="utf-8"))) if place.is_file() else 0.0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    main()
