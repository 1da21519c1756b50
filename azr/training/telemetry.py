"""What a run tells: metrics.jsonl, TensorBoard, log.txt, and a console for the person who watches."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from azr.progress import Advance
from azr.training.run import Run, write_whole

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Metrics = Mapping[str, float]


class Telemetry:
    """The four outlets of one run. Use as a context manager; a step's metrics are on disk when `record` returns.

    Metric names are paths ("reward/solve/deduction"); the same name is used in metrics.jsonl and TensorBoard.
    """

    def __init__(self, run: Run, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._next_step = max((int(line["step"]) for line in read_metrics(run.metrics)), default=-1) + 1
        self._metrics = run.metrics.open("a", encoding="utf-8")
        self._log = run.log.open("a", encoding="utf-8")
        self._board_folder = run.tensorboard
        self._board: SummaryWriter | None = None
        self._progress: Progress | None = None

    def __enter__(self) -> "Telemetry":
        return self

    def __exit__(self, *_: object) -> None:
        if self._board is not None:
            self._board.close()
        self._metrics.close()
        self._log.close()

    def say(self, line: str, style: str = "") -> None:
        """One line to the console and, with the time, to log.txt."""
        self.console.print(Text(line, style=style), soft_wrap=True)
        self._log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
        self._log.flush()

    def record(self, step: int, metrics: Metrics) -> None:
        """Keep a step's metrics; `step` 0 is the state before training."""
        line = {"step": step, **{name: _short(value) for name, value in metrics.items()}}
        self._metrics.write(json.dumps(line) + "\n")
        self._metrics.flush()
        os.fsync(self._metrics.fileno())
        if self._board is None:
            from torch.utils.tensorboard import SummaryWriter  # torch: not for those who only read metrics

            # What a resume went back behind is shown no longer; what was measured before training stays.
            self._board = SummaryWriter(str(self._board_folder), purge_step=self._next_step)
        for name, value in metrics.items():
            self._board.add_scalar(name, value, step)
        self._board.flush()

    @contextmanager
    def phase(self, name: str, total: int) -> Iterator[Advance]:
        """A progress bar for one phase of a step; yields the function that moves it on."""
        with Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        ) as progress:
            bar = progress.add_task(name, total=total)
            yield lambda done, total=None: progress.update(bar, advance=done, total=total)


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Every whole line of metrics.jsonl; a last line that is still being written is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def rewind_metrics(path: Path, step: int) -> None:
    """Drop what was recorded after `step`."""
    kept = [line for line in read_metrics(path) if line["step"] <= step]
    write_whole(path, "".join(json.dumps(line) + "\n" for line in kept))


def _short(value: float) -> float:
    """Six significant digits: enough to plot, and the same after a round trip."""
    return float(f"{value:.6g}")
