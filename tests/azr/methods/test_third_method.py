"""A method that is not azr's own is named in a config, and is a run like any other."""

from pathlib import Path

import pytest
import torch

from azr.buffer import connect_read_only
from azr.config.fields import LearnerConfig, ProbeConfig, ProposeConfig, SolverConfig
from azr.problems.voting import Tally
from azr.rollout.scripted import ScriptedEngine
from azr.training.plan import print_plan
from azr.training.run import Run
from azr.training.telemetry import read_metrics
from azr.training.train import train
from tests.azr.methods import disagreement
from tests.azr.players import tiny_config, tiny_model_folder
from tests.azr.training.test_training import assert_same_end


def says(policy, config):
    """Three questions: one on which all agree, one on which half do, one that nobody answers."""
    questions = (" What is 1 + 1?\n", " What is 12 * 12?\n", " Why?\n")

    def respond(prompt, sample):
        if not prompt.endswith("Answer:"):
            return questions[sample]
        if "1 + 1" in prompt:
            return (" 2\n", " 2.0\n", " 2.\n", " 2 of course\n")[sample]
        return (" 144\n", " 140\n", " 144.0\n", " 124\n")[sample] if "12 * 12" in prompt else " because\n"

    return ScriptedEngine(policy, respond)


def config_for(model, steps):
    return tiny_config(
        model,
        steps=steps,
        methods=("tests.azr.methods.disagreement",),
        propose=ProposeConfig(batch=3, max_tokens=40),
        solver=SolverConfig(estimate_samples=4, max_tokens=20),
        learner=LearnerConfig(learning_rate=1e-3),
        probe=ProbeConfig(every=0),
    )


def test_it_proposes_answers_votes_learns_and_resumes(tmp_path, capsys):
    torch.set_num_threads(1)
    model = tiny_model_folder(tmp_path / "model")
    whole, halves = Run(tmp_path / "whole"), Run(tmp_path / "halves")
    train(config_for(model, 2), whole, resume=False, open_engine=says)
    train(config_for(model, 1), halves, resume=False, open_engine=says)
    train(config_for(model, 2), halves, resume=True, open_engine=says)
    assert_same_end(halves, whole)
    for line in read_metrics(whole.metrics):
        assert line["disagreement/uncertainty"] == pytest.approx(1 / 3)  # 0 where all agree, 1 at one half, 0 at none
        assert line["disagreement/majority_ratio"] == pytest.approx((1 + 0.5 + 0) / 3)
        assert line["learner/samples"] > 0
        assert line["buffer/problems"] == 3 * line["step"]
    connection = connect_read_only(whole.buffer)
    paid = connection.execute("SELECT reward FROM answer ORDER BY id LIMIT 12").fetchall()
    connection.close()
    assert [reward for (reward,) in paid] == [1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0]
    print_plan(config_for(model, 1), Run(tmp_path / "other"), resume=False)
    assert "3 questions, 4 answers each" in capsys.readouterr().out


def test_it_is_worth_most_where_half_agree():
    assert [disagreement.uncertainty(Tally((), 0, ratio)) for ratio in (0.0, 0.25, 0.5, 1.0)] == [0, 0.5, 1, 0]
    assert disagreement.uncertainty(Tally((), None, 0.0)) == 0


def test_it_is_short():
    assert len(Path(disagreement.__file__).read_text(encoding="utf-8").splitlines()) < 150
