"""What a run's checkpoints take of the disk, beside what is free there."""

import shutil
from dataclasses import dataclass

from transformers import PretrainedConfig

from azr.config.fields import Config, Precision
from azr.errors import UserError
from azr.learner.algorithms import ALGORITHMS
from azr.planning.machine import GB
from azr.planning.memory import Sizes
from azr.training.checkpoint import checkpoints
from azr.training.run import Run


@dataclass(frozen=True)
class DiskPlan:
    """Bytes of one checkpoint, of those that the run will still add to what is there, and of the disk that are free."""

    each: int
    added: int
    free: int

    @property
    def fits_one(self) -> bool:
        """Whether the next checkpoint can be written; also where none is due."""
        return not self.added or self.each <= self.free

    def __str__(self) -> str:
        told = f"{_told(self.each)} each, {_told(self.added)} in all; {_told(self.free)} are free"
        if not self.fits_one:
            return f"{told}, too little for one"
        return told if self.added <= self.free else f"{told}, too little: keep fewer (checkpoint.keep)"

    def check(self) -> None:
        """Raises UserError where not even one checkpoint can be written."""
        if not self.fits_one:
            raise UserError(
                f"a checkpoint takes {_told(self.each)}, and {_told(self.free)} of the disk are free: make room, have"
                " the run elsewhere (--runs), or train an adapter (model.lora.rank)"
            )


def plan_disk(config: Config, shape: PretrainedConfig, run: Run) -> DiskPlan:
    """Of the run in its folder, which need not be there yet. A new checkpoint is whole before the oldest goes."""
    each = _checkpoint_bytes(config, Sizes.of(shape, config))
    every, keep, steps = config.checkpoint.every, config.checkpoint.keep, config.steps
    there = checkpoints(run)
    done = max((step for step, _ in there), default=0)
    saved = len({*range(every, steps + 1, every), steps} - set(range(done + 1))) if every else int(done < steps)
    added = min(saved, keep + 1 - len(there)) if keep else saved
    standing = next(folder for folder in run.folder.absolute().parents if folder.is_dir())
    return DiskPlan(each, max(added, 0) * each, shutil.disk_usage(standing).free)


def _checkpoint_bytes(config: Config, sizes: Sizes) -> int:
    """Weights as they are saved, AdamW's moments, the masters that aren't the weights themselves, and the critic's."""
    width = 2 if config.model.precision is Precision.BF16 else 4
    masters = 4 if width == 2 or config.learner.optimizer_on_host else 0
    saved = sizes.adapter if config.model.lora.rank else sizes.base
    critic = (width + 8 + masters) * sizes.trained if ALGORITHMS[config.learner.estimator].critic else 0
    return width * saved + (8 + masters) * sizes.trained + critic


def _told(size: int) -> str:
    if size < GB / 10:
        return f"{size / GB * 1000:.1f} MB"
    return f"{size / GB:.2f} GB" if size < 10 * GB else f"{size / GB:.0f} GB"
