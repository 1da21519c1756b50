"""Runs of several processes end where one process ends."""

import subprocess
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from azr.buffer import connect_read_only
from azr.config.fields import Estimator
from azr.config.settings import dump_config, load_config
from azr.errors import UserError
from azr.ranks.group import Ranks, deal_by_size
from azr.training.checkpoint import checkpoints, find_checkpoint, read_learner_state
from azr.training.opening import open_for_training
from azr.training.run import Run
from tests.azr.players import tiny_config
from tests.azr.ranks.launching import launcher

STEPS = 3
TABLES = ("proposal", "task", "attempt")
LORA = "model.lora.rank=4"
# That of configs/. Ranks add up in another order than one process, and cut rows otherwise; of the last bits of a
# gradient near 0 AdamW makes a step of the rate's size.
RATE = "learner.learning_rate=2e-5"


@given(st.lists(st.integers(1, 5000), max_size=40), st.integers(1, 9))
def test_every_item_is_dealt_once_and_nobody_has_much_more_than_others(sizes, hands):
    dealt = deal_by_size(sizes, hands)
    assert sorted(index for hand in dealt for index in hand) == list(range(len(sizes)))
    loads = [sum(sizes[index] for index in hand) for hand in dealt]
    assert max(loads) - min(loads) <= max(sizes, default=0)


def test_one_card_is_not_for_several_ranks(model, tmp_path):
    config = tiny_config(model)
    config = replace(config, model=replace(config.model, device="cuda:1"))
    opening = open_for_training(config, Run(tmp_path / "run"), resume=False, ranks=Ranks(0, 2))
    with pytest.raises(UserError, match="one card for 2 ranks"), opening:
        pass
    assert not (tmp_path / "run").exists()


def command(model, runs, ranks, *words):
    return [*launcher(ranks), "-m", "tests.azr.ranks.played", str(model), str(runs), *words]


def play(model, runs, ranks, *words):
    """A run from its start to its end."""
    played = subprocess.run(
        command(model, runs, ranks, f"steps={STEPS}", RATE, *words), capture_output=True, text=True, timeout=280
    )
    assert played.returncode == 0, played.stderr[-3000:]
    return Run(runs / "tiny")


def rows(run, table):
    connection = connect_read_only(run.buffer)
    try:
        return connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
    finally:
        connection.close()


def weights(run):
    folder = find_checkpoint(run) / "model"
    (file,) = [folder / name for name in ("model.safetensors", "adapter_model.safetensors") if (folder / name).exists()]
    return load_file(file)


def furthest(ours, theirs):
    assert ours.keys() == theirs.keys()
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


def assert_same_end(run, other, tolerance=1e-6):
    for table in TABLES:
        assert rows(run, table) == rows(other, table)
    assert furthest(weights(run), weights(other)) <= tolerance


def test_two_ranks_end_where_one_does(model, tmp_path):
    one, two = play(model, tmp_path / "1", 1), play(model, tmp_path / "2", 2)
    assert_same_end(one, two)
    assert furthest(weights(one), load_file(model / "model.safetensors")) > 1e-5


def learned(ranks, out, *words):
    """The weights that every estimator's steps end with."""
    subprocess.run([*launcher(ranks), "-m", "tests.azr.ranks.learned", str(out), *words], check=True, timeout=800)
    return torch.load(out)


@pytest.fixture(scope="module")
def learned_alone(tmp_path_factory):
    return learned(1, tmp_path_factory.mktemp("learned") / "1.pt")


def assert_same_weights(ends, others, tolerance):
    for name, weights_of_one in ends.items():
        for one, other in zip(weights_of_one, others[name], strict=True):
            torch.testing.assert_close(
                other, one, rtol=0, atol=tolerance, msg=lambda told, name=name: f"{name}: {told}"
            )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_estimator_does(learned_alone, tmp_path):
    """Full and with an adapter, with a KL term too; with a step for one hand alone, and one for none."""
    together = learned(2, tmp_path / "2.pt")
    assert together.keys() == learned_alone.keys()
    assert {name.partition("/")[0] for name in together} >= set(Estimator)
    assert_same_weights(together, learned_alone, tolerance=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_estimator_does_in_shards(learned_alone, tmp_path):
    """The same, but for what shards can't do."""
    together = learned(2, tmp_path / "2.pt", "shard")
    assert {name.partition("/")[0] for name in together} == set(Estimator) - {Estimator.PPO}
    assert_same_weights(together, learned_alone, tolerance=1e-5)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("words", [("model.gradient_checkpointing=true",), (LORA,), ("model.precision=bf16", LORA)])
def test_a_run_in_shards_is_saved_whole(model, tmp_path, words):
    """Its checkpoints have what one process has in them: one process goes on from them, and shards from its own."""
    one = play(model, tmp_path / "1", 1, *words)
    two = play(model, tmp_path / "2", 2, *words, "learner.shard=true")
    if "model.precision=bf16" not in words:  # where a rounding decides on the next token
        assert_same_end(one, two, tolerance=1e-5)
    for run in (one, two):
        assert {tensor.dtype for tensor in weights(run).values()} == {tensor.dtype for tensor in weights(one).values()}
        assert shapes(read_learner_state(find_checkpoint(run))) == shapes(read_learner_state(find_checkpoint(one)))
    for ranks, runs, sharded in ((1, tmp_path / "2", "false"), (2, tmp_path / "1", "true")):
        more = f"steps={STEPS + 1}", RATE, *words, f"learner.shard={sharded}"
        resumed = subprocess.run(command(model, runs, ranks, *more, "resume"), capture_output=True, text=True)
        assert resumed.returncode == 0, resumed.stderr[-3000:]
        assert checkpoints(Run(runs / "tiny"))[-1][0] == STEPS + 1


def shapes(state):
    """A state with the shape and type of each tensor in its place."""
    if isinstance(state, torch.Tensor):
        return tuple(state.shape), state.dtype
    if isinstance(state, dict):
        return {name: shapes(value) for name, value in state.items()}
    return [shapes(value) for value in state] if isinstance(state, list) else None


@pytest.mark.parametrize(
    "words",
    [("learner.kl.coefficient=0.1",), ("learner.optimizer_on_host=true",), ("learner.solve.estimator=ppo",), ()],
)
def test_what_shards_can_not_do_is_refused(model, tmp_path, words):
    written = tmp_path / "config.yaml"
    written.write_text(dump_config(tiny_config(model)))
    config = load_config(written, ["learner.shard=true", *words])
    opening = open_for_training(config, Run(tmp_path / "run"), resume=False, ranks=Ranks(0, 2 if words else 1))
    with pytest.raises(UserError, match=r"learner\.shard"), opening:
        pass
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_adapter_does(model, tmp_path):
    assert_same_end(play(model, tmp_path / "1", 1, LORA), play(model, tmp_path / "2", 2, LORA))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_four_ranks_do(model, tmp_path):
    words = ["solver.batch=1", "probe.every=0"]
    assert_same_end(play(model, tmp_path / "1", 1, *words), play(model, tmp_path / "4", 4, *words))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_step_in_which_nobody_has_anything_to_learn(model, tmp_path):
    words = ["learner.solve.loss_weight=0", "learner.propose.loss_weight=0", "probe.every=0"]
    run = play(model, tmp_path / "2", 2, *words)
    assert furthest(weights(run), load_file(model / "model.safetensors")) == 0.0
