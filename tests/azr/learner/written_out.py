"""Every objective written out once more, a row a response, with nothing of azr's learner: what that is held to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from azr.learner import Sample

BUDGET = 1024  # dr_grpo's constant


@dataclass(frozen=True)
class Row:
    """A response of n tokens: [n] each."""

    logprobs: Tensor  # differentiable
    entropies: Tensor  # differentiable
    old: Tensor
    start: Tensor
    engine: Tensor
    advantage: Tensor
    weight: float

    @property
    def ratio(self) -> Tensor:
        return torch.exp(self.logprobs - self.old)

    @property
    def trust(self) -> Tensor:
        """Truncated at the default cap."""
        return torch.minimum(torch.exp(self.old - self.engine), torch.tensor(2.0))


def distribution(model: torch.nn.Module, sample: Sample) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies [n] of a response's tokens, from a row of it alone."""
    row = torch.tensor([sample.prompt_ids + sample.response_ids])
    logits = model(input_ids=row, use_cache=False).logits[0].float() / sample.temperature
    every = torch.log_softmax(logits, dim=-1)[len(sample.prompt_ids) - 1 : -1]
    chosen = every[torch.arange(len(every)), torch.tensor(sample.response_ids)]
    return chosen, -(every.exp() * every).sum(-1)


def rows(
    model: torch.nn.Module,
    samples: Sequence[Sample],
    old: torch.nn.Module,
    start: torch.nn.Module | None = None,
) -> list[Row]:
    """One row a sample; `old` and `start` are the model before the step and before the run."""
    result = []
    for sample in samples:
        logprobs, entropies = distribution(model, sample)
        with torch.no_grad():
            before = distribution(old, sample)[0]
            first = distribution(start, sample)[0] if start else before
        given = sample.credit.advantages if sample.credit else [sample.advantage] * len(logprobs)
        engine = torch.tensor(sample.engine_logprobs)
        result.append(Row(logprobs, entropies, before, first, engine, torch.tensor(given), sample.weight))
    return result


def ppo_gain(row: Row, low: float = 0.2, high: float = 0.2, ratio: Tensor | None = None) -> Tensor:
    r = row.ratio if ratio is None else ratio
    bounded = torch.where(r > 1 + high, 1 + high, torch.where(r < 1 - low, 1 - low, r))
    return torch.minimum(r * row.advantage, bounded * row.advantage)


def token_mean(values: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(values)).sum() / sum(len(value) for value in values)


def mean_of_means(values: Sequence[Tensor]) -> Tensor:
    return torch.stack([value.mean() for value in values]).mean()


def mean_of_sums(values: Sequence[Tensor]) -> Tensor:
    return torch.stack([value.sum() for value in values]).mean()


def over_budget(values: Sequence[Tensor]) -> Tensor:
    return mean_of_sums(values) / BUDGET


def clipped_token_mean(given: Sequence[Row]) -> Tensor:
    return -token_mean([ppo_gain(row) * row.trust for row in given])


def grpo(given: Sequence[Row]) -> Tensor:
    return -mean_of_means([ppo_gain(row) * row.trust for row in given])


def dr_grpo(given: Sequence[Row]) -> Tensor:
    return -over_budget([ppo_gain(row) * row.trust for row in given])


def whole_response(given: Sequence[Row]) -> Tensor:
    return -mean_of_sums([ppo_gain(row) * row.trust for row in given])


def dapo(given: Sequence[Row]) -> Tensor:
    return -token_mean([ppo_gain(row, 0.2, 0.28) * row.trust for row in given])


def gspo(given: Sequence[Row], low: float = 3e-4, high: float = 4e-4) -> Tensor:
    gains = []
    for row in given:
        ratio = (row.ratio.prod() ** (1 / len(row.logprobs))).expand(len(row.logprobs))
        gains.append(ppo_gain(row, low, high, ratio))
    return -mean_of_means(gains)


def gspo_token(given: Sequence[Row], low: float = 0.05, high: float = 0.05) -> Tensor:
    gains = []
    for row in given:
        ratio = (
            (row.ratio.prod() ** (1 / len(row.logprobs))).detach() * row.logprobs.exp() / row.logprobs.exp().detach()
        )
        gains.append(ppo_gain(row, low, high, ratio) * row.trust)
    return -mean_of_means(gains)


def cispo(given: Sequence[Row], cap: float = 5.0) -> Tensor:
    gains = [torch.minimum(row.ratio, torch.tensor(cap)).detach() * row.advantage * row.logprobs for row in given]
    return -token_mean([gain * row.trust for gain, row in zip(gains, given, strict=True)])


def dual_clip(given: Sequence[Row], c: float = 1.3) -> Tensor:
    gains = []
    for row in given:
        gain = ppo_gain(row)
        floor = c * row.advantage
        gains.append(torch.where((row.advantage < 0) & (gain < floor), floor, gain) * row.trust)
    return -mean_of_means(gains)


def with_kl(estimate: Callable[[Tensor], Tensor], coefficient: float) -> Callable[[Sequence[Row]], Tensor]:
    """GRPO with a KL term; `estimate` is given log π - log π_start."""

    def loss(given: Sequence[Row]) -> Tensor:
        return grpo(given) + coefficient * mean_of_means([estimate(row.logprobs - row.start) for row in given])

    return loss


def with_entropy(coefficient: float) -> Callable[[Sequence[Row]], Tensor]:
    def loss(given: Sequence[Row]) -> Tensor:
        return clipped_token_mean(given) - coefficient * token_mean([row.entropies for row in given])

    return loss


def masked_sequences(cap: float) -> Callable[[Sequence[Row]], Tensor]:
    def loss(given: Sequence[Row]) -> Tensor:
        kept = [float(torch.exp((row.old - row.engine).sum()) <= cap) for row in given]
        assert 0 < sum(kept) < len(kept)
        return -mean_of_means([ppo_gain(row) * row.trust * keep for row, keep in zip(given, kept, strict=True)])

    return loss


def weighted_roles(given: Sequence[Row]) -> Tensor:
    return -token_mean([row.weight * ppo_gain(row) * row.trust for row in given])
