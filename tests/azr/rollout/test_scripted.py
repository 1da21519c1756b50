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
