"""Which runs there are, how each is doing, and what lies in their folders."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from azr.buffer import connect_read_only
from azr.errors import UserError
from azr.evaluation.probe_metrics import is_score
from azr.training.run import RUNS, Run, is_training, named_run, open_run


class RunState(StrEnum):
    """What a run is doing."""

    RUNNING = "running"  # a process holds its lock
    FINISHED = "finished"  # it reached its last step
    STOPPED = "stopped"  # neither: `azr train ... --resume` goes on


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run at a glance. `scores` are the probe's last scores; `step` and `steps` count trained steps."""

    name: str
    folder: Path
    model: str
    step: int
    steps: int
    state: RunState
    scores: dict[str, float]


def find_run(name: str, root: Path = RUNS) -> Run:
    """The run that a folder or the name of a folder in `root` stands for. Raises UserError where it is none."""
    folder = Path(name).expanduser()
    return named_run(name, root) or open_run(root / name if (root / name).is_dir() and not folder.is_dir() else folder)


def list_runs(root: Path = RUNS) -> list[RunSummary]:
    """Every run in `root`, by name. Raises UserError where there is no such folder, or a run's files are broken."""
    if not root.is_dir():
        raise UserError(f"no folder {root}/ here; `azr train configs/quickstart.yaml` makes the first run in it")
    return [summarize(Run(config.parent)) for config in sorted(root.glob("*/config.yaml"))]


def summarize(run: Run) -> RunSummary:
    """A run at a glance, while it runs too. Raises UserError where its files are broken."""
    config = read_config(run)
    metrics = read_metrics(run)
    step = max((int(line["step"]) for line in metrics), default=0)
    steps = int(config.get("steps", 0))
    state = RunState.RUNNING if is_training(run) else RunState.FINISHED if 0 < steps <= step else RunState.STOPPED
    scores = {name: value for line in metrics for name, value in line.items() if is_score(name)}
    return RunSummary(run.name, run.folder, str(config.get("model", {}).get("name", "")), step, steps, state, scores)


@contextmanager
def reading(run: Run) -> Iterator[sqlite3.Connection]:
    """The run's buffer, open for queries. Raises UserError where there is none or, on the way, where it is damaged."""
    if not run.buffer.is_file():
        raise UserError(f"{run.folder} has no buffer yet: its seeding has not begun")
    db = connect_read_only(run.buffer)
    try:
        yield db
    except sqlite3.DatabaseError as error:
        raise UserError(f"{run.buffer} can't be read: {error}") from None
    finally:
        db.close()


def read_config(run: Run) -> dict[str, Any]:
    """config.yaml as plain containers, whatever version of azr wrote it. Raises UserError where it is no mapping."""
    import yaml  # slow, and not for those who only query a buffer

    try:
        config = yaml.safe_load(run.config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{run.config} can't be read: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise UserError(f"{run.config} is damaged: it holds no keys")
    return config


def read_metrics(run: Run) -> list[dict[str, float]]:
    """metrics.jsonl, the line that is still being written left out. Raises UserError that names a broken line."""
    if not run.metrics.is_file():
        return []
    whole, _, _ = run.metrics.read_text(encoding="utf-8", errors="replace").rpartition("\n")
    metrics = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            values = json.loads(line)
            metrics.append({**values, "step": int(values["step"])})
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{run.metrics} is damaged in line {number}; delete that line to go on") from None
    return metrics
