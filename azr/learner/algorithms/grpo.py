"""GRPO: Shao et al. 2024 (DeepSeekMath, arXiv 2402.03300), section 4.1.2 (outcome supervision) and equation 3.

The mean over responses of each one's mean over tokens. The paper's KL term is `learner.kl`, off by default.
"""

from azr.config.fields import Aggregation
from azr.learner.advantage import Outcomes, standardised, within
from azr.learner.algorithms.algorithm import Algorithm


def advantage(given: Outcomes) -> list[float]:
    """A = (r - mean) / deviation over the responses to the same prompt."""
    return within(given.groups, standardised, given.rewards)


GRPO = Algorithm(
    advantage,
    formula="A = (r - mean) / std over a prompt's responses",
    aggregation=Aggregation.SEQ_MEAN_TOKEN_MEAN,
)
