"""CISPO: MiniMax 2025 (MiniMax-M1, arXiv 2506.13585), equations 4 and 5: the gradient's weight is capped, never 0.

GRPO's advantage, the mean over all tokens, no bound below. The paper doesn't print its cap; 5, which TRL
advises after ScaleRL (Khatri et al. 2025, arXiv 2510.13786), is high = 4 in MiniMax's 1 + high.
"""

from azr.config.fields import Aggregation, Clipping
from azr.learner.algorithms import grpo
from azr.learner.algorithms.algorithm import Algorithm
from azr.learner.clipping import Clip

CISPO = Algorithm(
    grpo.advantage,
    formula=grpo.GRPO.formula,
    aggregation=Aggregation.TOKEN_MEAN,
    clip=Clip(None, 4.0, form=Clipping.CISPO),
)
