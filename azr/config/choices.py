"""The words that a config may use, apart from azr/config/fields.py, which takes long to import."""

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
    """How rewards become an update; azr/learner/algorithms has a short file for each (docs/estimators.md)."""

    TRR_PP = "trr++"
    GRPO = "grpo"
    DR_GRPO = "dr_grpo"
    RLOO = "rloo"
    REINFORCE_PP = "reinforce++"
    REINFORCE_PP_BASELINE = "reinforce++-baseline"
    REMAX = "remax"
    DAPO = "dapo"
    GSPO = "gspo"
    CISPO = "cispo"
    MAXRL = "maxrl"
    PPO = "ppo"


class Whitening(StrEnum):
    """What a mean and a deviation over a batch or a task type are taken over: responses, or their tokens."""

    RESPONSES = "responses"
    TOKENS = "tokens"


class Ratio(StrEnum):
    """What π / π_old is taken of: each token, or the whole response (GSPO)."""

    TOKEN = "token"
    SEQUENCE = "sequence"


class Clipping(StrEnum):
    """What is clipped: the surrogate (PPO), or the weight of the gradient of log π (CISPO)."""

    PPO = "ppo"
    CISPO = "cispo"


class Aggregation(StrEnum):
    """How tokens' losses become one number (verl's words for them)."""

    TOKEN_MEAN = "token-mean"
    SEQ_MEAN_TOKEN_MEAN = "seq-mean-token-mean"
    SEQ_MEAN_TOKEN_SUM = "seq-mean-token-sum"
    SEQ_MEAN_TOKEN_SUM_NORM = "seq-mean-token-sum-norm"


class KlEstimator(StrEnum):
    """Estimators of KL(π ‖ π_start) from a sampled token (azr/learner/kl.py)."""

    K1 = "k1"
    K2 = "k2"
    K3 = "k3"


class KlPlace(StrEnum):
    """Where the divergence from the start counts: as a term of the loss, or as a penalty in the reward."""

    LOSS = "loss"
    REWARD = "reward"


class Schedule(StrEnum):
    """What the learning rate does after its warm-up."""

    CONSTANT = "constant"
    LINEAR = "linear"
    COSINE = "cosine"


class Half(StrEnum):
    """Which held-out programs: those that one may look at while tuning, or those that results are reported on."""

    TUNE = "tune"
    HELD = "held"


class TrainOn(StrEnum):
    """Which answers train the solver: newly sampled ones, or the ones that estimated the learnability."""

    FRESH = "fresh"
    ESTIMATE = "estimate"


class Label(StrEnum):
    """What answers to given problems are paid by (azr/methods/problems/labels.py)."""

    TRUTH = "truth"
    MAJORITY = "majority"
    PROBABILITY = "probability"
    ENTROPY = "entropy"
    SELF_CERTAINTY = "self-certainty"


class Flaw(StrEnum):
    """What can make a valid task teach nothing (azr/evaluation/flaws.py finds them)."""

    COPY = "copy"  # repeating the question is right: outputs equal inputs, or an abduction's output gives itself
    CONSTANT = "constant"  # the output is the same whatever the input
    RESTATED = "restated"  # its program is one that the buffer holds already, for a task of the same type


class ReferenceDraw(StrEnum):
    """How the past tasks that a proposal's prompt shows are drawn: all alike, or all kinds of program alike."""

    UNIFORM = "uniform"
    SPREAD = "spread"


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
