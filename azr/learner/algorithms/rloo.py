"""RLOO: Ahmadian et al. 2024 (Back to Basics, arXiv 2402.14740), section 2.2. The whole response is one action."""

from azr.config.fields import Aggregation
from azr.learner.advantage import Outcomes, leave_one_out, within
from azr.learner.algorithms.algorithm import Algorithm


def advantage(given: Outcomes) -> list[float]:
    """A = r - mean of the *other* responses to the same prompt; 0 for a prompt's only response."""
    return within(given.groups, leave_one_out, given.rewards)


RLOO = Algorithm(
    advantage,
    formula="A = r - mean of a prompt's other responses",
    aggregation=Aggregation.SEQ_MEAN_TOKEN_SUM,
)
