"""One engine of vLLM on all ranks, fed by a learner in shards: -m tests.azr.rollout.sliced MODEL OUT.

Of every weight and of an adapter, after an update, rank 0 writes to OUT what each rank's samples were, and what
log-probabilities the gathered policy gives them.
"""

import sys
from pathlib import Path

import torch

from azr.config.fields import (
    EngineChoice,
    LearnerConfig,
    LoraConfig,
    ModelConfig,
    Precision,
    RolloutConfig,
    VllmConfig,
)
from azr.learner import Learner, Sample
from azr.policy.model import load_policy, trained_weights
from azr.ranks.group import Ranks, open_ranks
from azr.rollout import Request, open_engine
from tests.azr.rollout.asked import reference_logprobs

ASKED = [Request(tuple(range(5, 15 + i)), n=1 + i, max_tokens=12, seed=i) for i in range(4)]
LEARNED = [Sample(tuple(range(20, 30)), (i, 7, 8), (-5.0,) * 3, 1.0 - i) for i in range(3)]


def main(model: str, out: str) -> None:
    """One rank."""
    torch.set_num_threads(1)
    with open_ranks() as ranks:
        found = {name: sampled(Path(model), rank, ranks) for name, rank in (("full", 0), ("adapter", 4))}
        if ranks.leads:
            torch.save(found, out)


def sampled(model: Path, lora: int, ranks: Ranks) -> dict[str, list]:
    """Each rank's tokens, their log-probabilities by the engine and by the policy, and those before the update."""
    torch.manual_seed(0)
    named = ModelConfig(name=str(model), precision=Precision.FP32, device="cpu", lora=LoraConfig(lora))
    policy = load_policy(named)
    ranks.spread(trained_weights(policy))
    learner = Learner(policy, LearnerConfig(learning_rate=1e-2, shard=True), named, ranks=ranks)
    vllm = VllmConfig(enforce_eager=True, kv_cache_gib=1, max_sequences=8, tensor_parallel_size=ranks.size)
    engine = open_engine(policy, RolloutConfig(engine=EngineChoice.VLLM, vllm=vllm), max_tokens=64)
    before = engine.generate(ASKED)
    engine.rest()
    learner.step(LEARNED)
    engine.update_weights(policy.model)
    after = engine.generate(ASKED)
    engine.close()
    with learner.gathered():
        expected = [
            reference_logprobs(policy.model, request, one).tolist()
            for request, completions in zip(ASKED, after, strict=True)
            for one in completions
        ]
    own = {
        "tokens": [one.token_ids for completions in after for one in completions],
        "logprobs": [one.logprobs for completions in after for one in completions],
        "expected": expected,
        "before": [one.logprobs for completions in before for one in completions],
    }
    gathered = ranks.gather(own)
    return {name: [part[name] for part in gathered] for name in own}


main(*sys.argv[1:])
