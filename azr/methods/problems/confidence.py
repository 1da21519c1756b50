"""How sure the policy is of each token of its responses, from its whole distributions."""

import math
from collections.abc import Sequence

import torch

from azr.methods.problems.labels import Spread
from azr.policy.model import Policy
from azr.rollout.engine import Completion


@torch.no_grad()
def spreads(
    policy: Policy, prompt_ids: Sequence[int], completions: Sequence[Completion], temperature: float
) -> list[Spread]:
    """Of each response to a prompt, under softmax(logits / temperature): one forward pass a response.

    Entropy is -Σ p log p, certainty KL(uniform, p) = -log V - (1 / V) Σ log p over a vocabulary of V.
    """
    found = []
    for completion in completions:
        ids = torch.tensor([[*prompt_ids, *completion.token_ids]], device=policy.device)
        logits = policy.base(input_ids=ids[:, :-1], logits_to_keep=len(completion.token_ids)).logits[0]
        logprobs = (logits.float() / temperature).log_softmax(dim=-1)
        entropies = -(logprobs.exp() * logprobs).sum(dim=-1)
        certainties = -math.log(logprobs.shape[-1]) - logprobs.mean(dim=-1)
        found.append(Spread(float(entropies.mean()), float(certainties.mean())))
    return found
