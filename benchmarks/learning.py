"""Does training teach, and is it worth what it costs? Methods beside their controls, on problems never tuned on.

    python benchmarks/learning.py OUT                    self-play and its controls, seeds 0 to 2
    python benchmarks/learning.py OUT --arms selfplay fixed --seeds 0 --half tune --config configs/quickstart.yaml
    python benchmarks/learning.py OUT --arms rlvr ttrl ttrl-bound --sets own --samples 8 --last
    python benchmarks/learning.py OUT --table            the tables and the figure of what is there

Arms, each from the same untrained model:

    selfplay        --config as it is
    fixed           as many solver updates, on the tasks of the seeding alone, which the untrained model proposed; where
                    --config has steps in which the proposer alone learns, the seeding goes on to as many tasks as
                    self-play's solver then begins with
    fixed-minutes   the same, for as many minutes as self-play took
    labelled        as many solver updates, on short public functions whose answers are known, of the other half
    rlvr            configs/rlvr-smollm2.yaml: the packaged functions of the other half, with their answers
    ttrl            configs/ttrl-smollm2.yaml: the same, paid by the majority
    ttrl-bound      ttrl paid by the truth: what leaked labels would give

Each arm and seed is trained in OUT/runs and read at the checkpoints that its config makes (--last: at its end alone):
--samples answers a problem at the run's temperature, of the packaged functions and of the public ones. A reading is a
file of JSON lines in OUT/readings, a line a problem. What is there already is not made again, so that the same command
goes on where it was stopped. Differences are paired by problem; their 95 % intervals resample programs
(azr/evaluation/passk.py). Self-play is also compared with each of its controls, problem by problem.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from learning_gains import ASKED, NAMES, Line, compare, figure, lead

from azr.buffer.connection import connect_read_only
from azr.config.choices import Half
from azr.config.fields import Config
from azr.config.settings import load_config
from azr.evaluation.benchmarks.cruxeval import CRUXEVAL_O
from azr.evaluation.benchmarks.mbpp_plus import MBPP_PLUS
from azr.evaluation.benchmarks.small import OWN, PUBLIC, small_programs
from azr.evaluation.data import data_places
from azr.evaluation.small.known import Question, half_of, questions
from azr.training.checkpoint import checkpoints
from azr.training.run import Run, write_whole
from azr.training.telemetry import read_metrics
from tasks.triplet import TaskType, Verdict

ROOT = Path(__file__).resolve().parent.parent

SELFPLAY = ("selfplay", "fixed", "fixed-minutes", "labelled")  # what is trained where nothing else is asked for
GIVEN = {"rlvr": "rlvr", "ttrl": "ttrl", "ttrl-bound": "ttrl"}  # arms with given problems, and their method
ARMS = tuple(NAMES)
CONFIGS = ROOT / "configs"
ANSWER_TOKENS = 32  # the most of an answer in a reading, as of those that train in the laptop's configs
ENDLESS = 1_000_000  # steps: the clock ends it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--config", type=Path, default=CONFIGS / "smollm2-135m.yaml", help="self-play's")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(SELFPLAY))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--half", choices=("tune", "held"), default="held")
    parser.add_argument("--sets", nargs="+", choices=("own", "public"), default=["own", "public"])
    parser.add_argument("--types", nargs="+", choices=ASKED, default=["deduction", "abduction"])
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--data", action="append", default=[], help="where MBPP+ and CRUXEval are, as for azr eval")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="config keys to change, in every arm")
    parser.add_argument("--last", action="store_true", help="read the last checkpoint of a run alone")
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
        self._readings = self._out / "readings"

    def run(self) -> None:
        """Train and read whatever is not there yet, self-play first: its minutes are what one control has."""
        self._readings.mkdir(parents=True, exist_ok=True)
        for seed in self._arguments.seeds:
            for arm in sorted(self._arguments.arms, key=ARMS.index):
                run = self._train(arm, seed)
                made = _checkpoints(run)
                for step, folder in [(0, None), *(made[-1:] if self._arguments.last else made)]:
                    self._read(arm, seed, step, folder)
                _drop_old_checkpoints(run)

    def _run(self, arm: str, seed: int) -> Run:
        return Run(self._out / "runs" / f"{arm}-{seed}")

    def _train(self, arm: str, seed: int) -> Run:
        run = self._run(arm, seed)
        words = [f"name={run.name}", f"seed={seed}", "probe.every=0", *self._arguments.set, *self._words_of(arm, seed)]
        words += [] if self._arguments.last else ["checkpoint.keep=0"]
        minutes = _minutes(self._run("selfplay", seed)) if arm == "fixed-minutes" else None
        if run.config.is_file():
            if _is_done(run, minutes):
                return run
            command = ["train", str(run.folder), "--resume"]
        else:
            config = CONFIGS / f"{GIVEN[arm]}-smollm2.yaml" if arm in GIVEN else self._arguments.config
            command = ["train", str(config), *words, "--runs", str(self._out / "runs")]
        print(f"{time.strftime('%H:%M:%S')} azr {' '.join(command)}", flush=True)
        process = subprocess.Popen([sys.executable, "-c", "from azr.cli import main; main()", *command], cwd=ROOT)
        while process.poll() is None:
            time.sleep(2)
            if minutes is not None and _minutes(run) >= minutes:
                process.send_signal(signal.SIGINT)  # finishes its step and saves
                process.wait()
        if process.returncode:
            raise SystemExit(f"{run.folder} failed, see its log.txt")
        return run

    def _solver_alone(self) -> list[str]:
        """No proposals; as many steps as self-play has beyond those in which its proposer alone learns."""
        config = load_config(self._arguments.config, self._arguments.set)
        return ["propose.until=0", f"steps={config.steps - config.propose.warmup_steps}"]

    def _as_many_seeds(self, seed: int) -> list[str]:
        """A seeding as large as the buffer of self-play after its proposer's warm-up."""
        config = load_config(self._run("selfplay", seed).config)
        if not config.propose.warmup_steps:
            return []
        with closing(connect_read_only(self._run("selfplay", seed).buffer)) as connection:
            (tasks,) = connection.execute(
                "SELECT COUNT(*) FROM task WHERE step <= ?", (config.propose.warmup_steps,)
            ).fetchone()
        return [f"seeding.factor={round(tasks / len(config.propose.types) / config.propose.batch)}"]

    def _words_of(self, arm: str, seed: int) -> list[str]:
        """What the arm changes in the config."""
        match arm:
            case "fixed":
                return [*self._solver_alone(), *self._as_many_seeds(seed)]
            case "fixed-minutes":
                return [*self._solver_alone(), *self._as_many_seeds(seed), f"steps={ENDLESS}"]
            case "labelled":
                return [*self._solver_alone(), f"seeding.files=[{self._labelled_file()}]"]
            case "rlvr" | "ttrl" | "ttrl-bound":
                method, other, half = GIVEN[arm], self._other_half, self._arguments.half
                words = [f"{method}.sources={self._own(other)}", f"{method}.look.sources={self._own(half)}"]
                return words + (["ttrl.label=truth"] if arm == "ttrl-bound" else [])
        return []

    @property
    def _other_half(self) -> str:
        """The half that is not read: what may train."""
        return "tune" if self._arguments.half == "held" else "held"

    def _own(self, half: str) -> str:
        """The packaged functions of a half as sources of problems, in the ways that are read."""
        return f"[{','.join(f'{OWN}-{kind[0]}-{half}' for kind in self._arguments.types)}]"

    def _labelled_file(self) -> Path:
        """The public functions of the half that is not read, as a seed file."""
        path = self._out / "labelled.jsonl"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            asked = problems("public", self._other_half, ("deduction", "abduction"), self._arguments.data)
            lines = [
                {"type": task.type, "snippet": task.program, "input": task.input, "output": task.output, "imports": []}
                for task in (question.task for question in asked)
            ]
            write_whole(path, "".join(json.dumps(line) + "\n" for line in lines))
        return path

    def _read(self, arm: str, seed: int, step: int, folder: Path | None) -> None:
        """The untrained model is read once for all arms and seeds."""
        name = f"{arm}-{seed}-{step:06d}" if step else "untrained"
        config = load_config(self._run(arm, seed).config)
        for which in self._arguments.sets:
            path = self._readings / f"{name}.{which}.{self._arguments.half}.jsonl"
            if path.is_file():
                continue
            began = time.perf_counter()
            asked = problems(which, self._arguments.half, self._arguments.types, self._arguments.data)
            lines = read(config, folder, asked, self._arguments.samples)
            write_whole(path, "".join(json.dumps(asdict(line)) + "\n" for line in lines))
            print(f"{time.strftime('%H:%M:%S')} {path.name} in {time.perf_counter() - began:.0f} s", flush=True)

    def table(self) -> str:
        """Before, after and gain of every arm, in Markdown; written to OUT/table.md with the figure beside it."""
        head = ("set", "asked", "arm", "seed", "step", "before", "after", "gain", "repeats", "entropy", "pass@n")
        rows = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
        points = []
        for which in self._arguments.sets:
            before = self._lines("untrained", which)
            if not before:
                continue
            for arm, seed, step, after in self._last_readings(which):
                for kind in self._arguments.types:
                    gain = compare(before, after, kind)
                    points.append({"set": which, "asked": kind, "arm": arm, "seed": seed, **asdict(gain.right)})
                    rows.append(f"| {which} | {kind} | {arm} | {seed} | {step} | {gain.row()} |")
        text = "\n".join([*rows, *self._leads(), *self._labels()]) + "\n"
        write_whole(self._out / "table.md", text)
        write_whole(self._out / "gains.jsonl", "".join(json.dumps(point) + "\n" for point in points))
        if points:
            write_whole(self._out / "learning.svg", figure(points))
        return text

    def _leads(self) -> list[str]:
        """Self-play over each of its controls, in Markdown."""
        rows = []
        for which in self._arguments.sets:
            found: dict[str, list[list[Line]]] = {}
            for arm, _, _, lines in self._last_readings(which):
                found.setdefault(arm, []).append(lines)
            for arm in SELFPLAY[1:]:
                if "selfplay" in found and arm in found:
                    over = [str(lead(found["selfplay"], found[arm], kind)) for kind in self._arguments.types]
                    rows.append(f"| {which} | {arm} | {len(found[arm])} | {' | '.join(over)} |")
        head = ("set", "self-play over", "its seeds", *self._arguments.types)
        return ["", f"| {' | '.join(head)} |", "|" + "---|" * len(head), *rows] if rows else []

    def _labels(self) -> list[str]:
        """What arms with given problems were paid by, in Markdown."""
        names = ("majority_ratio", "label_accuracy", "reward_accuracy", "truth_reward")
        rows = []
        for arm, method in GIVEN.items():
            for seed in self._arguments.seeds:
                lines = [line for line in read_metrics(self._run(arm, seed).metrics) if f"{method}/{names[0]}" in line]
                if lines:
                    cells = [arm, str(seed), str(len(lines)), *(_ends(lines, f"{method}/{name}") for name in names)]
                    rows.append(f"| {' | '.join(cells)} |")
        head = ("arm", "seed", "steps", "majority ratio", "label accuracy", "reward accuracy", "right answers")
        return ["", f"| {' | '.join(head)} |", "|" + "---|" * len(head), *rows] if rows else []

    def _lines(self, name: str, which: str) -> list[Line]:
        path = self._readings / f"{name}.{which}.{self._arguments.half}.jsonl"
        if not path.is_file():
            return []
        return [Line(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]

    def _last_readings(self, which: str) -> Iterator[tuple[str, int, int, list[Line]]]:
        for arm in ARMS:
            for seed in self._arguments.seeds:
                found = sorted(self._readings.glob(f"{arm}-{seed}-*.{which}.{self._arguments.half}.jsonl"))
                if found:
                    name = found[-1].name.split(".")[0]
                    yield arm, seed, int(name.rsplit("-", 1)[-1]), self._lines(name, which)


def problems(which: str, half: str, types: Sequence[str], data: Sequence[str]) -> list[Question]:
    """One half of a set, every program asked in these ways. Raises UserError where the public data can't be had."""
    name = OWN if which == "own" else PUBLIC
    programs = small_programs(name, data_places(data, (MBPP_PLUS.name, CRUXEVAL_O.name)))
    chosen = [program for program in programs if half_of(program) is Half(half)]
    return [question for kind in types for program in chosen for question in questions(program, TaskType(kind))]


def read(config: Config, folder: Path | None, asked: Sequence[Question], samples: int) -> list[Line]:
    """Ask the untrained model, or the checkpoint in `folder`, in the run's own style and at its temperature."""
    from azr.policy.model import load_policy
    from azr.rollout.asking import Table, solve
    from azr.training.opening import open_configured_engine, read_style
    from sandbox import Sandbox

    policy = load_policy(config.model, folder and folder / "model")
    engine = open_configured_engine(policy, config)
    try:
        with Sandbox() as sandbox:
            table = Table(config, policy, engine, sandbox, read_style(config))
            tasks = [question.task for question in asked]
            groups = solve(table, tasks, samples, ("reading",), _unwatched, max_tokens=ANSWER_TOKENS)
    finally:
        engine.close()
    return [
        Line(
            id=question.id,
            type=question.task.type,
            samples=len(answers),
            right=sum(answer.verdict is Verdict.RIGHT for answer in answers),
            repeats=sum(answer.repeats for answer in answers),
            tokens=sum(len(answer.completion.token_ids) for answer in answers),
            surprise=-sum(p for answer in answers for p in answer.completion.logprobs),
        )
        for question, answers in zip(asked, groups, strict=True)
    ]


def _unwatched(done: int, total: int | None = None) -> None:
    """For what needs no progress bar."""


def _ends(lines: Sequence[Mapping[str, float]], name: str) -> str:
    """A metric's means over the first and the last quarter of the steps, in per cent."""
    quarter = max(len(lines) // 4, 1)
    first, last = (fmean(line[name] for line in end) for end in (lines[:quarter], lines[-quarter:]))
    return f"{100 * first:.1f} → {100 * last:.1f}"


def _checkpoints(run: Run) -> list[tuple[int, Path]]:
    return [(step, folder) for step, folder in checkpoints(run) if step]


def _drop_old_checkpoints(run: Run) -> None:
    for _, folder in _checkpoints(run)[:-1]:
        shutil.rmtree(folder)


def _minutes(run: Run) -> float:
    """Minutes of training so far, without seeding and probes."""
    return sum(line.get("time/total", 0.0) for line in read_metrics(run.metrics)) / 60


def _is_done(run: Run, minutes: float | None) -> bool:
    if minutes is not None:
        return _minutes(run) >= minutes
    return any(line["step"] >= load_config(run.config).steps for line in read_metrics(run.metrics))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    main()
