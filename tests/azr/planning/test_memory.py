"""The plans of configs: published sizes, what is counted against what autograd keeps, and what can't fit."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from azr.config.fields import AttentionKernel, Config, LoraConfig, ModelConfig, Precision
from azr.config.settings import load_config
from azr.errors import UserError
from azr.learner.attention import tree_attention, tree_mask
from azr.planning.activations import count_activations
from azr.planning.machine import CARDS, Machine, card_of
from azr.planning.memory import MemoryPlan, plan_for, plan_memory
from azr.policy.model import load_policy
from azr.policy.shape import known_shapes, read_shape, without_memory
from tests.azr.players import tiny_config

CONFIGS = Path(__file__).parents[3] / "configs"
HOST = Machine("a host", 64e9, card=False)


def plan(name: str, size: int | None, *changes: str) -> MemoryPlan:
    config = load_config(CONFIGS / f"{name}.yaml", changes)
    return plan_for(config, read_shape(config.model), size)


@pytest.mark.parametrize(
    ("name", "billions"),  # of parameters, as their makers publish them
    [
        ("Qwen/Qwen2.5-Coder-1.5B", 1.54),
        ("Qwen/Qwen2.5-Coder-3B", 3.09),
        ("Qwen/Qwen2.5-Coder-7B", 7.61),
        ("Qwen/Qwen2.5-7B", 7.61),
        ("Qwen/Qwen2.5-Math-7B", 7.61),
        ("Qwen/Qwen2.5-Coder-14B", 14.7),
        ("meta-llama/Llama-3.1-8B", 8.03),
        ("Qwen/Qwen3-4B-Base", 4.0),
    ],
)
def test_known_shapes_have_the_published_sizes(name: str, billions: float) -> None:
    config = ModelConfig(name=name)
    model = without_memory(read_shape(config), config)
    assert sum(weight.numel() for weight in model.parameters()) / 1e9 == pytest.approx(billions, rel=0.01)
    assert all(weight.is_meta and weight.dtype == torch.bfloat16 for weight in model.parameters())


def test_the_table_has_every_model_that_a_config_names() -> None:
    named = {load_config(path).model.name for path in CONFIGS.glob("*.yaml")}
    assert {name for name in named if "/" in name} <= set(known_shapes())


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*b*.yaml")), ids=lambda path: path.stem)
def test_every_config_fits_the_card_that_it_says_it_is_for(path: Path) -> None:
    written_for = re.search(r"n one (\d+) GB GPU", path.read_text())
    if not written_for:
        pytest.skip("a config for a processor")
    planned = plan(path.stem, int(written_for[1]))
    planned.check()
    assert planned.cached_tokens > 2 * planned.longest


@pytest.mark.parametrize("rank", [0, 4], ids=["full", "lora"])
def test_what_is_counted_is_what_autograd_keeps(model: Path, rank: int) -> None:
    """The tiny model's own forward pass over the row that sees most, against the count without memory."""
    config = ModelConfig(
        name=str(model), precision=Precision.FP32, device="cpu", gradient_checkpointing=False, lora=LoraConfig(rank)
    )
    policy = load_policy(config)
    tokens = 300
    kept: dict[int, torch.UntypedStorage] = {}
    own = {tensor.untyped_storage().data_ptr() for tensor in (*policy.model.parameters(), *policy.model.buffers())}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    row = torch.zeros(1, tokens, dtype=torch.long)
    mask = tree_mask(AttentionKernel.DENSE, torch.full((tokens,), tokens))
    mask.biases(3, torch.float32)
    own |= {bias.untyped_storage().data_ptr() for bias in mask.biases(3, torch.float32)}
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with tree_attention(policy.base.config, AttentionKernel.DENSE), hooks:
        policy.model.train()
        policy.base.base_model(input_ids=row, position_ids=torch.arange(tokens)[None], use_cache=False, tree=mask)
    counted = count_activations(read_shape(config), config, tokens, on_processor=True)
    assert counted.kept == pytest.approx(sum(storage.nbytes() for storage in kept.values()), rel=0.05)
    assert counted.masks == pytest.approx(
        sum(bias.nbytes for bias in mask.biases(3, torch.float32)) + sum(b.mask.nbytes for b in mask.blocks), rel=0.01
    )


def test_checkpointing_keeps_less_and_works_with_more(model: Path) -> None:
    shape = read_shape(ModelConfig(name=str(model)))
    plain, again = (
        count_activations(shape, ModelConfig(name=str(model), gradient_checkpointing=on), 512, on_processor=True)
        for on in (False, True)
    )
    assert again.kept < plain.kept / 3
    assert again.working > plain.working


@pytest.mark.parametrize(("rank", "tokens"), [(1, 64), (8, 2048), (0, 500)])
def test_more_of_anything_never_takes_less(model: Path, rank: int, tokens: int) -> None:
    config = tiny_config(model)
    shape = read_shape(config.model)

    def peak(rank: int, tokens: int) -> float:
        learner = replace(config.learner, max_batch_tokens=tokens)
        changed = replace(config, model=replace(config.model, lora=LoraConfig(rank)), learner=learner)
        return plan_memory(changed, shape, HOST).learning

    assert peak(rank, tokens) < peak(rank, tokens + 128)
    assert not rank or peak(rank, tokens) < peak(rank + 1, tokens)


def test_a_critic_and_a_reference_are_counted() -> None:
    config = load_config(CONFIGS / "quickstart.yaml")
    shape = read_shape(config.model)

    def names(changed: Config) -> dict[str, float]:
        return {part.name: part.generating for part in plan_memory(changed, shape, HOST).parts}

    plain = names(config)
    kl = names(replace(config, learner=replace(config.learner, kl=replace(config.learner.kl, coefficient=0.1))))
    assert set(kl) - set(plain) == {"the starting weights"}
    assert kl["the starting weights"] == plain["weights"]
    ppo = names(load_config(CONFIGS / "quickstart.yaml", ["learner.estimator=ppo"]))
    assert set(ppo) - set(plain) == {"the critic"}
    assert ppo["the critic"] == 3 * plain["weights"]


def test_a_rank_has_its_part_of_what_is_in_shards() -> None:
    config = load_config(CONFIGS / "quickstart.yaml", ["rollout.engine=transformers"])
    sharded = replace(config, learner=replace(config.learner, shard=True))
    shape = read_shape(config.model)
    (whole, _), (quarter, rest) = (
        ({part.name: part.learning for part in planned.parts}, planned)
        for planned in (plan_memory(config, shape, HOST), plan_memory(sharded, shape, HOST, ranks=4))
    )
    for name, of_it in (("weights", "the weights"), ("AdamW's two moments",) * 2, ("gradients", "the gradients")):
        assert quarter[f"shards of {of_it}"] == whole[name] / 4
    sampled_from = {part.name: part.generating for part in rest.parts}["gathered weights"]
    assert sampled_from > whole["weights"] > quarter["gathered weights"]
    with pytest.raises(UserError, match="--ranks"):
        plan_memory(sharded, shape, HOST)


def test_ranks_of_one_engine_share_its_weights_and_its_cache() -> None:
    alone, shared = (
        plan("qwen2.5-coder-7b", 80, "rollout.engine=vllm", f"rollout.vllm.tensor_parallel_size={size}")
        for size in (1, 2)
    )
    assert shared.cached_tokens > 2 * alone.cached_tokens
    assert shared.peak == alone.peak  # a share of the card is a share


def test_seven_billion_parameters_trained_whole_do_not_fit_beside_their_moments() -> None:
    with pytest.raises(UserError, match=r"needs 1\d\d\.\d GB .*moments 60\.9 \(.*model\.lora\.rank") as told:
        plan("qwen2.5-coder-7b", 80, "model.lora.rank=0").check()
    assert "\n" not in str(told.value)


def test_a_share_without_room_for_one_sample_is_refused() -> None:
    with pytest.raises(UserError, match=r"cache holds .* raise rollout\.vllm\.gpu_memory_utilization"):
        plan("qwen2.5-coder-14b", 80, "rollout.vllm.gpu_memory_utilization=0.4").check()


def test_where_no_card_is_the_smallest_that_holds_a_config_is_planned_for() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a card, which is planned for")
    planned = plan("qwen2.5-coder-14b", None)
    assert planned.machine == card_of(80)
    assert planned.fits


@pytest.mark.parametrize("size", CARDS)
def test_cards_are_as_large_as_they_are_called(size: int) -> None:
    assert card_of(size).memory == pytest.approx(size * 2**30, rel=0.08)


def test_a_card_of_another_size_is_refused() -> None:
    with pytest.raises(UserError, match="24, 48, 80, 141"):
        card_of(12)
