"""Checkpoints: all that a run needs to go on as if it had never stopped.

    checkpoints/step-000010/model/       the weights (or the adapter), as transformers or peft read them
    checkpoints/step-000010/learner.pt   optimizer and schedule
    checkpoints/step-000010/state.json   step, buffer position, versions, torch's random state

A checkpoint is written into a hidden folder beside its place, flushed, and renamed: a crash at any instant leaves the
last whole one. The buffer and the metrics are not copied; they are rewound to the checkpoint's
step (azr/training/train.py).
"""

import errno
import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from azr.errors import UserError
from azr.policy.model import Policy, save_policy
from azr.training.run import Run

PREFIX = "step-"
FULL = 1 << 20  # bytes free under which a write that failed is held to have failed for want of room


@dataclass(frozen=True, slots=True)
class CheckpointState:
    """The small part of a checkpoint.

    `buffer` is the buffer's position at that step (TaskBuffer.position), `torch_rng` torch's processor random state in
    hexadecimal.
    """

    step: int
    buffer: dict[str, int]
    torch_rng: str
    versions: dict[str, str]


def save_checkpoint(
    run: Run,
    step: int,
    policy: Policy,
    learner_state: dict[str, Any],
    position: dict[str, int],
    keep: int,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> Path:
    """Write the checkpoint of `step`, the buffer being at `position`, and keep the newest `keep` alone (0: all).

    `weights` are the policy's where it has only a part of them (`save_policy`).
    Raises OSError (ENOSPC) where the disk is full; the checkpoints from before are untouched then.
    """
    run.checkpoints.mkdir(exist_ok=True)
    place = run.checkpoints / f"{PREFIX}{step:06d}"
    if place.exists():  # saved already: the same step of the same run is the same checkpoint
        return place
    aside = run.checkpoints / f".{place.name}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir()
        save_policy(policy, aside / "model", weights)
        torch.save(learner_state, aside / "learner.pt")
        state = CheckpointState(step, position, torch.get_rng_state().numpy().tobytes().hex(), _versions())
        (aside / "state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")
        _flush(aside)
    except BaseException as error:
        full = shutil.disk_usage(run.checkpoints).free < FULL
        shutil.rmtree(aside, ignore_errors=True)
        if full and isinstance(error, Exception):  # torch and safetensors each have an error of their own for it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(aside)) from error
        raise
    aside.rename(place)
    _flush_folder(run.checkpoints)
    _prune(run, keep)
    return place


def checkpoints(run: Run) -> list[tuple[int, Path]]:
    """(step, folder) of every whole checkpoint, oldest first."""
    found = []
    for folder in run.checkpoints.glob(f"{PREFIX}*"):
        number = folder.name.removeprefix(PREFIX)
        if number.isdigit() and (folder / "state.json").is_file():
            found.append((int(number), folder))
    return sorted(found)


def find_checkpoint(run: Run, step: int | None = None) -> Path:
    """The folder of a step's checkpoint, by default the newest. Raises UserError where there is none."""
    found = dict(checkpoints(run))
    if not found:
        raise UserError(
            f"{run.folder} has no checkpoint yet: one is written every checkpoint.every steps, where Ctrl-C stops the"
            " run, and at its end"
        )
    wanted = max(found) if step is None else step
    if wanted not in found:
        there = ", ".join(str(number) for number in found)
        raise UserError(f"{run.folder} has no checkpoint of step {wanted}; there are {there}")
    return found[wanted]


def read_state(folder: Path) -> CheckpointState:
    """The small part of the checkpoint in `folder`. Raises UserError where it can't be read."""
    try:
        return CheckpointState(**json.loads((folder / "state.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"checkpoint {folder} is damaged ({error}); remove it to use the one before") from None


def restore_random_state(state: CheckpointState) -> None:
    """Put torch's processor random state back."""
    torch.set_rng_state(torch.frombuffer(bytearray.fromhex(state.torch_rng), dtype=torch.uint8))


def read_learner_state(folder: Path) -> dict[str, Any]:
    """Optimizer and schedule, for Learner.load_state_dict. Raises UserError where the file can't be read."""
    try:
        state: dict[str, Any] = torch.load(folder / "learner.pt", map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever the pickle inside happens to trip over
        raise UserError(f"checkpoint {folder} is damaged ({error}); remove it to use the one before") from None
    return state


def _prune(run: Run, keep: int) -> None:
    if keep:
        for _, folder in checkpoints(run)[:-keep]:
            shutil.rmtree(folder)


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _flush_folder(folder)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _versions() -> dict[str, str]:
    import azr

    return {"azr": azr.__version__, "torch": torch.__version__, "python": platform.python_version()}
