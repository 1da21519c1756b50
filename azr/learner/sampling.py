"""What three algorithms want of the loop: pure functions, and when it calls them.

The loop generates; these say what for. In a step, in this order:

1. ReMax (`Algorithm.greedy_baseline`): beside the samples of a prompt the loop asks for one answer at temperature 0,
   judges it like any other, and gives its reward to every response of the prompt as `Outcome.baseline`
   (`with_baselines`). That answer is no sample: it trains nothing.
2. DAPO's refilling (`Algorithm.refills_groups`): once the answers are judged, `without_spread` names the prompts to
   throw away; the loop draws as many new ones, has them answered, and asks again, until enough are left or
   `refill_rounds` are over. What lacks spread then stays out of the update by itself: its advantages are 0.
3. DAPO's soft penalty (`learner.overlong_buffer`): the loop adds `overlong_penalty` to a response's reward before it
   hands the outcomes to `Learner.credit`, and stores the reward without it.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from azr.learner.sample import Outcome


def without_spread(rewards: Sequence[float], groups: Sequence[Hashable]) -> list[Hashable]:
    """The groups whose responses all earned the same, in the order of their first ones.

    Yu et al. 2025 (DAPO, arXiv 2503.14476), section 3.2, equation 11: such a prompt has nothing to teach an algorithm
    that compares within it. A group of one has no spread.
    """
    earned: dict[Hashable, set[float]] = defaultdict(set)
    for reward, group in zip(rewards, groups, strict=True):
        earned[group].add(reward)
    return [group for group, different in earned.items() if len(different) == 1]


def with_baselines(outcomes: Sequence[Outcome], greedy_rewards: Mapping[Hashable, float]) -> list[Outcome]:
    """The outcomes, each with the reward of its group's greedy answer. Raises KeyError for a group without one.

    Li et al. 2023 (ReMax, arXiv 2310.10505), algorithm 1.
    """
    return [replace(outcome, baseline=greedy_rewards[outcome.group]) for outcome in outcomes]


def overlong_penalty(length: int, limit: int, buffer: int) -> float:
    """What is added to the reward of a response of `length` tokens that may have `limit`: from 0 down to -1.

    0 up to limit - buffer, then falling on a line to -1 at the limit. Yu et al. 2025 (DAPO, arXiv 2503.14476), section
    3.4, equation 13. Raises ValueError for a buffer that isn't between 1 and the limit.
    """
    if not 0 < buffer <= limit:
        raise ValueError(f"a buffer of {buffer} tokens below a limit of {limit}")
    return min(max((limit - buffer - length) / buffer, -1.0), 0.0)
