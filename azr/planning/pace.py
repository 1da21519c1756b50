"""How long a step of self-play would take on a card, from what the card can do and what a step asks for.

Roofline arithmetic: decoding waits for the memory that it reads, learning for its matrix products. Nothing of it was
measured on a card; every number below that isn't the config's is an assumption, and docs/performance.md lists them.
"""

import math
from dataclasses import dataclass

from transformers import PretrainedConfig

from azr.config.fields import Config, Precision
from azr.methods.absolute_zero.room import plan_step
from azr.planning.memory import Sizes, cache_width

# By the size in GB: dense bf16 FLOP/s and bytes/s of RTX 4090, L40S, H100 SXM and H200 by NVIDIA's data sheets.
SPEEDS = {24: (165e12, 1.01e12), 48: (362e12, 0.864e12), 80: (989e12, 3.35e12), 141: (989e12, 4.8e12)}


@dataclass(frozen=True)
class Assumptions:
    """What a step looks like and how near to its card it runs."""

    proposal: int = 600  # tokens
    answer: int = 1000
    question: int = 600  # a solver's prompt
    references: int = 1500  # a proposer's prompt
    common: int = 400  # of which all prompts have the same head
    valid: float = 2 / 3  # of the proposals
    products: float = 0.4  # of the card's FLOP/s
    reading: float = 0.6  # of its memory's bandwidth
    overhead: float = 0.003  # seconds a decoding step takes beside the card's work
    host_link: float = 12e9  # bytes/s between card and host
    host_memory: float = 1e11  # bytes/s


@dataclass(frozen=True)
class Pace:
    """Seconds of a step. `tail`: while one sample alone runs to its limit or to where it is cut, at the most, once for
    each of two calls.
    """

    propose: float
    solve: float
    tail: float
    learn: float
    sync: float

    @property
    def total(self) -> float:
        """Of the step."""
        return self.propose + self.solve + self.tail + self.learn + self.sync


def plan_pace(config: Config, shape: PretrainedConfig, size: int, assumed: Assumptions | None = None) -> Pace:
    """For a step that proposes, on a card of `size` GB, one of SPEEDS."""
    it = assumed or Assumptions()
    sizes, step, (flops, bandwidth) = Sizes.of(shape, config), plan_step(config), SPEEDS[size]
    width = 2 if config.model.precision is Precision.BF16 else 4
    weights = width * (sizes.base + sizes.adapter)
    proposal = min(it.proposal, config.propose.max_tokens)
    answer = min(it.answer, config.solver.max_tokens)

    def decoding(samples: float, length: int, prompt: int) -> float:
        """Samples that come and go, as many at once as vLLM lets in: each step reads the weights and what is cached."""
        rows = min(samples, config.rollout.vllm.max_sequences)
        read = weights + rows * (prompt + length / 2) * cache_width(shape, width)
        a_step = max(read / (it.reading * bandwidth), 2 * sizes.base * rows / (it.products * flops)) + it.overhead
        return samples * length / rows * a_step

    alone = weights / (it.reading * bandwidth) + it.overhead
    longest = _longest(config, config.propose.max_tokens, proposal) + _longest(config, config.solver.max_tokens, answer)
    tails = longest - proposal - answer
    answers = it.valid * step.estimates + step.answers
    prompts = step.proposals * it.references + step.answers * it.question - step.trained * it.common
    computed = prompts + step.proposals * proposal + step.answers * answer
    passes = 2.0 + (2 if config.model.lora.rank else 4) + (2 if config.model.gradient_checkpointing else 0)
    passes += 2 * (config.learner.minibatches - 1) / config.learner.minibatches  # the old log-probabilities
    optimizer = config.learner.minibatches * (6 / it.host_link + 28 / it.host_memory) * sizes.trained
    return Pace(
        propose=decoding(step.proposals, proposal, it.references),
        solve=decoding(answers, answer, it.question),
        tail=tails * alone,
        learn=passes * sizes.base * computed / (it.products * flops)
        + (optimizer if config.learner.optimizer_on_host else 0),
        sync=2 * weights / it.host_link if config.model.lora.rank else 2.0,
    )


def _longest(config: Config, limit: int, mean: int) -> float:
    """Tokens of a call's longest sample. Where the rule cuts, by a share of lengths that fall off exponentially."""
    tail = config.rollout.tail
    if tail.quantile == 1:
        return limit
    return min(limit, tail.factor * mean * -math.log(1 - tail.quantile))
