"""The last responses of a call that trains may be cut, are counted and train; what measures is asked whole."""

import json
from dataclasses import replace

import pytest

from azr.buffer import connect_read_only
from azr.config.fields import (
    LearnerConfig,
    LookConfig,
    PanelConfig,
    ProbeConfig,
    ProblemsConfig,
    RolloutConfig,
    TailConfig,
)
from azr.rollout.scripted import ScriptedEngine
from azr.training.run import Run
from azr.training.telemetry import read_metrics
from azr.training.train import train
from tests.azr.players import respond, tiny_config, tiny_model_folder

CUTTING = TailConfig(quantile=0.5, factor=1.0)


@pytest.fixture
def model(tmp_path):
    """A model that ends its texts with any of some tokens, so that lengths differ."""
    folder = tiny_model_folder(tmp_path / "model")
    settings = {"eos_token_id": [0, *range(100, 103)]}
    (folder / "generation_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


class LastCut(ScriptedEngine):
    """Cuts the last sample of each request that may be."""

    def generate(self, requests, on_done=None):
        outputs = super().generate(requests)
        for i, request in enumerate(requests):
            outputs[i][-1] = replace(outputs[i][-1], cut=request.may_be_cut)
            on_done(i, outputs[i])
        return outputs


def played(config, folder, **how):
    run = Run(folder)
    assert train(config, run, False, **how)
    return run, read_metrics(run.metrics)


def test_self_play_counts_them_by_what_was_asked(model, tmp_path):
    """Of two proposals behind a prompt one, of four estimates one, and each of one answer."""
    config = tiny_config(model, steps=1, panel=PanelConfig(every=1, tasks=2, samples=2))

    def opened(policy, config):
        return LastCut(policy, respond)

    cutting = replace(config, rollout=RolloutConfig(tail=CUTTING))
    _, lines = played(cutting, tmp_path / "run", open_engine=opened)
    shares = {name: value for name, value in lines[-1].items() if name.startswith("cut/")}
    assert shares == {"cut/propose": 0.5, "cut/estimate": 0.25, "cut/solve": 1.0}
    _, lines = played(config, tmp_path / "off", open_engine=opened)
    assert not any(name.startswith("cut/") for line in lines for name in line)


def test_given_problems_are_cut_where_they_train_and_whole_where_they_measure(model, tmp_path):
    problems = [{"prompt": f"Which number is {n}?", "answer": str(n), "id": n} for n in range(4)]
    (tmp_path / "numbers.json").write_text(json.dumps(problems), encoding="utf-8")
    config = tiny_config(
        model,
        steps=1,
        methods=("rlvr",),
        rlvr=ProblemsConfig(
            sources=(str(tmp_path / "numbers.json"),),
            batch=4,
            votes=6,
            max_tokens=200,
            look=LookConfig(every=1, samples=6, temperature=1.0, top_p=1.0),
        ),
        rollout=RolloutConfig(max_prompt_tokens=900, tail=CUTTING),
        learner=LearnerConfig(learning_rate=1e-3, entropy_bonus=0.01),
        probe=ProbeConfig(every=0),
    )
    run, lines = played(config, tmp_path / "run")
    step = lines[-1]
    with connect_read_only(run.buffer) as buffer:
        lengths = buffer.execute("SELECT tokens, truncated FROM answer").fetchall()
    limit = max(tokens for tokens, _ in lengths)
    cut = sum(truncated for _, truncated in lengths)
    assert 0 < cut <= 12
    assert step["cut/rlvr"] == step["truncated/rlvr"] == pytest.approx(cut / 24, abs=1e-5)
    assert {tokens for tokens, truncated in lengths if truncated} == {limit}
    assert limit < 200
    assert step["learner/samples"] == 24
    assert step["probe/tokens/rlvr"] > 1.5 * step["length/rlvr"]  # the same policy, asked whole, but for one update
