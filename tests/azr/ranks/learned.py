"""Steps of every estimator, full and with an adapter, on one rank or several: -m tests.azr.ranks.learned OUT [shard].

Rank 0 writes the weights that each of them ends with to OUT. Several ranks may have the policy in shards; then what
shards can't do is left out.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace

import torch
from peft import LoraConfig, get_peft_model

from azr.config.fields import Estimator, KlConfig, KlEstimator, KlPlace, LearnerConfig, ModelConfig
from azr.learner import Learner, Outcome, Sample
from azr.learner.algorithms import ALGORITHMS
from azr.ranks.group import Ranks, open_ranks
from tests.azr.learner.models import policy_of, rollouts, tiny_model, with_engine_logprobs

STEPS = 5
# Several rows a rank and minibatch. AdamW makes of a gradient near 0 a step of the learning rate's size, either way.
BASE = LearnerConfig(learning_rate=1e-4, minibatches=2, max_batch_tokens=24, logit_chunk=7)
CONFIGS = {name.value: replace(BASE, estimator=name) for name in Estimator} | {
    f"kl in the {place}": replace(BASE, estimator=Estimator.GRPO, kl=KlConfig(0.1, KlEstimator.K3, place))
    for place in KlPlace
}
SHARDED = {
    name: replace(config, shard=True)
    for name, config in CONFIGS.items()
    if not config.kl.coefficient and not ALGORITHMS[config.estimator].critic
}


def main(out: str, *words: str) -> None:
    """One rank."""
    torch.set_num_threads(1)
    with open_ranks() as ranks:
        configs = SHARDED if "shard" in words else CONFIGS
        ends = {f"{name}/{kind}": end for name, config in configs.items() for kind, end in both(config, ranks)}
        if ranks.leads:
            torch.save(ends, out)


def both(config: LearnerConfig, ranks: Ranks) -> Iterator[tuple[str, list[torch.Tensor]]]:
    """The weights at the end, full and of an adapter."""
    yield "full", trained(tiny_model("llama"), config, ranks)
    torch.manual_seed(3)
    adapted = get_peft_model(tiny_model("qwen2"), LoraConfig(r=4, target_modules="all-linear")).eval()
    yield "lora", trained(adapted, config, ranks)


def trained(model: torch.nn.Module, config: LearnerConfig, ranks: Ranks) -> list[torch.Tensor]:
    """The weights after STEPS steps, a step with one sample, and one with nothing to learn."""
    samples = with_engine_logprobs(model, [sample for seed in range(2) for sample in rollouts(seed)])
    frozen = tiny_model("llama") if config.kl.coefficient else None
    critic = policy_of(tiny_model("llama", seed=1)) if ALGORITHMS[config.estimator].critic else None
    learner = Learner(policy_of(model), config, ModelConfig(), 64, start=frozen, critic=critic, ranks=ranks)
    for step in range(STEPS):
        credited = told(learner, samples, step, ranks)
        learner.step(credited)
    learner.step(credited[:1])
    learner.step([replace(credited[0], weight=0.0)])
    with learner.gathered():
        return [weight.detach().clone() for weight in model.parameters() if weight.requires_grad]


def told(learner: Learner, samples: list[Sample], step: int, ranks: Ranks) -> list[Sample]:
    """The samples with rank 0's advantages, as in a run."""
    if not ranks.leads:
        heard: list[Sample] = ranks.hear()
        return heard
    dice = torch.Generator().manual_seed(step)
    outcomes = [
        Outcome(float(torch.randint(0, 2, (), generator=dice)), "s", sample.prompt_ids, baseline=0.5)
        for sample in samples
    ]
    credited = learner.credit(samples, outcomes)
    ranks.tell(credited)
    return credited


main(*sys.argv[1:])
