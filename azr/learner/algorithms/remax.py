"""ReMax: Li et al. 2023 (arXiv 2310.10505), algorithm 1: the reward of a greedy answer is the baseline.

The method has each prompt answered once more, at temperature 0, and that answer trains nothing (Rollout.baseline).
"""

from azr.config.fields import Aggregation
from azr.learner.advantage import Outcomes
from azr.learner.algorithms.algorithm import Algorithm


def advantage(given: Outcomes) -> list[float]:
    """A = r - r of the greedy answer to the same prompt. Raises ValueError where those rewards are missing."""
    if given.baselines is None:
        raise ValueError("remax needs the reward of a greedy answer to each prompt")
    return [reward - baseline for reward, baseline in zip(given.rewards, given.baselines, strict=True)]


REMAX = Algorithm(
    advantage,
    formula="A = r - r of the prompt's greedy answer",
    aggregation=Aggregation.SEQ_MEAN_TOKEN_SUM,
    greedy_baseline=True,
)
