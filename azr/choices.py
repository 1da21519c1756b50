"""The words that a config may use, apart from azr/config.py, which takes long to import."""

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


class Half(StrEnum):
    """Which held-out programs: those that one may look at while tuning, or those that results are reported on."""

    TUNE = "tune"
    HELD = "held"


class TrainOn(StrEnum):
    """Which answers train the solver: newly sampled ones, or the ones that estimated the learnability."""

    FRESH = "fresh"
    ESTIMATE = "estimate"


class Flaw(StrEnum):
    """What can make a valid task teach nothing (azr/flaws.py finds them)."""

    COPY = "copy"  # every output equals its input: repeating the question is right
    CONSTANT = "constant"  # the output is the same whatever the input
    RESTATED = "restated"  # its program is one that the buffer holds already, for a task of the same type


class Draw(StrEnum):
    """How the solver's tasks come from the buffer: all alike, or by how uncertain their solve rate is."""

    UNIFORM = "uniform"
    UNCERTAIN = "uncertain"


class ChatMode(StrEnum):
    """Whether prompts go through the tokenizer's chat template. `auto`: where the style wants it and there is one."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class AttentionKernel(StrEnum):
    """How the learner masks packed prompts: `dense` mask with SDPA, or `flex` block masks (for GPUs)."""

    DENSE = "dense"
    FLEX = "flex"
