"""One rollout as the learner takes it."""

from dataclasses import dataclass

from azr.choices import Estimator


@dataclass(frozen=True)
class Sample:
    """A response to a prompt, with what it was worth.

    `engine_logprobs[i]` is the log-probability that the engine gave `response_ids[i]` when it sampled it, under
    softmax(logits / `temperature`). `advantage` holds for every token of the response. `estimator` says how the tokens
    are weighted; None is the learner's own.
    Raises ValueError for an empty prompt, an empty response, a log-probability too few or too many, or a temperature
    that isn't positive (greedy samples can't train: they have no log-probability to change).
    """

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    engine_logprobs: tuple[float, ...]
    advantage: float
    temperature: float = 1.0
    estimator: Estimator | None = None

    def __post_init__(self) -> None:
        if not self.prompt_ids or not self.response_ids:
            raise ValueError("a sample needs at least one prompt token and one response token")
        if len(self.engine_logprobs) != len(self.response_ids):
            raise ValueError(
                f"{len(self.response_ids)} response tokens but {len(self.engine_logprobs)} engine log-probabilities"
            )
        if not self.temperature > 0:
            raise ValueError(f"a sample's temperature must be above 0, not {self.temperature}")
