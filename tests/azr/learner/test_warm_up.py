"""The longest row before the first step: it takes the memory, and nothing else."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from azr.config.fields import Estimator, LearnerConfig, ModelConfig
from azr.learner import Learner
from azr.learner.algorithms import ALGORITHMS
from tests.azr.learner.models import policy_of, rollouts, tiny_model, with_engine_logprobs

CONFIG = LearnerConfig(learning_rate=1e-3, max_batch_tokens=200, logit_chunk=16)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_run_that_warmed_up_goes_on_to_the_bit_as_one_that_did_not(
    precision: torch.dtype, checkpointing: bool
) -> None:
    samples = with_engine_logprobs(tiny_model("llama"), rollouts())
    ends = []
    for warm in (False, True):
        model = tiny_model("llama").to(precision)
        learner = Learner(policy_of(model), CONFIG, ModelConfig(gradient_checkpointing=checkpointing))
        torch.manual_seed(5)
        if warm:
            learner.warm_up()
        drawn = torch.rand(1)
        metrics = [learner.step(samples) for _ in range(2)]
        if warm:
            learner.warm_up()  # of a resumed run, whose optimizer has its moments
        state = learner.state_dict()
        timeless = [{k: v for k, v in one.items() if "second" not in k} for one in metrics]
        ends.append((drawn, timeless, model.state_dict(), state["optimizer"]))
    (drawn, metrics, weights, optimizer), (drawn_too, metrics_too, weights_too, optimizer_too) = ends
    assert torch.equal(drawn, drawn_too)
    assert metrics == metrics_too
    assert all(torch.equal(weights[name], weights_too[name]) for name in weights)
    for key, moments in optimizer["adamw"]["state"].items():
        assert all(torch.equal(moments[name], optimizer_too["adamw"]["state"][key][name]) for name in moments)


def test_a_critic_warms_up_with_it() -> None:
    assert ALGORITHMS[Estimator.PPO].critic
    policy, critic = policy_of(tiny_model("llama")), policy_of(tiny_model("llama", seed=1))
    learner = Learner(policy, replace(CONFIG, estimator=Estimator.PPO), ModelConfig(), critic=critic)
    before = {name: weight.clone() for name, weight in critic.model.state_dict().items()}
    learner.warm_up()
    assert all(torch.equal(before[name], weight) for name, weight in critic.model.state_dict().items())


SMALL_ROOM = """
import resource
from azr.config.fields import LearnerConfig, ModelConfig
from azr.errors import UserError
from azr.learner import Learner
from tests.azr.learner.models import policy_of, tiny_model
learner = Learner(policy_of(tiny_model("llama")), LearnerConfig(max_batch_tokens=40000), ModelConfig())
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 400 * 2**20,) * 2)
try:
    learner.warm_up()
except UserError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_that_runs_out_is_one_line_that_names_the_knobs() -> None:
    done = subprocess.run([sys.executable, "-c", SMALL_ROOM], capture_output=True, text=True, check=True, timeout=120)
    (line,) = done.stdout.splitlines()
    assert "learner.max_batch_tokens=40000" in line
    for knob in ("learner.logit_chunk", "model.gradient_checkpointing", "model.lora.rank", "azr plan"):
        assert knob in line
