"""Sampling from the policy: one protocol (engine.py), two engines, and the choice between them."""

import importlib.util

from azr.config.fields import EngineChoice, RolloutConfig
from azr.errors import UserError
from azr.policy.model import Policy
from azr.rollout.engine import Completion, Engine, OnDone, Request
from azr.rollout.image_text import ImageTextEngine
from azr.rollout.transformers import TransformersEngine

__all__ = [
    "Completion",
    "Engine",
    "OnDone",
    "Request",
    "TransformersEngine",
    "choose_engine",
    "open_engine",
]


def choose_engine(choice: EngineChoice) -> EngineChoice:
    """The engine that `auto` stands for here. Raises UserError if vLLM is asked for and not installed."""
    has_vllm = importlib.util.find_spec("vllm") is not None
    if choice is EngineChoice.VLLM and not has_vllm:
        raise UserError("rollout.engine is vllm, which is not installed: run `make vllm`, or set it to transformers")
    if choice is EngineChoice.AUTO:
        return EngineChoice.VLLM if has_vllm else EngineChoice.TRANSFORMERS
    return choice


def open_engine(policy: Policy, config: RolloutConfig, max_tokens: int | None = None) -> Engine:
    """The engine that `config` asks for, sampling from the weights that `policy` has now.

    `max_tokens` is the longest prompt and response together that will be asked for; vLLM plans its memory by it (None:
    the model's own limit). Raises UserError as `choose_engine` does.
    """
    if choose_engine(config.engine) is EngineChoice.VLLM:
        from azr.rollout.vllm import VllmEngine  # heavy, and absent on most machines

        return VllmEngine(policy, config.vllm, max_tokens, config.tail)
    if policy.processor is not None:
        return ImageTextEngine(policy, config.max_batch_tokens)
    return TransformersEngine(policy, config.max_batch_tokens, config.tail)
