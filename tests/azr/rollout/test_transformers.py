"""The transformers engine against plain forward passes of the same model."""

import random
from collections.abc import Sequence

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import MistralConfig, MistralForCausalLM

from azr.errors import UserError
from azr.policy.model import Policy
from azr.rollout import Completion, Request, TransformersEngine
from tests.azr.rollout.tiny import FAMILIES, tiny_model, tiny_policy

torch.set_num_threads(1)


def prompts(count: int = 6, seed: int = 0) -> list[tuple[int, ...]]:
    """Two groups with a common head, one prompt that is another's beginning, one twice, and loners."""
    pick = random.Random(seed)

    def tokens(length: int) -> tuple[int, ...]:
        return tuple(pick.randrange(1, 257) for _ in range(length))

    heads = tokens(40), tokens(25)
    grouped = [heads[i % 2] + tokens(pick.randint(1, 50)) for i in range(count)]
    return [*grouped, heads[0], grouped[0], tokens(1), tokens(60)]


def requests(**settings: float) -> list[Request]:
    pick = random.Random(1)
    return [
        Request(prompt, n=pick.choice([1, 1, 3, 4]), max_tokens=pick.randint(1, 40), seed=i, **settings)
        for i, prompt in enumerate(prompts())
    ]


def tokens_of(outputs: Sequence[Sequence[Completion]]) -> list[list[tuple[int, ...]]]:
    return [[completion.token_ids for completion in completions] for completions in outputs]


@torch.no_grad()
def reference_logprobs(policy: Policy, request: Request, completion: Completion) -> torch.Tensor:
    ids = torch.tensor([request.prompt_ids + completion.token_ids])
    logits = policy.model(input_ids=ids).logits[0, len(request.prompt_ids) - 1 : -1]
    logprobs = (logits / (request.temperature or 1.0)).log_softmax(-1)
    return logprobs.gather(-1, torch.tensor(completion.token_ids)[:, None])[:, 0]


@pytest.mark.parametrize("budget", [32768, 400])
@pytest.mark.parametrize("family", FAMILIES)
def test_logprobs_are_those_of_separate_forward_passes(family: str, budget: int) -> None:
    policy = tiny_policy(family)
    asked = requests(temperature=0.8)
    for request, completions in zip(asked, TransformersEngine(policy, budget).generate(asked), strict=True):
        assert len(completions) == request.n
        for completion in completions:
            expected = reference_logprobs(policy, request, completion)
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_greedy_tokens_are_those_of_generate(family: str) -> None:
    policy = tiny_policy(family)
    outputs = TransformersEngine(policy, 32768).generate(
        [Request(prompt, max_tokens=24, temperature=0.0) for prompt in prompts()]
    )
    for prompt, (completion,) in zip(prompts(), outputs, strict=True):
        whole = policy.model.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0].tolist()
        assert list(completion.token_ids) == whole[len(prompt) :]


def test_samples_do_not_depend_on_the_rest_of_the_batch() -> None:
    asked = requests()
    together = tokens_of(TransformersEngine(tiny_policy(), 32768).generate(asked))
    cramped = tokens_of(TransformersEngine(tiny_policy(), 250).generate(asked))
    alone = [tokens_of(TransformersEngine(tiny_policy(), 32768).generate([request]))[0] for request in asked]
    assert together == cramped == alone


def test_samples_of_a_request_differ_and_seeds_matter() -> None:
    engine = TransformersEngine(tiny_policy(), 32768)
    request = Request(prompts()[0], n=6, max_tokens=12, temperature=1.5)
    ((*samples,),) = tokens_of(engine.generate([request]))
    assert len(set(samples)) == 6
    other = Request(request.prompt_ids, n=6, max_tokens=12, temperature=1.5, seed=1)
    assert tokens_of(engine.generate([other])) != [samples]


def test_a_sample_ends_at_the_end_token_a_stop_string_or_the_limit() -> None:
    policy = tiny_policy()
    plain = Request(prompts()[0], n=32, max_tokens=40, temperature=2.0)
    stopped = Request(prompts()[0], n=32, max_tokens=40, temperature=2.0, stop=("e", "\n"))
    ends = {"end token": 0, "stop": 0, "limit": 0}
    for request, completions in zip(
        [plain, stopped], TransformersEngine(policy, 8192).generate([plain, stopped]), strict=True
    ):
        for completion in completions:
            whole = policy.tokenizer.decode(completion.token_ids, skip_special_tokens=True)
            hit = next((stop for stop in request.stop if whole.endswith(stop)), None)
            ended = completion.token_ids[-1] == 0
            assert 0 not in completion.token_ids[:-1]
            assert completion.text == whole.removesuffix(hit or "")
            assert not any(stop in completion.text for stop in request.stop)
            assert completion.truncated == (not ended and hit is None)
            assert len(completion.token_ids) == len(completion.logprobs)
            if completion.truncated:
                assert len(completion.token_ids) == 40
            ends["end token" if ended else "stop" if hit else "limit"] += 1
    assert all(ends.values()), ends


def test_each_request_is_reported_once_when_its_last_sample_ended() -> None:
    asked = requests()
    reported: list[tuple[int, list[Completion]]] = []
    outputs = TransformersEngine(tiny_policy(), 500).generate(asked, lambda i, done: reported.append((i, done)))
    assert sorted(i for i, _ in reported) == list(range(len(asked)))
    assert all(outputs[i] == done for i, done in reported)
    assert [i for i, _ in reported] != sorted(i for i, _ in reported)  # as they end, not in the end


def test_weights_are_always_the_current_ones() -> None:
    policy = tiny_policy()
    engine = TransformersEngine(policy, 32768)
    asked = requests(temperature=0.0)
    before = tokens_of(engine.generate(asked))
    with torch.no_grad():
        policy.model.get_input_embeddings().weight.mul_(-1)
    engine.update_weights(policy.model)
    after = tokens_of(engine.generate(asked))
    assert after != before
    assert after == tokens_of(TransformersEngine(policy, 32768).generate(asked))


def test_an_adapter_is_sampled_from_without_being_merged() -> None:
    model = get_peft_model(tiny_model(), LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    policy = Policy(model, tiny_policy().tokenizer, torch.device("cpu"), source="tiny")
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    asked = requests(temperature=0.7)
    for request, completions in zip(asked, TransformersEngine(policy, 32768).generate(asked), strict=True):
        for completion in completions:
            expected = reference_logprobs(policy, request, completion)
            torch.testing.assert_close(torch.tensor(completion.logprobs), expected, atol=2e-5, rtol=1e-5)
    assert all(torch.equal(weights[name], weight) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was_even_after_an_error(training: bool) -> None:
    policy = tiny_policy()
    policy.model.train(training)
    policy.model.gradient_checkpointing_enable()

    def fail(index: int, completions: list[Completion]) -> None:
        raise RuntimeError("the callback's own")

    with pytest.raises(RuntimeError, match="the callback's own"):
        TransformersEngine(policy, 32768).generate(requests(), fail)
    assert policy.model.training is training
    assert policy.model.is_gradient_checkpointing
    assert policy.model.config._attn_implementation == "sdpa"
    ids = torch.tensor([prompts()[0]])
    policy.model(input_ids=ids, labels=ids).loss.backward()
    assert all(parameter.grad is not None for parameter in policy.model.parameters())


def test_no_requests_no_completions() -> None:
    assert TransformersEngine(tiny_policy(), 32768).generate([]) == []


def test_a_sample_larger_than_the_memory_is_refused_with_the_setting_to_raise() -> None:
    with pytest.raises(UserError, match="max_batch_tokens"):
        TransformersEngine(tiny_policy(), 100).generate([Request((1, 2, 3), max_tokens=200)])


def test_a_sliding_window_is_refused_only_where_it_would_matter() -> None:
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=257, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, sliding_window=32, eos_token_id=0,
    )  # fmt: skip
    policy = Policy(MistralForCausalLM(config).eval(), tiny_policy().tokenizer, torch.device("cpu"), source="tiny")
    engine = TransformersEngine(policy, 32768)
    assert engine.generate([Request((1, 2, 3), max_tokens=8)])
    with pytest.raises(UserError, match="sliding window"):
        engine.generate([Request(tuple(range(1, 41)), max_tokens=8)])
