"""The scripted engine behaves as an engine does, but for where the text comes from."""

import pytest
import torch

from azr.rollout.engine import Request
from azr.rollout.scripted import ScriptedEngine
from tests.azr.rollout.tiny import tiny_policy


def test_it_answers_by_prompt_and_sample() -> None:
    policy = tiny_policy()
    engine = ScriptedEngine(policy, lambda prompt, sample: f"{prompt}:{sample}")
    asked = [Request(tuple(policy.tokenizer(text)["input_ids"]), n=2) for text in ("one", "two")]
    reported = []
    outputs = engine.generate(asked, lambda i, done: reported.append((i, done)))
    assert [[c.text for c in completions] for completions in outputs] == [["one:0", "one:1"], ["two:0", "two:1"]]
    assert reported == list(enumerate(outputs))


@pytest.mark.parametrize(
    ("max_tokens", "stop", "text", "truncated"),
    [
        (64, (), "abc\n\nd", False),
        (64, ("\n\n",), "abc", False),
        (5, ("\n\n",), "abc", False),
        (3, ("\n",), "abc", True),
    ],
)
def test_it_ends_where_the_request_says(max_tokens: int, stop: tuple[str, ...], text: str, truncated: bool) -> None:
    policy = tiny_policy()
    request = Request((5, 6), max_tokens=max_tokens, stop=stop)
    ((completion,),) = ScriptedEngine(policy, lambda prompt, sample: "abc\n\nd").generate([request])
    assert (completion.text, completion.truncated) == (text, truncated)
    assert len(completion.token_ids) <= max_tokens
    assert (completion.token_ids[-1] == 0) == (not stop)


def test_logprobs_are_the_models() -> None:
    policy = tiny_policy()
    request = Request((5, 6, 7), temperature=0.5)
    ((completion,),) = ScriptedEngine(policy, lambda prompt, sample: "xyz").generate([request])
    logits = policy.model(torch.tensor([request.prompt_ids + completion.token_ids])).logits[0]
    for i, (token, logprob) in enumerate(zip(completion.token_ids, completion.logprobs, strict=True)):
        assert logprob == pytest.approx((logits[2 + i] / 0.5).log_softmax(-1)[token].item(), abs=1e-5)


@torch.no_grad()
def test_every_samples_logprobs_are_those_of_a_pass_of_its_own() -> None:
    policy = tiny_policy()
    prompts = [range(5, 45), range(5, 7), [9]]
    requests = [Request(tuple(prompt), n=3, temperature=0.8) for prompt in prompts]
    outputs = ScriptedEngine(policy, lambda prompt, sample: "ab" * (3 - sample)).generate(requests)
    for request, completions in zip(requests, outputs, strict=True):
        for completion in completions:
            ids = torch.tensor([[*request.prompt_ids, *completion.token_ids]])
            logits = policy.model(input_ids=ids).logits[0, len(request.prompt_ids) - 1 : -1]
            expected = (logits / 0.8).log_softmax(-1).gather(-1, torch.tensor(completion.token_ids)[:, None])[:, 0]
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-5, rtol=0)
