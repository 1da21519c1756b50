"""Prompts that share a head, and what a plain forward pass says of the answers to them."""

import torch

from azr.policy.model import Policy, encode_prompt
from azr.rollout import Completion, Request
from tasks.triplet import Prompt


def prompt_ids(policy: Policy, number: int) -> tuple[int, ...]:
    """Functions of different length with a common head, each open at its end."""
    head = "# Small functions, and what they give.\n\ndef f(text):\n    return text.upper()\n\n>>> f('ab')\n'AB'\n\n"
    body = "".join(f"    total += x * {number + line}\n" for line in range(number % 7))
    text = f"{head}def f(x):\n    total = {number}\n{body}    return total\n\n>>> f({number % 5})\n"
    return encode_prompt(policy, Prompt(text), chat=False)


@torch.no_grad()
def reference_logprobs(model: torch.nn.Module, request: Request, completion: Completion) -> torch.Tensor:
    ids = torch.tensor([request.prompt_ids + completion.token_ids])
    logits = model(input_ids=ids).logits[0, len(request.prompt_ids) - 1 : -1]
    logprobs = (logits / (request.temperature or 1.0)).log_softmax(-1)
    return logprobs.gather(-1, torch.tensor(completion.token_ids)[:, None])[:, 0]
