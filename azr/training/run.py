"""The folder of a run: what lies where, who holds it, and how a new one is laid out.

runs/NAME/config.yaml      the resolved config
runs/NAME/buffer.sqlite    azr/buffer/task_buffer.py
runs/NAME/metrics.jsonl    one line a step
runs/NAME/probe.jsonl      azr/evaluation/probe_counts.py
runs/NAME/tensorboard/     the same numbers
runs/NAME/checkpoints/     azr/training/checkpoint.py
runs/NAME/log.txt          what the console said
runs/NAME/.lock            held (flock) while a process trains here; the kernel lets go when the process dies
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from azr.errors import UserError

if TYPE_CHECKING:
    from azr.config.fields import Config

RUNS = Path("runs")


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder and the paths in it."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @property
    def config(self) -> Path:
        """The resolved config, written when the run starts."""
        return self.folder / "config.yaml"

    @property
    def buffer(self) -> Path:
        """The task buffer."""
        return self.folder / "buffer.sqlite"

    @property
    def metrics(self) -> Path:
        """One JSON object a line, one line a step."""
        return self.folder / "metrics.jsonl"

    @property
    def probe(self) -> Path:
        """What the probe counted, question by question, one line a look."""
        return self.folder / "probe.jsonl"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files."""
        return self.folder / "tensorboard"

    @property
    def checkpoints(self) -> Path:
        """One folder a checkpoint."""
        return self.folder / "checkpoints"

    @property
    def log(self) -> Path:
        """What the console said, with the time of day."""
        return self.folder / "log.txt"

    @property
    def lock(self) -> Path:
        """The file that a training process holds."""
        return self.folder / ".lock"


def named_run(name: str, runs: Path = RUNS) -> Run | None:
    """The run that a folder or the name of a folder in `runs` stands for; None where it is neither."""
    places = (Path(name).expanduser(), runs / name)
    return next((Run(folder) for folder in places if Run(folder).config.is_file()), None)


def open_run(folder: Path) -> Run:
    """The run in `folder`. Raises UserError where it is none."""
    run = Run(folder)
    if not run.config.is_file():
        reason = "has no config.yaml" if folder.is_dir() else "is not there"
        raise UserError(f"{folder} is not a run ({reason}); `azr runs` lists the runs that are")
    return run


def run_config(run: Run) -> "Config":
    """The config that the run was started with."""
    from azr.config.settings import (
        load_config,  # omegaconf and pydantic: too slow for commands that only look at a folder
    )

    return load_config(run.config)


def is_training(run: Run) -> bool:
    """Whether a process is training here now."""
    if not run.lock.is_file():
        return False
    with run.lock.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def hold(run: Run) -> Iterator[None]:
    """Keep every other process from training in this folder; a folder that did not become a run is removed again.

    Raises UserError where another process holds it.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    with run.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise UserError(
                f"{run.folder} is in use by process {lock.read().strip() or '(unknown)'};"
                " wait for it, stop it, or choose another name=..."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            if not run.config.exists():
                run.lock.unlink()
                with suppress(OSError):  # there is something of the user's in it
                    run.folder.rmdir()


def refuse_occupied(run: Run) -> None:
    """Raise UserError where a run is in the folder already."""
    if run.config.exists():
        raise UserError(
            f"{run.folder} holds a run already; go on with it (azr train {run.folder} --resume),"
            f" or start another (name={run.name}-2)"
        )


def write_whole(path: Path, text: str) -> None:
    """Write a file aside and rename it, so that a crash leaves the old one or the new one, never half of one."""
    aside = path.with_name(f".{path.name}.new")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
