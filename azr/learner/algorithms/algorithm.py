"""What an algorithm is: a choice for each part of the update. One file here for each of them."""

from collections.abc import Callable
from dataclasses import dataclass

from azr.config.fields import Aggregation, Ratio
from azr.learner.advantage import Outcomes
from azr.learner.clipping import Clip

SYMMETRIC = Clip(0.2, 0.2)


@dataclass(frozen=True)
class Algorithm:
    """The parts that a config's `learner.estimator` names; the config may change those after `advantage`.

    `advantage` gives one number a response, and `formula` says which. Two algorithms want something of those who play
    (azr/methods/method.py, Wants): a greedy answer a prompt (`greedy_baseline`), and other prompts for those whose
    responses all earned the same, asked for up to `refill_rounds` times. With a `critic` the advantages are made by the
    learner, from values. `whitens` says that `advantage` standardises over responses or over tokens, as the config has
    it. `failures_alike`: it makes no difference between rewards of 0 and below, so a penalty on a wrong answer is lost.
    """

    advantage: Callable[[Outcomes], list[float]]
    formula: str
    aggregation: Aggregation
    ratio: Ratio = Ratio.TOKEN
    clip: Clip = SYMMETRIC
    whitens: bool = False
    greedy_baseline: bool = False
    refill_rounds: int = 0
    critic: bool = False
    failures_alike: bool = False
