"""Reading configs: what is understood, and what a person is told where it isn't."""

from pathlib import Path

import pytest

from azr.config.fields import Config, Estimator
from azr.config.settings import dump_config, load_config
from azr.errors import UserError

CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.yaml"))


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("name: small\nlearner: {estimator: rloo}\n")
    return path


def test_file_then_overrides_then_defaults(config_file):
    config = load_config(config_file, ["learner.clip=0.3", "steps=7", "seeding.files=[a.jsonl,b.jsonl]"])
    assert (config.name, config.steps, config.learner.clip) == ("small", 7, 0.3)
    assert config.learner.estimator is Estimator.RLOO
    assert config.seeding.files == ("a.jsonl", "b.jsonl")
    assert config.solver == Config().solver


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("learner.learning_rat=1", "did you mean learner.learning_rate?"),
        ("learning_rate=1", "did you mean learner.learning_rate?"),
        ("qqqq=1", "unknown key qqqq; known here: name, steps"),
        ("steps=ten", "steps = 'ten'"),
        ("steps=0", "steps = 0: input should be greater than or equal to 1"),
        ("rollout.engine=tgi", "'auto', 'vllm' or 'transformers'"),
        ("learner=3", "learner = 3"),
        ("steps", "'steps' is not key=value"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(config_file, override, told):
    with pytest.raises(UserError) as caught:
        load_config(config_file, [override])
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "- a\n- b\n", "", "name: ${nowhere}\n", "5"])
def test_a_broken_file_is_one_line(tmp_path, text):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_names_its_neighbour(config_file):
    with pytest.raises(UserError, match=r"did you mean .*run\.yaml"):
        load_config(config_file.with_name("runn.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_resolved_config_reads_back_equal(path, tmp_path):
    config = load_config(path)
    assert config.name == path.stem
    resolved = tmp_path / "config.yaml"
    resolved.write_text(dump_config(config))
    assert load_config(resolved) == config
