"""Tokens follow the distribution they are drawn from, and their log-probabilities are what the protocol says."""

import pytest
import torch

from azr.rollout.sampling import sample, uniforms

DRAWS = 40_000
LOGITS = torch.tensor([2.0, 1.0, 0.5, -1.0, -torch.inf])


def draw(temperature: float, top_p: float, draws: int = DRAWS) -> tuple[torch.Tensor, torch.Tensor]:
    return sample(
        LOGITS.repeat(draws, 1),
        torch.full((draws,), temperature),
        torch.full((draws,), top_p),
        torch.from_numpy(uniforms(seed=3, sample=0, count=draws)),
    )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_tokens_follow_the_softmax(temperature: float) -> None:
    ids, _ = draw(temperature, top_p=1.0)
    shares = torch.bincount(ids, minlength=5) / DRAWS
    torch.testing.assert_close(shares, (LOGITS / temperature).softmax(-1), atol=0.01, rtol=0)
    assert shares[4] == 0


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_logprobs_are_under_the_tempered_softmax_without_the_cut(temperature: float) -> None:
    ids, logprobs = draw(temperature, top_p=0.6, draws=50)
    torch.testing.assert_close(logprobs, (LOGITS / temperature).log_softmax(-1)[ids])


def test_temperature_zero_takes_the_likeliest_at_temperature_one() -> None:
    ids, logprobs = draw(0.0, top_p=0.5, draws=10)
    assert ids.tolist() == [0] * 10
    torch.testing.assert_close(logprobs, LOGITS.log_softmax(-1)[ids])


def test_top_p_keeps_the_fewest_tokens_that_reach_it() -> None:
    probabilities = LOGITS.softmax(-1)  # 0.61, 0.22, 0.14, 0.03, 0
    ids, _ = draw(1.0, top_p=0.7)
    shares = torch.bincount(ids, minlength=5) / DRAWS
    kept = probabilities[:2] / probabilities[:2].sum()
    torch.testing.assert_close(shares[:2], kept, atol=0.01, rtol=0)
    assert shares[2:].sum() == 0


def test_a_tiny_top_p_still_leaves_one_token() -> None:
    assert draw(1.0, top_p=1e-6, draws=20)[0].tolist() == [0] * 20


def test_rows_with_different_settings_share_a_batch() -> None:
    ids, logprobs = sample(
        LOGITS.repeat(3, 1),
        torch.tensor([0.0, 1.0, 1.0]),
        torch.tensor([1.0, 0.5, 1.0]),
        torch.tensor([0.99, 0.99, 0.99]),
    )
    assert ids.tolist() == [0, 0, 3]
    torch.testing.assert_close(logprobs, LOGITS.log_softmax(-1)[ids])


def test_numbers_depend_on_seed_and_sample_alone() -> None:
    assert uniforms(1, 2, 8).tolist() == uniforms(1, 2, 16)[:8].tolist()
    streams = {tuple(uniforms(seed, index, 4)) for seed in (0, 1, -1, 2**63) for index in range(4)}
    assert len(streams) == 16
