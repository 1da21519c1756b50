"""What checkpoints take of the disk: as planned, as written."""

from dataclasses import replace

import pytest

from azr.config.fields import CheckpointConfig, Estimator, LearnerConfig, LoraConfig, ProbeConfig
from azr.errors import UserError
from azr.policy.shape import read_shape
from azr.training.checkpoint import checkpoints
from azr.training.disk import DiskPlan, plan_disk
from azr.training.run import Run
from azr.training.train import train
from tests.azr.players import scripted_engine, tiny_config


@pytest.mark.parametrize(
    ("rank", "estimator"),
    [(0, Estimator.TRR_PP), (64, Estimator.TRR_PP), (0, Estimator.PPO)],
    ids=["full", "lora", "critic"],
)
def test_a_checkpoint_is_as_large_as_planned(model, tmp_path, rank, estimator):
    config = tiny_config(model, steps=1, probe=ProbeConfig(every=0), learner=LearnerConfig(estimator=estimator))
    config = replace(config, model=replace(config.model, lora=LoraConfig(rank=rank)))
    run = Run(tmp_path / "tiny")
    planned = plan_disk(config, read_shape(config.model), run).each
    train(config, run, resume=False, open_engine=scripted_engine)
    ((_, folder),) = checkpoints(run)
    written = sum(path.stat().st_size for path in [*folder.glob("model/*.safetensors"), folder / "learner.pt"])
    assert planned == pytest.approx(written, rel=0.1)


@pytest.mark.parametrize(
    ("every", "keep", "there", "written"),
    [
        (10, 2, [], 3),  # the third is whole before the first goes
        (10, 2, [10, 20], 1),
        (10, 0, [], 4),  # of steps 10, 20, 30 and 35
        (10, 0, [10, 20], 2),
        (0, 2, [], 1),  # the last step alone
        (50, 2, [], 1),
        (10, 2, [30, 35], 0),  # done
    ],
)
def test_as_many_are_planned_for_as_will_be_written(model, tmp_path, every, keep, there, written):
    run = Run(tmp_path / "tiny")
    for step in there:
        folder = run.checkpoints / f"step-{step:06d}"
        folder.mkdir(parents=True)
        (folder / "state.json").touch()
    config = tiny_config(model, steps=35, checkpoint=CheckpointConfig(every=every, keep=keep))
    plan = plan_disk(config, read_shape(config.model), run)
    assert plan.added == written * plan.each


def test_a_disk_without_room_for_one_is_refused_and_one_without_room_for_all_is_told():
    small = DiskPlan(each=2 * 10**9, added=6 * 10**9, free=5 * 10**9)
    small.check()
    assert str(small) == "2.00 GB each, 6.00 GB in all; 5.00 GB are free, too little: keep fewer (checkpoint.keep)"
    assert str(replace(small, free=10**9)).endswith("1.00 GB are free, too little for one")
    with pytest.raises(UserError, match=r"a checkpoint takes 2\.00 GB, and 1\.00 GB of the disk are free"):
        replace(small, free=10**9).check()
    replace(small, added=0, free=10**9).check()
    assert str(DiskPlan(293_000, 879_000, 12 * 10**9)) == "0.3 MB each, 0.9 MB in all; 12 GB are free"
