"""Ranks of a machine that share one engine, by tensor parallelism: each has a slice of every layer.

What it takes, checked before anything is loaded, and how requests are dealt: to engines, not to ranks. All ranks of an
engine ask it the same in the same order and get all its samples, of which each judges its part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PretrainedConfig

from azr.config.fields import EngineChoice, ModelConfig, RolloutConfig
from azr.errors import UserError
from azr.policy.shape import read_shape
from azr.ranks.group import Ranks, deal_by_size
from azr.rollout import choose_engine
from azr.rollout.engine import Request

_KEYS = "(rollout.vllm.tensor_parallel_size, --tensor-parallel)"
_VOCABULARY_BLOCK = 64  # vLLM pads the vocabulary to a multiple of it


@dataclass(frozen=True)
class Shares:
    """The numbers of the requests that each engine samples, and how many ranks share one."""

    of_engines: Sequence[Sequence[int]]
    size: int

    def sampled(self, rank: int) -> Sequence[int]:
        """What the rank's engine is asked, in this order."""
        return self.of_engines[rank // self.size]

    def kept(self, rank: int) -> Sequence[int]:
        """Of these the rank's own, to judge: each is one rank's."""
        return self.sampled(rank)[rank % self.size :: self.size]


def deal(requests: Sequence[Request], ranks: Ranks, size: int) -> Shares:
    """Requests for the engines of `ranks`, `size` ranks each: the most tokens first, each to who has least."""
    return Shares(deal_by_size([request.n * request.max_tokens for request in requests], ranks.size // size), size)


def check_tensor_parallel(config: RolloutConfig, model: ModelConfig) -> None:
    """Raises UserError where the engine or the model can't be spread over as many ranks as asked for."""
    size = config.vllm.tensor_parallel_size
    if size == 1:
        return
    if config.engine is not EngineChoice.VLLM and choose_engine(config.engine) is not EngineChoice.VLLM:
        raise UserError(f"an engine of {size} ranks {_KEYS} has to be vLLM: name it as the engine, or set 1")
    shape = read_shape(model)
    if not _divides(shape, size):
        possible = [other for other in range(1, shape.num_attention_heads + 1) if _divides(shape, other)]
        raise UserError(
            f"an engine of {size} ranks {_KEYS} can't have even slices of {model.name}, with its"
            f" {shape.num_attention_heads} attention heads, {shape.num_key_value_heads} of keys and values, and"
            f" {shape.intermediate_size} columns between: set one of {', '.join(map(str, possible))}"
        )


def check_ranks_share(config: RolloutConfig, ranks: Ranks) -> None:
    """Raises UserError where the ranks of this machine don't come out even."""
    size = config.vllm.tensor_parallel_size
    if ranks.here % size:
        raise UserError(
            f"engines of {size} ranks {_KEYS} want a multiple of {size} ranks on each machine, and here"
            f" {'is' if ranks.here == 1 else 'are'} {ranks.here}: start it by torchrun --nproc-per-node {size}"
            " (docs/scale.md)"
        )


def _divides(shape: PretrainedConfig, size: int) -> bool:
    """Whether each of `size` has as many heads or columns of every matrix. Few heads of keys and values are copied."""
    keys = shape.num_key_value_heads
    vocabulary = -(-shape.vocab_size // _VOCABULARY_BLOCK) * _VOCABULARY_BLOCK
    even = not any(whole % size for whole in (shape.num_attention_heads, shape.intermediate_size, vocabulary))
    return even and (not keys % size or not size % keys)
