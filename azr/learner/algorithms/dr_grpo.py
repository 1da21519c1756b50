"""Dr. GRPO: Liu et al. 2025 (Understanding R1-Zero-Like Training, arXiv 2503.20783), section 3.2.

GRPO without its two divisions, by the deviation and by the response's length. The constant that takes the place of the
length only scales the gradient.
"""

from azr.config.fields import Aggregation
from azr.learner.advantage import Outcomes, centred, within
from azr.learner.algorithms.algorithm import Algorithm


def advantage(given: Outcomes) -> list[float]:
    """A = r - mean over the responses to the same prompt."""
    return within(given.groups, centred, given.rewards)


DR_GRPO = Algorithm(
    advantage,
    formula="A = r - mean over a prompt's responses",
    aggregation=Aggregation.SEQ_MEAN_TOKEN_SUM_NORM,
)
