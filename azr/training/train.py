"""A whole run: prepare, step until done or told to stop, checkpoint, probe, say how it went.

`train` is what `azr train` calls. A run that stops, whether asked to or killed, goes on with `resume=True` from its
newest checkpoint: buffer and metrics are rewound to it, and since every random choice is a function of the run's seed
and the step, it ends as if it had never stopped.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import torch

from azr.config.fields import Config
from azr.evaluation.probe import ask_probe, look_at, probe_metrics
from azr.evaluation.probe_counts import add_look
from azr.evaluation.probe_metrics import is_score, told
from azr.methods.method import Method
from azr.ranks.group import ALONE, Ranks
from azr.ranks.leading import leading
from azr.seeds import derive_seed
from azr.training.checkpoint import save_checkpoint
from azr.training.loop import Loop
from azr.training.opening import EngineOpener, OpenRun, open_configured_engine, open_for_training
from azr.training.run import Run
from azr.training.telemetry import read_metrics
from azr.training.watch import PREFIX, Watch

PACE_STEPS = 5  # the newest steps that the time left is reckoned from


def train(
    config: Config,
    run: Run,
    resume: bool,
    open_engine: EngineOpener = open_configured_engine,
    ranks: Ranks = ALONE,
) -> bool:
    """Run the config's methods to the last step. Returns whether it got there; False where a signal stopped it.

    Of several ranks this is the first; the others `serve` (azr/ranks/serving.py).
    Raises UserError for what the user can mend, OSError where the disk is full, RankLostError where a rank is gone.
    """
    with leading(ranks), open_for_training(config, run, resume, open_engine, ranks) as opened:
        return _Training(opened).run_to_end()


class _Training:
    """A run in progress, and where it stands."""

    def __init__(self, opened: OpenRun) -> None:
        self._config = opened.config
        self._run = opened.run
        self._materials = opened.materials
        self._telemetry = opened.telemetry
        self._buffer = opened.buffer
        self._table = opened.table
        self._learner = opened.learner
        self._done = self._found = opened.done
        self._methods = opened.methods
        self._loop = Loop(opened.table, opened.learner, opened.buffer, opened.methods, opened.watch)
        self._watch = Watch(opened.config.watch, read_metrics(opened.run.metrics))
        self._began = time.perf_counter()
        self._pace: deque[float] = deque(maxlen=PACE_STEPS)

    def run_to_end(self) -> bool:
        """Probe, prepare, step. See `train`."""
        config, table = self._config, self._table
        together = f", {table.ranks.size} ranks" if table.ranks.size > 1 else ""
        left = f"steps {self._done + 1} to {config.steps}" if self._done < config.steps else "no step is left"
        self._say(
            f"run {self._run.folder}: {config.model.name} on {table.policy.device}{together},"
            f" engine {table.engine.name}, {left}"
        )
        with _stop_flag(self._say) as stop:
            if not self._done:
                self._probe_before()
            for method in self._methods:
                if not method.prepare(self._done, stop.__bool__):
                    return self._stopped()
            for method in self._methods:
                if stop:
                    return self._stopped()
                if not self._done:
                    self._look_before(method)
                self._say(method.legend)
            for number in range(self._done + 1, config.steps + 1):
                if stop:
                    return self._stopped()
                self._step(number)
        self._finish()
        return True

    def _step(self, number: int) -> None:
        torch.manual_seed(derive_seed(self._config.seed, "step", number, "torch"))
        step = self._loop.step(number)
        metrics = step.metrics
        self._pace.append(metrics["time/total"])
        left = sum(self._pace) / len(self._pace) * (self._config.steps - number)
        speed = f"{metrics['tokens_per_second']:.0f} tok/s  {metrics['time/total']:.0f} s  left {clock(left)}"
        self._say("  ".join([f"step {number}/{self._config.steps}", *step.lines, speed]))
        for alarm in self._watch.look(metrics):
            self._say(f"warning, step {number}: {alarm.text}")
            metrics[f"{PREFIX}{alarm.name}"] = 1.0
        for method in self._methods:
            metrics |= method.look(number)
        if self._due(self._config.probe.every, number):
            metrics |= self._probe(number)
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
            self._table.policy,
            self._learner.state_dict(),
            self._buffer.position(),
            self._config.checkpoint.keep,
            self._learner.weights(),
        )

    def _probe_before(self) -> None:
        if self._materials.probe and not read_metrics(self._run.metrics):
            self._telemetry.record(0, self._probe(0))

    def _probe(self, number: int) -> dict[str, float]:
        if not self._materials.probe:
            return {}
        with self._telemetry.phase("probe", len(self._materials.probe) * self._config.probe.samples) as advance:
            asked = ask_probe(self._table, self._materials.probe, advance)
        metrics = probe_metrics(asked)
        add_look(self._run.probe, look_at(number, asked))
        self._say(f"probe {f'after step {number}' if number else 'before training'}: {told(metrics)}")
        return metrics

    def _look_before(self, method: Method) -> None:
        recorded = [name for line in read_metrics(self._run.metrics) for name in line]
        if not any(method.looks and name.startswith(method.looks) for name in recorded) and (seen := method.look(0)):
            self._telemetry.record(0, seen)

    def _stopped(self) -> bool:
        if self._done:
            self._save()
            self._say(f"stopped after step {self._done}, all saved")
        else:
            self._say("stopped before the first step; what was stored by then is kept")
        self._say(f"to go on: azr train {self._run.folder} --resume")
        return False

    def _finish(self) -> None:
        if self._done:
            self._save()
        held = ", ".join(f"{count} {kind}" for kind, count in self._buffer.counts().items() if count)
        told = f"; tasks: {held}" if held else ""
        steps = f"{self._done} steps, the last {self._done - self._found}" if self._found else f"{self._done} steps"
        self._say(f"done: {steps} in {clock(time.perf_counter() - self._began)}{told}")
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


def clock(seconds: float) -> str:
    """ "1:05:09" or "5:09"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _first_and_last_scores(run: Run) -> dict[str, tuple[float, float]]:
    """Of the probe and the panel, where they were asked twice."""
    seen: dict[str, list[float]] = {}
    for line in read_metrics(run.metrics):
        for name, value in line.items():
            if is_score(name) or name.startswith("panel/rate"):
                seen.setdefault(name, []).append(value)
    return {name: (values[0], values[-1]) for name, values in seen.items() if len(values) > 1}
