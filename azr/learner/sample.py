"""One rollout as the learner takes it."""

from collections.abc import Hashable
from dataclasses import dataclass

from azr.config.choices import Estimator
from tasks.triplet import Role


@dataclass(frozen=True)
class Outcome:
    """What a response earned, and what it is compared with.

    `stratum` is its (role, task type), `group` its prompt; `role` picks what the config has for a role by itself.
    `baseline` is the reward of the greedy answer to the same prompt, which ReMax alone needs.
    """

    reward: float
    stratum: Hashable
    group: Hashable
    role: Role | None = None
    baseline: float | None = None


@dataclass(frozen=True)
class TokenCredit:
    """What each token of a response was worth where that differs from token to token, one number a token.

    `returns` and `values` are what the critic should have said and what it said; empty without a critic.
    """

    advantages: tuple[float, ...]
    returns: tuple[float, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Sample:
    """A response to a prompt, with what it was worth.

    `engine_logprobs[i]` is the log-probability that the engine gave `response_ids[i]` when it sampled it, under
    softmax(logits / `temperature`). `advantage` holds for every token of the response, unless `credit` says it token by
    token. `estimator` says how its tokens add up; None is the learner's own. `weight` multiplies what it counts.
    `learning_rate` is that of the optimizer steps that it shares with its like; None is the learner's own.
    Raises ValueError for an empty prompt, an empty response, a log-probability or a credit too few or too many, or a
    temperature that isn't positive (greedy samples can't train: they have no log-probability to change).
    """

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    engine_logprobs: tuple[float, ...]
    advantage: float
    temperature: float = 1.0
    estimator: Estimator | None = None
    weight: float = 1.0
    learning_rate: float | None = None
    credit: TokenCredit | None = None

    def __post_init__(self) -> None:
        if not self.prompt_ids or not self.response_ids:
            raise ValueError("a sample needs at least one prompt token and one response token")
        if len(self.engine_logprobs) != len(self.response_ids):
            raise ValueError(
                f"{len(self.response_ids)} response tokens but {len(self.engine_logprobs)} engine log-probabilities"
            )
        if self.credit and len(self.credit.advantages) != len(self.response_ids):
            raise ValueError(f"{len(self.response_ids)} response tokens but {len(self.credit.advantages)} advantages")
        if not self.temperature > 0:
            raise ValueError(f"a sample's temperature must be above 0, not {self.temperature}")

    @property
    def teaches(self) -> bool:
        """Whether any of its tokens has an advantage, and the sample counts."""
        return bool(self.weight and (any(self.credit.advantages) if self.credit else self.advantage))

    @property
    def advantages(self) -> tuple[float, ...]:
        """The advantage of each response token."""
        return self.credit.advantages if self.credit else (self.advantage,) * len(self.response_ids)
