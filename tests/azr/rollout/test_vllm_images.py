"""vLLM on a small image-text model of random weights, against our own engine and plain forward passes."""

from collections.abc import Iterator

import pytest
import torch

from azr.config.fields import EngineChoice, ModelConfig, Precision, RolloutConfig, VllmConfig
from azr.policy.image_text import load_image_policy
from azr.policy.model import Policy
from azr.rollout import Engine, open_engine
from azr.rollout.image_text import ImageTextEngine
from tests.azr.evaluation.pictures import drawn
from tests.azr.rollout.test_image_text import asked, logprobs_of
from tests.azr.rollout.tiny_images import tiny_idefics, written

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

BARS = [drawn(number % 5, (40 + 8 * number, 32)) for number in range(12)]
LIMITED = VllmConfig(enforce_eager=True, max_sequences=5, max_batched_tokens=1500)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    folder = written(tiny_idefics(), tmp_path_factory.mktemp("idefics"))
    return load_image_policy(ModelConfig(name=str(folder), precision=Precision.FP32, device="cpu"))


@pytest.fixture(scope="module")
def engine(policy: Policy) -> Iterator[Engine]:
    pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    engine = open_engine(policy, RolloutConfig(engine=EngineChoice.VLLM, vllm=LIMITED), max_tokens=512)
    yield engine
    engine.close()


def test_both_engines_say_the_same_of_an_image(policy: Policy, engine: Engine) -> None:
    """More requests than vLLM is told of at once, one of them without an image."""
    requests = [asked(policy, image, temperature=0.0, max_tokens=16) for image in BARS]
    requests.insert(4, asked(policy, temperature=0.0, max_tokens=16))
    told: list[int] = []
    theirs = engine.generate(requests, lambda i, completions: told.append(i))
    ours = ImageTextEngine(policy, 32768).generate(requests)
    assert sorted(told) == list(range(13))
    same = sum(a[0].token_ids == b[0].token_ids for a, b in zip(theirs, ours, strict=True))
    assert same >= 12
    assert len({a[0].token_ids for a in theirs}) > 1


def test_logprobs_are_those_of_the_tempered_softmax(policy: Policy, engine: Engine) -> None:
    requests = [asked(policy, BARS[1], n=4, temperature=0.7, seed=1), asked(policy, BARS[2], n=2, seed=2)]
    for request, completions in zip(requests, engine.generate(requests), strict=True):
        assert len(completions) == request.n
        for completion in completions:
            expected = logprobs_of(policy, request, completion)
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-2, rtol=0)


def test_seeds_decide_the_samples(policy: Policy, engine: Engine) -> None:
    requests = [asked(policy, BARS[3], n=4, temperature=1.2, seed=seed) for seed in (0, 1)]
    first = engine.generate(requests)
    assert [[c.token_ids for c in cs] for cs in engine.generate(requests)] == [
        [c.token_ids for c in cs] for cs in first
    ]
    assert len({completion.token_ids for completions in first for completion in completions}) == 8
