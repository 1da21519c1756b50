"""A whole run: open everything, seed, step until done or told to stop, checkpoint, probe, say how it went.

`train` is what `azr train` calls. A run that stops, whether asked to or killed, goes on with `resume=True` from its
newest checkpoint: buffer and metrics are rewound to it, and since every random choice is a function of the run's seed
and the step, it ends as if it had never stopped.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

import torch
from transformers.utils.logging import disable_progress_bar

from azr.buffer import TaskBuffer
from azr.checkpoint import (
    checkpoints,
    find_checkpoint,
    read_learner_state,
    read_state,
    restore_random_state,
    save_checkpoint,
)
from azr.config import Config
from azr.errors import UserError
from azr.learner import Learner
from azr.model import Policy, load_policy
from azr.probe import load_probe, run_probe
from azr.roles import Table
from azr.rollout import open_engine
from azr.rollout.engine import Engine
from azr.run import Run, hold, refuse_occupied, run_config, write_whole
from azr.seed_file import read_seed_files, store_seed_tasks
from azr.seeds import derive_seed
from azr.selfplay import SelfPlay
from azr.settings import dump_config
from azr.step_metrics import STEP_LINE_KEY, clock, step_line, step_metrics
from azr.telemetry import Telemetry, read_metrics, rewind_metrics
from sandbox import Sandbox, SandboxConfig
from tasks.prompts import Style, StyleError, load_style
from tasks.triplet import Proposal, TaskType, Triplet

EngineOpener = Callable[[Policy, Config], Engine]

PACE_STEPS = 5  # the newest steps that the time left is reckoned from


@dataclass(frozen=True)
class Materials:
    """What is read before anything is written, so that a mistake leaves no half-made run behind."""

    style: Style
    probe: list[Triplet]
    seeds: list[Proposal]


def gather(config: Config) -> Materials:
    """Read the style, the probe's problems and the seed files. Raises UserError for what is missing or broken."""
    return Materials(read_style(config), load_probe(config.probe), read_seed_files(config.seeding.files))


def read_style(config: Config) -> Style:
    """The prompts' style. Raises UserError where there is none of that name, or it can't be used."""
    try:
        return load_style(config.prompts.style)
    except StyleError as error:
        raise UserError(f"prompts.style={config.prompts.style}: {error}") from None


def open_configured_engine(policy: Policy, config: Config) -> Engine:
    """The engine that the config names, with room for the longest prompt and response the run can ask for."""
    most = max(_longest_response(config), config.probe.max_tokens if config.probe.every else 0)
    return open_engine(policy, config.rollout, config.rollout.max_prompt_tokens + most)


def train(config: Config, run: Run, resume: bool, open_engine: EngineOpener = open_configured_engine) -> bool:
    """Run self-play to its last step. Returns whether it got there; False where a signal stopped it.

    `open_engine` is asked for the engine once the policy is loaded.
    Raises UserError for what the user can mend, OSError where the disk is full.
    """
    materials = gather(config)
    disable_progress_bar()  # transformers' own, which would cut through ours
    with hold(run), ExitStack() as stack:
        begin = _resume if resume else _start
        begin(run, config)
        telemetry = stack.enter_context(Telemetry(run))
        sandbox = stack.enter_context(Sandbox(_sandbox_config(config)))
        buffer = TaskBuffer.open(run.buffer)
        stack.callback(buffer.close)
        return _Training(config, run, materials, telemetry, sandbox, buffer, stack, open_engine).run_to_end()


class _Training:
    """A run in progress: what `train` opened, and where it stands."""

    def __init__(
        self,
        config: Config,
        run: Run,
        materials: Materials,
        telemetry: Telemetry,
        sandbox: Sandbox,
        buffer: TaskBuffer,
        stack: ExitStack,
        open_engine: EngineOpener,
    ) -> None:
        self._config = config
        self._run = run
        self._materials = materials
        self._telemetry = telemetry
        self._sandbox = sandbox
        self._buffer = buffer
        self._began = time.perf_counter()
        torch.manual_seed(derive_seed(config.seed, "model"))
        saved = checkpoints(run)
        folder = find_checkpoint(run) if saved else None
        self._done = saved[-1][0] if saved else 0
        self._say(f"loading {config.model.name}" + (f" from checkpoint {folder}" if folder else ""))
        weights = folder / "model" if folder else None
        self._policy = load_policy(config.model, weights)
        self._learner = Learner(self._policy, config.learner, config.model, _longest_response(config))
        if folder:
            self._learner.load_state_dict(read_learner_state(folder))
            restore_random_state(read_state(folder))
        self._engine = open_engine(self._policy, config)
        stack.callback(self._engine.close)
        self._table = Table(config, self._policy, self._engine, sandbox, materials.style)
        self._selfplay = SelfPlay(self._table, self._learner, buffer, telemetry.phase)
        self._pace: deque[float] = deque(maxlen=PACE_STEPS)

    def run_to_end(self) -> bool:
        """Probe, seed, step. See `train`."""
        config = self._config
        self._say(
            f"run {self._run.folder}: {config.model.name} on {self._policy.device}, engine {self._engine.name},"
            f" steps {self._done + 1} to {config.steps}"
        )
        with _stop_flag(self._say) as stop:
            if not self._done:
                self._probe_before()
                if not self._seed(stop):
                    return self._stopped()
            self._say(STEP_LINE_KEY)
            for number in range(self._done + 1, config.steps + 1):
                self._step(number)
                if stop and number < config.steps:
                    return self._stopped()
        self._finish()
        return True

    def _step(self, number: int) -> None:
        torch.manual_seed(derive_seed(self._config.seed, "step", number, "torch"))
        record = self._selfplay.step(number)
        metrics = step_metrics(record, self._buffer)
        self._pace.append(metrics["time/total"])
        left = sum(self._pace) / len(self._pace) * (self._config.steps - number)
        self._say(step_line(metrics, number, self._config.steps, left))
        if self._due(self._config.probe.every, number):
            metrics |= self._probe(f"after step {number}")
        self._telemetry.record(number, metrics)
        self._done = number
        if self._due(self._config.checkpoint.every, number):
            self._save()

    def _due(self, every: int, number: int) -> bool:
        return bool(every) and (number % every == 0 or number == self._config.steps)

    def _save(self) -> None:
        save_checkpoint(
            self._run,
            self._done,
            self._policy,
            self._learner.state_dict(),
            self._buffer.position(),
            self._config.checkpoint.keep,
        )

    def _probe_before(self) -> None:
        if self._materials.probe and not read_metrics(self._run.metrics):
            self._telemetry.record(0, self._probe("before training"))

    def _probe(self, when: str) -> dict[str, float]:
        if not self._materials.probe:
            return {}
        with self._telemetry.phase("probe", len(self._materials.probe)) as advance:
            scores = run_probe(self._table, self._materials.probe, advance)
        said = ", ".join(f"{name.removeprefix('probe/')} {100 * score:.1f}%" for name, score in scores.items())
        self._say(f"probe {when}: {said}")
        return scores

    def _seed(self, stop: "StopFlag") -> bool:
        """Fill the buffers; False where a signal came in between rounds."""
        if self._materials.seeds and not any(self._buffer.counts().values()):
            with self._telemetry.phase("seed files", len(self._materials.seeds)) as advance:
                seeded = store_seed_tasks(self._buffer, self._sandbox, self._materials.seeds, advance)
            refused = ", ".join(f"{count} {reason}" for reason, count in seeded.refused.items())
            self._say(f"seed files: {seeded.kept} tasks kept" + (f", refused: {refused}" if refused else ""))
        ready = False
        while not ready:
            if stop:
                return False
            ready = self._selfplay.seed_round()
            counts = self._buffer.counts()
            wanted = self._config.propose.batch * self._config.seeding.factor
            held = ", ".join(f"{counts[task_type]} {task_type}" for task_type in TaskType)
            self._say(f"seed round {self._buffer.seed_rounds()}: the buffer holds {held} (each wants {wanted})")
        return True

    def _stopped(self) -> bool:
        if self._done:
            self._save()
            self._say(f"stopped after step {self._done}, all saved")
        else:
            self._say("stopped while seeding, what was proposed is kept")
        self._say(f"to go on: azr train {self._run.folder} --resume")
        return False

    def _finish(self) -> None:
        if self._done:
            self._save()
        counts = self._buffer.counts()
        invented = ", ".join(f"{counts[task_type]} {task_type}" for task_type in TaskType)
        self._say(f"done: {self._done} steps in {clock(time.perf_counter() - self._began)}; tasks: {invented}")
        for name, (before, after) in _first_and_last_scores(self._run).items():
            self._say(f"  {name}: {100 * before:.1f}% before training, {100 * after:.1f}% now")
        folder = self._run.folder
        self._say("try next:")
        self._say(f"  azr buffer list {folder} --sort learnability")
        self._say(f"  azr report {folder}")
        self._say(f"  azr export {folder} {folder.name}-model")

    def _say(self, line: str) -> None:
        self._telemetry.say(line)


class StopFlag:
    """Set once a signal asked the run to stop; true from then on."""

    def __init__(self) -> None:
        self._set = False

    def __bool__(self) -> bool:
        return self._set

    def set(self) -> None:
        """Ask the run to stop after what it is doing."""
        self._set = True


@contextmanager
def _stop_flag(say: Callable[[str], None]) -> Iterator[StopFlag]:
    """SIGINT and SIGTERM set the flag in this block; a second one ends the process as usual."""
    flag = StopFlag()

    def handle(number: int, _: FrameType | None) -> None:
        flag.set()
        for each, handler in before.items():
            signal.signal(each, handler)
        say(f"{signal.Signals(number).name}: finishing the step, then saving; once more stops at once")

    before = {}
    with suppress(ValueError):  # signals reach the main thread alone; elsewhere the caller has its own way to stop
        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(run: Run, config: Config) -> None:
    """A new run's folder; its config is written last, and makes it a run.

    Raises UserError where one is there already.
    """
    refuse_occupied(run)
    for leftover in run.folder.glob("buffer.sqlite*"):  # of a start that was killed
        leftover.unlink()
    TaskBuffer.create(run.buffer).close()
    write_whole(run.config, dump_config(config))


def _resume(run: Run, config: Config) -> None:
    """Rewind buffer and metrics to the newest checkpoint, or to before the first step where there is none."""
    if not run.config.is_file():
        raise UserError(f"nothing to resume: {run.folder} is not there; start it without --resume")
    _check_same_run(run, config)
    saved = checkpoints(run)
    step = saved[-1][0] if saved else 0
    buffer = TaskBuffer.open(run.buffer)
    try:
        buffer.rewind(step)
        if saved and buffer.position() != read_state(saved[-1][1]).buffer:
            raise UserError(f"{run.buffer} is not the buffer that checkpoint {saved[-1][1]} was written with")
    finally:
        buffer.close()
    rewind_metrics(run.metrics, step)
    write_whole(run.config, dump_config(config))


def _check_same_run(run: Run, config: Config) -> None:
    before = run_config(run)
    for section in ("seed", "model", "prompts", "propose", "seeding"):
        if getattr(before, section) != getattr(config, section):
            raise UserError(
                f"{run.folder} was started with another {section}; resume it with `azr train {run.folder} --resume`,"
                " or start a new run (name=...)"
            )


def _longest_response(config: Config) -> int:
    return max(config.propose.max_tokens, config.solver.max_tokens)


def _sandbox_config(config: Config) -> SandboxConfig:
    limits = config.sandbox
    return SandboxConfig(workers=limits.workers, timeout_s=limits.timeout_s, memory_mb=limits.memory_mb)


def _first_and_last_scores(run: Run) -> dict[str, tuple[float, float]]:
    lines = [line for line in read_metrics(run.metrics) if any(name.startswith("probe/") for name in line)]
    if len(lines) < 2:
        return {}
    return {name: (lines[0][name], lines[-1][name]) for name in lines[0] if name.startswith("probe/")}
