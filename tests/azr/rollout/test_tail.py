"""The rule for a call's last samples: what it cuts, and that it leaves everything else as it was."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from azr.config.fields import TailConfig
from azr.rollout import Completion, Request, TransformersEngine
from azr.rollout.tail import Tail
from tests.azr.rollout.tiny import tiny_policy

torch.set_num_threads(1)

RULE = TailConfig(quantile=0.6, factor=1.2)


def requests(may_be_cut: bool = True) -> list[Request]:
    return [Request(tuple(range(1 + i, 30 + i)), n=8, max_tokens=120, seed=i, may_be_cut=may_be_cut) for i in range(5)]


def sampled(rule: TailConfig, asked: Sequence[Request], budget: int = 32768) -> list[Completion]:
    """By a model that ends a text with any of some tokens, so that lengths differ."""
    policy = tiny_policy()
    policy.model.generation_config.eos_token_id = [0, *range(100, 106)]
    outputs = TransformersEngine(policy, budget, rule).generate(asked)
    return [completion for completions in outputs for completion in completions]


def test_the_limit_by_hand() -> None:
    """10 samples, 4 of which have to end: 2, 3, 5 and 8 tokens, while three others have 8, 8 and 4 and three wait."""
    request = Request((1,), n=10, may_be_cut=True)
    tail = Tail(TailConfig(quantile=0.4, factor=1.5), [request, replace(request, may_be_cut=False)])
    running = [(request, 8), (request, 8), (request, 4), (replace(request, may_be_cut=False), 1)]
    for length in (2, 3, 5):
        tail.end(request, length)
        tail.end(replace(request, may_be_cut=False), 1)
        tail.settle(running)
        assert tail.limit is None
        assert tail.most(request) == request.max_tokens
    tail.end(request, 8)
    tail.settle(running)
    assert tail.limit == 6  # 2 3 4 | 5 8 8 8: three of seven are 40 %, 1.5 × 4
    assert tail.most(request) == 6
    assert tail.most(replace(request, max_tokens=5)) == 5
    assert tail.most(replace(request, may_be_cut=False)) == request.max_tokens
    tail.end(request, 100)
    tail.settle(running)
    assert tail.limit == 6


def test_nothing_is_cut_where_the_rule_is_off_or_not_meant() -> None:
    plain = sampled(TailConfig(), requests(may_be_cut=False))
    assert sampled(TailConfig(), requests()) == plain
    assert sampled(RULE, requests(may_be_cut=False)) == plain
    assert not any(completion.cut for completion in plain)


def test_what_is_not_cut_is_the_same_to_the_bit_and_what_is_begins_the_same() -> None:
    plain, ruled = sampled(TailConfig(), requests()), sampled(RULE, requests())
    cut = [(before, after) for before, after in zip(plain, ruled, strict=True) if after.cut]
    assert [a for a in ruled if not a.cut] == [b for b, a in zip(plain, ruled, strict=True) if not a.cut]
    by_length = sorted(len(completion.token_ids) for completion in plain)
    limit = -(-by_length[23] * 6 // 5)  # 24 of 40 are 60 %, and all began together
    assert {len(after.token_ids) for _, after in cut} == {limit}
    assert len(cut) == sum(length > limit for length in by_length) > 3
    for before, after in cut:
        assert after.truncated
        assert before.token_ids[:limit] == after.token_ids
        assert before.logprobs[:limit] == after.logprobs


def test_of_samples_that_come_and_go_the_others_are_the_same() -> None:
    """With room for a few at a time; here what has been cut leaves smaller batches, so to rounding."""
    plain, ruled = sampled(TailConfig(), requests(), budget=1200), sampled(RULE, requests(), budget=1200)
    assert 3 < sum(completion.cut for completion in ruled) < 20
    for before, after in zip(plain, ruled, strict=True):
        length = len(after.token_ids)
        assert after.token_ids == before.token_ids[:length]
        assert after.logprobs == pytest.approx(before.logprobs[:length], abs=1e-5)
        assert after.cut == (length < len(before.token_ids))


def test_a_call_with_few_samples_is_never_cut() -> None:
    """Of three the rule waits for all, since two are not 70 % of them."""
    asked = [replace(requests()[0], n=3)]
    assert sampled(TailConfig(quantile=0.7, factor=1.0), asked) == sampled(TailConfig(), asked)
