"""REINFORCE++ with a group's mean as the baseline: Hu 2025 (arXiv 2501.03262), for several answers a prompt.

The paper adds the divergence from the start to the loss, estimated by k2 (`learner.kl`); off by default here.
"""

from azr.config.fields import Aggregation
from azr.learner.advantage import Outcomes, centred, standardised_within, within
from azr.learner.algorithms.algorithm import Algorithm


def advantage(given: Outcomes) -> list[float]:
    """a = r - mean over the responses to the same prompt, then A = (a - mean) / deviation over the whole batch."""
    above_group = within(given.groups, centred, given.rewards)
    return standardised_within([None] * len(above_group), above_group, given)


REINFORCE_PP_BASELINE = Algorithm(
    advantage,
    formula="a = r - mean over a prompt's responses, A = (a - mean) / std over the batch",
    aggregation=Aggregation.TOKEN_MEAN,
    whitens=True,
)
