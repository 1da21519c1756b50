"""MaxRL: Tajwar et al. 2026 (Maximum Likelihood Reinforcement Learning, arXiv 2602.02710): rare successes weigh more.

With rewards of 0 and 1, (r - mean) / mean makes the expected gradient that of a truncated expansion of log pass@1,
where REINFORCE has that of pass@1. azr's penalties below 0 count as 0 here.
"""

from azr.config.fields import Aggregation
from azr.learner.advantage import Outcomes, over_mean, within
from azr.learner.algorithms.algorithm import Algorithm


def advantage(given: Outcomes) -> list[float]:
    """A = (r - mean) / mean over the responses to the same prompt; 0 where none of them earned anything."""
    return within(given.groups, over_mean, given.rewards)


MAXRL = Algorithm(
    advantage,
    formula="A = (r - mean) / mean over a prompt's responses",
    aggregation=Aggregation.SEQ_MEAN_TOKEN_SUM,
    failures_alike=True,
)
