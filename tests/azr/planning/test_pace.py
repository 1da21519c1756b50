"""What a step's time follows from. Nothing here knows how fast a card really is."""

import math
from pathlib import Path

import pytest

from azr.config.settings import load_config
from azr.planning.pace import SPEEDS, Assumptions, Pace, plan_pace
from azr.policy.shape import read_shape

CONFIGS = Path(__file__).parents[3] / "configs"


def pace(name: str, size: int, *changes: str, assumed: Assumptions | None = None) -> Pace:
    config = load_config(CONFIGS / f"{name}.yaml", changes)
    return plan_pace(config, read_shape(config.model), size, assumed)


def test_decoding_is_what_the_memory_can_read() -> None:
    """By hand: 192 proposals of 600 tokens at once, 600 steps, each of which reads all weights and all caches."""
    shape = read_shape(load_config(CONFIGS / "qwen2.5-coder-7b.yaml").model)
    cache = 2 * 28 * 4 * 128 * 2
    adapter = 161_480_704  # of rank 64, (in + out) × 64 of each linear layer
    assert shape.num_hidden_layers == 28
    read = 2 * (7_615_616_512 + adapter) + 192 * (1500 + 300) * cache
    expected = 600 * (read / (0.6 * SPEEDS[80][1]) + 0.003)
    assert pace("qwen2.5-coder-7b", 80).propose == pytest.approx(expected, rel=1e-6)


def test_an_adapter_learns_in_fewer_products_and_checkpointing_in_more() -> None:
    lora = pace("qwen2.5-coder-7b", 80).learn
    assert lora < pace("qwen2.5-coder-7b", 80, "model.lora.rank=0").learn
    assert pace("qwen2.5-coder-7b", 80, "model.gradient_checkpointing=false").learn == pytest.approx(
        lora * (4 + 4 / 3) / (6 + 4 / 3)
    )


def test_a_tail_ends_at_the_limit() -> None:
    assert pace("qwen2.5-coder-7b", 80, "solver.max_tokens=1000", "propose.max_tokens=600").tail == 0


def test_a_tail_that_is_cut_ends_at_so_many_times_the_length_of_a_share() -> None:
    """Half of exponential lengths are within ln 2 of their mean; a rule that cuts beyond the limit changes nothing."""
    whole, cut = (
        pace("qwen2.5-coder-7b", 80, "rollout.tail.factor=2", f"rollout.tail.quantile={share}") for share in (1, 0.5)
    )
    tokens = 2 * 8096 - 600 - 1000
    assert cut.tail == pytest.approx(whole.tail * (2 * math.log(2) - 1) * 1600 / tokens)
    assert cut.total - cut.tail == pytest.approx(whole.total - whole.tail)
    assert pace("qwen2.5-coder-7b", 80, "rollout.tail.factor=100", "rollout.tail.quantile=0.5").tail == whole.tail


def test_an_adapter_on_7b_keeps_the_bar_of_four_minutes_by_the_rule_alone() -> None:
    assert pace("qwen2.5-coder-7b", 80).total < 240 < pace("qwen2.5-coder-7b", 80, "rollout.tail.quantile=1").total


def test_the_hosts_optimizer_costs_time() -> None:
    card, host = (
        pace("qwen2.5-coder-7b-full", 80, f"learner.optimizer_on_host={place}") for place in ("false", "true")
    )
    assert host.learn - card.learn == pytest.approx(3 * 7_615_616_512 * (6 / 12e9 + 28 / 1e11))
