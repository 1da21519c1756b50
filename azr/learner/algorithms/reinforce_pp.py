"""REINFORCE++: Hu 2025 (arXiv 2501.03262), the global advantage normalisation.

The paper has a KL penalty a token in the reward; here as in any algorithm it is `learner.kl`, and off by default.
"""

from azr.config.fields import Aggregation
from azr.learner.advantage import Outcomes, standardised_within
from azr.learner.algorithms.algorithm import Algorithm


def advantage(given: Outcomes) -> list[float]:
    """A = (r - mean) / deviation over the whole batch."""
    return standardised_within([None] * len(given.rewards), given.rewards, given)


REINFORCE_PP = Algorithm(
    advantage, formula="A = (r - mean) / std over the batch", aggregation=Aggregation.TOKEN_MEAN, whitens=True
)
