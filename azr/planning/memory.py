"""A config's memory, part by part, while it generates and while it learns.

Each part says which keys of the config change it. What is arithmetic and what is assumed: sizes of weights, masters,
gradients, moments and caches follow from the model's shape and the config; activations are counted
(azr/planning/activations.py); what libraries and vLLM need for themselves are the constants below, of which the
processor's was measured (docs/performance.md).
"""

from dataclasses import dataclass

from peft.tuners.lora import LoraLayer
from transformers import PretrainedConfig

from azr.config.fields import AttentionKernel, Config, EngineChoice, LearnerConfig, Precision
from azr.errors import UserError
from azr.learner.algorithms import ALGORITHMS
from azr.methods.catalogue import rooms
from azr.planning.activations import count_activations
from azr.planning.machine import CARDS, GB, Machine, card_of, machine_here
from azr.policy.shape import head_size, with_layers, without_memory
from azr.rollout import choose_engine
from azr.rollout.transformers import most_positions

LIBRARIES = 0.55 * GB  # a process that has imported torch, transformers and the rest of azr; its files' pages count
CUDA_CONTEXT = 0.9 * GB  # the driver's and the libraries' own memory on a card
HOLES = "holes in the heap"  # the name of a part that a processor has
VLLM_GRAPHS = 1.0 * GB  # CUDA graphs and workspace, which vLLM keeps while it sleeps; out of its share


@dataclass(frozen=True)
class Part:
    """Bytes while generating and while learning, and the keys of the config that change them."""

    name: str
    generating: float
    learning: float
    knobs: tuple[str, ...] = ()


@dataclass(frozen=True)
class MemoryPlan:
    """`cached_tokens`: how many positions the engine's key/value cache holds at once; `longest`: a sample's most.

    The last part is the engine's. `host` is what the machine that a card is in needs of its own memory, in bytes. Of
    several `ranks` it is each one's.
    """

    machine: Machine
    parts: tuple[Part, ...]
    cached_tokens: int
    longest: int
    host: float = 0
    ranks: int = 1

    @property
    def generating(self) -> float:
        """Bytes at the peak of a rollout."""
        return sum(part.generating for part in self.parts)

    @property
    def learning(self) -> float:
        """Bytes at the peak of an update."""
        return sum(part.learning for part in self.parts)

    @property
    def peak(self) -> float:
        """Bytes at the run's peak."""
        return max(self.generating, self.learning)

    @property
    def fits(self) -> bool:
        """Whether the machine holds the peak, and the engine's cache the longest sample."""
        return self.peak <= self.machine.usable and self.cached_tokens >= self.longest

    def check(self) -> None:
        """Raises UserError, one line that names what can be changed, where it doesn't fit."""
        if self.fits:
            return
        if self.cached_tokens < self.longest:
            raise UserError(
                f"the engine's cache holds {max(self.cached_tokens, 0):,} tokens on {self.machine.name}, and a sample"
                f" may have {self.longest:,}: raise {' or '.join(self.parts[-1].knobs)}, or lower"
                f" rollout.max_prompt_tokens and the methods' max_tokens"
            )
        learns = self.learning >= self.generating
        bytes_of = {part: part.learning if learns else part.generating for part in self.parts if part.knobs}
        largest = sorted(bytes_of, key=bytes_of.__getitem__, reverse=True)[:4]
        told = "; ".join(f"{part.name} {bytes_of[part] / GB:.1f} ({', '.join(part.knobs)})" for part in largest)
        raise UserError(
            f"it needs {self.peak / GB:.1f} GB while {'learning' if learns else 'generating'}, and {self.machine.name}"
            f" has {self.machine.memory / GB:.1f}. The largest parts and what changes them: {told}"
        )


@dataclass(frozen=True)
class Sizes:
    """Numbers of parameters: the base's, those that train, the adapter's, the output matrix's.

    `adapted` is how many numbers a token's way through the layers with an adapter gives: the sum of their outputs.
    A `layer` counts its adapter, and `ends` are what no layer has: embedding, output matrix, last norm.
    """

    base: int
    trained: int
    adapter: int
    head: int
    adapted: int
    layer: int
    layer_trained: int
    ends: int

    @staticmethod
    def of(shape: PretrainedConfig, config: Config) -> "Sizes":
        """Of the model that the config trains."""
        one, two = (Sizes._counted(with_layers(shape, layers), config) for layers in (1, 2))
        more = shape.num_hidden_layers - 1  # all layers are as large as the second
        sizes = {name: one[name] + more * (two[name] - one[name]) for name in one}
        layer = {name: two[name] - one[name] for name in one}
        both = layer["base"] + layer["adapter"]
        return Sizes(
            trained=sizes["adapter"] if config.model.lora.rank else sizes["base"],
            layer=both,
            layer_trained=layer["adapter"] if config.model.lora.rank else both,
            ends=sizes["base"] + sizes["adapter"] - shape.num_hidden_layers * both,
            **sizes,
        )

    @staticmethod
    def _counted(shape: PretrainedConfig, config: Config) -> dict[str, int]:
        model = without_memory(shape, config.model)
        every = sum(weight.numel() for weight in model.parameters())
        adapter = sum(weight.numel() for name, weight in model.named_parameters() if ".lora_" in name)
        return {
            "base": every - adapter,
            "adapter": adapter,
            "head": model.get_output_embeddings().weight.numel(),
            "adapted": sum(layer.out_features for layer in model.modules() if isinstance(layer, LoraLayer)),
        }


def plan_memory(config: Config, shape: PretrainedConfig, machine: Machine, ranks: int = 1) -> MemoryPlan:
    """What the config takes of `machine`, for each of so many ranks.

    Raises UserError for an engine that is asked for and absent, and for shards of a single rank.
    """
    if config.learner.shard and ranks == 1:
        raise UserError("learner.shard=true wants several ranks: torchrun starts them, and `azr plan --ranks 8` plans")
    sizes = Sizes.of(shape, config)
    width = 2 if config.model.precision is Precision.BF16 else 4
    longest = config.rollout.max_prompt_tokens + max(room.longest(config) for room in rooms(config))
    if _uses_vllm(config):
        engine_part, cached = _vllm_part(config, shape, sizes, width, machine)
    else:
        engine_part, cached = _transformers_part(config, shape, width, longest)
    policy = _shards(config, sizes, width, ranks) if config.learner.shard else _policy(config, sizes, width, machine)
    parts = [
        Part("CUDA", CUDA_CONTEXT, CUDA_CONTEXT) if machine.card else Part("libraries", LIBRARIES, LIBRARIES),
        *policy,
        *_copies(config, sizes, width),
        *_row_parts(config, shape, sizes, width, machine),
        engine_part,
    ]
    kept = tuple(part for part in parts if part.generating or part.learning)
    return MemoryPlan(machine, kept, cached, longest, _host(config, sizes, width) if machine.card else 0, ranks)


def plan_for(config: Config, shape: PretrainedConfig, size: int | None, ranks: int = 1) -> MemoryPlan:
    """The plan for a card of `size` GB, or for this machine, of each of so many ranks. A processor they share.

    A config that a processor can't train (flex attention) is planned, where no card is here, for the smallest of
    `machine.CARDS` that holds it, or the largest. Raises UserError for a device that isn't there.
    """
    if size is not None:
        return plan_memory(config, shape, card_of(size), ranks)
    here = machine_here(config.model.device, ranks)
    if here.card or config.model.attention is not AttentionKernel.FLEX:
        return plan_memory(config, shape, here, ranks)
    plans = [plan_memory(config, shape, card_of(each), ranks) for each in CARDS]
    return next((plan for plan in plans if plan.fits), plans[-1])


def _policy(config: Config, sizes: Sizes, width: int, machine: Machine) -> list[Part]:
    """Weights, masters, moments and gradients."""
    narrow, on_host = width == 2, config.learner.optimizer_on_host
    gradients = (4 + width if narrow else 4) * sizes.trained
    # The host's memory is the machine's own where there is no card.
    masters = 4 * sizes.trained if narrow or on_host else 0
    moments = 8 * sizes.trained
    if on_host and machine.card:
        masters = moments = 0
    small = ("model.name", "model.lora.rank", "learner.optimizer_on_host")
    return [
        Part("weights", width * sizes.base, width * sizes.base, ("model.name", "model.precision")),
        Part("adapter", width * sizes.adapter, width * sizes.adapter, ("model.lora.rank",)),
        Part("fp32 masters", masters, masters, small),
        Part("AdamW's two moments", moments, moments, small),
        Part("gradients", 0, gradients, ("model.name", "model.lora.rank")),
    ]


def _shards(config: Config, sizes: Sizes, width: int, ranks: int) -> list[Part]:
    """A rank's part of the policy, and what it gathers of the others'.

    Learning, it has embedding and output layer whole, and of the layers the one that is computed with, the next, and
    the buffer that this one came in. An engine without weights of its own samples from all of it.
    """
    frozen = sizes.base if config.model.lora.rank else 0
    shards = (4 * sizes.trained + width * frozen) / ranks
    moments, gradients = 8 * sizes.trained / ranks, 4 * sizes.trained / ranks
    learning = width * (sizes.ends + 3 * sizes.layer)
    if _uses_vllm(config):
        sampling = 2 * width * sizes.head  # handed over one by one, the largest and what it is put together from
    else:
        sampling = width * (sizes.base + sizes.adapter + max(sizes.ends, sizes.layer))
    small = ("the number of ranks", "model.name", "model.lora.rank")
    return [
        Part("shards of the weights", shards, shards, small),
        Part("shards of AdamW's two moments", moments, moments, small),
        Part("shards of the gradients", 0, gradients, small),
        Part("gathered weights", sampling, learning, ("model.name", "model.precision")),
    ]


def _host(config: Config, sizes: Sizes, width: int) -> float:
    """Beside a card: libraries, the optimizer's state if it is there, the weights of a vLLM that sleeps at level 1.

    What is in shards is there as a whole when a run is opened, saved or resumed.
    """
    state = (12 * sizes.trained + 4 * sizes.head) if config.learner.optimizer_on_host else 0
    asleep = width * (sizes.base + sizes.adapter) / _engine_ranks(config) if config.model.lora.rank else 0
    if config.learner.shard:
        state = (8 + width + (4 if width == 2 else 0)) * sizes.trained
        return LIBRARIES + max(width * (sizes.base + sizes.adapter), state + asleep)
    return LIBRARIES + state + asleep


def _engine_ranks(config: Config) -> int:
    return config.rollout.vllm.tensor_parallel_size


def _copies(config: Config, sizes: Sizes, width: int) -> list[Part]:
    """What a KL term and a critic need beside the policy."""
    parts = []
    if config.learner.kl.coefficient and not config.model.lora.rank:
        frozen = width * sizes.base
        parts.append(Part("the starting weights", frozen, frozen, ("learner.kl.coefficient", "model.lora.rank")))
    if ALGORITHMS[config.learner.estimator].critic:
        weights = width * (sizes.base + sizes.adapter) + (12 if width == 2 else 8) * sizes.trained
        gradients = (6 if width == 2 else 4) * sizes.trained
        parts.append(Part("the critic", weights, weights + gradients, ("learner.estimator", "model.lora.rank")))
    return parts


def _row_parts(config: Config, shape: PretrainedConfig, sizes: Sizes, width: int, machine: Machine) -> list[Part]:
    """The longest row on its way through the learner.

    With an adapter the processor's heap gets holes: an adapted layer's output is made of parts that are dropped, and in
    the place of each the next small thing that is kept settles, the adapter's own output first, its gradient later.
    Layers that are gathered and dropped leave holes too, as large as all of them at the row that was measured.
    """
    tokens = config.learner.max_batch_tokens
    counted = count_activations(shape, config.model, tokens, on_processor=not machine.card)
    logits = _logits(config.learner, shape, sizes, width, not config.model.lora.rank)
    row = ("learner.max_batch_tokens", "model.gradient_checkpointing")
    # The hidden states at the end of the row: picked, over the temperature, and their gradient.
    hidden = 3 * tokens * shape.hidden_size * width
    holes = 2 * sizes.adapted * tokens * width + (width * sizes.base if config.learner.shard else 0)
    working = counted.working + (_unshared(config, sizes, width) if config.learner.shard else 0)
    parts = [
        Part(f"activations of {tokens:,} tokens", 0, counted.kept + hidden, row),
        Part("masks", 0, counted.masks, ("model.attention", "learner.max_batch_tokens")),
        Part(HOLES, 0, 0 if machine.card else holes, row),
        # The logits are gone before the backward pass begins, so the larger of the two counts.
        Part("logits, or a layer's backward pass", 0, max(logits, working), ("learner.logit_chunk", *row)),
    ]
    if config.learner.shard and not config.model.lora.rank:
        # Summed over the ranks when all of the row is gone.
        last = (width + 4) * sizes.ends - sum(part.learning for part in parts if part.name != HOLES)
        parts.append(Part("gradients of embedding and output layer", 0, max(0, last), ("model.name",)))
    return parts


def _unshared(config: Config, sizes: Sizes, width: int) -> int:
    """Gradients that wait to be summed over the ranks: a layer's, also in fp32, and the output layer's to the end."""
    return (width + 4) * sizes.layer_trained + (0 if config.model.lora.rank else width * sizes.head)


def _logits(learner: LearnerConfig, shape: PretrainedConfig, sizes: Sizes, width: int, whole: bool) -> float:
    """A chunk's logits and exponentials, what is made of both, and the output matrix's gradient where it trains."""
    matrices = 4 if learner.entropy_bonus else 3
    chunk = matrices * 4 * learner.logit_chunk * shape.vocab_size
    return chunk + (sizes.head * (4 + (width if width == 2 else 0)) if whole else 0)


def _uses_vllm(config: Config) -> bool:
    """A config that names vLLM is planned with it wherever it is planned."""
    if config.rollout.engine is EngineChoice.VLLM:
        return True
    return choose_engine(config.rollout.engine) is EngineChoice.VLLM


def cache_width(shape: PretrainedConfig, width: int, engine_ranks: int = 1) -> int:
    """Bytes of a position's keys and values in all layers, at `width` bytes a number, on each of an engine's ranks."""
    heads = max(1, shape.num_key_value_heads // engine_ranks)
    return 2 * shape.num_hidden_layers * heads * head_size(shape) * width


def _vllm_part(config: Config, shape: PretrainedConfig, sizes: Sizes, width: int, machine: Machine) -> tuple[Part, int]:
    """On a card vLLM takes a share of the whole, and while the learner works it sleeps and keeps its graphs alone."""
    vllm = config.rollout.vllm
    engine_ranks = _engine_ranks(config)
    weights = width * (sizes.base + sizes.adapter) / engine_ranks
    position = cache_width(shape, width, engine_ranks)
    if not machine.card:
        granted = vllm.kv_cache_gib * 2**30
        taken = weights + granted
        return Part("vLLM", taken, taken, ("rollout.vllm.kv_cache_gib",)), granted // position
    share = vllm.gpu_memory_utilization * machine.memory
    forward = 2 * vllm.max_batched_tokens * (3 * shape.intermediate_size / engine_ranks + 4 * shape.hidden_size)
    sampling = 4 * 4 * vllm.max_sequences * shape.vocab_size
    cache = share - weights - forward - sampling - VLLM_GRAPHS
    part = Part("vLLM's share", share, VLLM_GRAPHS, ("rollout.vllm.gpu_memory_utilization",))
    return part, int(cache / position)


def _transformers_part(config: Config, shape: PretrainedConfig, width: int, longest: int) -> tuple[Part, int]:
    """The engine has the learner's own weights; its cache is gone when the learner works."""
    positions = most_positions(config.rollout.max_batch_tokens, longest)
    part = Part("keys and values", positions * cache_width(shape, width), 0, ("rollout.max_batch_tokens",))
    return part, positions
