"""TRR++, task-relative REINFORCE++: Zhao et al. 2025 (Absolute Zero, arXiv 2505.03335), section 3.3.5, equation 8.

A response is compared with those of the same role and task type. The paper's formula has the mean and deviation of
rewards; its code, built on verl, takes both over response tokens (`learner.whitening=tokens`), so that long responses
count more. Over responses is the default: it is the formula as printed, and a role that rambles when it fails doesn't
move everyone's baseline. Mean over tokens, as verl and the official code do.
"""

from azr.config.fields import Aggregation
from azr.learner.advantage import Outcomes, standardised_within
from azr.learner.algorithms.algorithm import Algorithm


def advantage(given: Outcomes) -> list[float]:
    """A = (r - mean) / deviation over the step's rewards of the same role and task type."""
    return standardised_within(given.strata, given.rewards, given)


TRR_PP = Algorithm(
    advantage,
    formula="A = (r - mean) / std over the same role and task type",
    aggregation=Aggregation.TOKEN_MEAN,
    whitens=True,
)
