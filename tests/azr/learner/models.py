"""Tiny random models of the three attention families, and what separate rows give for them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from azr.learner import Sample
from azr.policy.model import Policy

VOCABULARY = 61
FAMILIES = ("llama", "qwen2", "qwen3")

_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": None,
}


def tiny_model(family: str, tied: bool = True, seed: int = 0) -> PreTrainedModel:
    """A model with random weights, large enough in scale that attention is far from uniform."""
    torch.manual_seed(seed)
    sizes = _SIZES | {"tie_word_embeddings": tied, "initializer_range": 0.2}
    match family:
        case "llama":
            model = LlamaForCausalLM(LlamaConfig(**sizes))
        case "qwen2":
            model = Qwen2ForCausalLM(Qwen2Config(**sizes))
        case "qwen3":
            model = Qwen3ForCausalLM(Qwen3Config(head_dim=16, **sizes))
    return model.eval()


def policy_of(model: torch.nn.Module) -> Policy:
    """A policy around the model; the learner never asks for the tokenizer."""
    return Policy(model=model, tokenizer=None, device=torch.device("cpu"), source="")  # type: ignore[arg-type]


def row_logprobs(model: torch.nn.Module, sample: Sample) -> Tensor:
    """Log-probabilities of the response's tokens, from a row of the sample alone through the model as it comes."""
    row = torch.tensor([sample.prompt_ids + sample.response_ids])
    logits = model(input_ids=row, use_cache=False).logits[0].float() / sample.temperature
    logprobs = torch.log_softmax(logits, dim=-1)
    first = len(sample.prompt_ids)
    places = torch.arange(first - 1, row.shape[1] - 1)
    return logprobs[places, row[0, first:]]


def with_engine_logprobs(model: torch.nn.Module, samples: Sequence[Sample], noise: float = 0.1) -> list[Sample]:
    """The samples as an engine would have given them whose log-probabilities are off by some noise."""
    generator = torch.Generator().manual_seed(7)
    result = []
    for sample in samples:
        with torch.no_grad():
            exact = row_logprobs(model, sample)
        engine = exact + noise * torch.randn(exact.shape, generator=generator)
        result.append(
            Sample(sample.prompt_ids, sample.response_ids, tuple(engine.tolist()), sample.advantage, sample.temperature)
        )
    return result


def rollouts(seed: int = 0) -> list[Sample]:
    """Prompts with a common head, one that is a prefix of another, responses alike at first or wholly, and a loner."""
    generator = torch.Generator().manual_seed(seed)

    def tokens(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(0, VOCABULARY, (count,), generator=generator).tolist())

    head = tokens(9)
    prompts = [head + tokens(5), head + tokens(3), head, tokens(4), tokens(1)]
    start = tokens(2)
    samples = []
    for number, prompt in enumerate(prompts):
        for response in (tokens(6), start + tokens(3), start + tokens(1), tokens(1), start, start):
            advantage = float(torch.randn((), generator=generator))
            samples.append(Sample(prompt, response, (0.0,) * len(response), advantage, 1.0 if number % 2 else 0.7))
    return samples
