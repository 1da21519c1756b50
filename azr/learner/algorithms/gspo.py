"""GSPO: Zheng et al. 2025 (arXiv 2507.18071), equations 5 to 7: the ratio is the response's, not the token's.

ratio = (π(response) / π_old(response)) ^ (1 / length). GRPO's advantage; the bounds are those of section 5.1, about a
thousandth of what clips tokens.
"""

from azr.config.fields import Aggregation, Ratio
from azr.learner.algorithms import grpo
from azr.learner.algorithms.algorithm import Algorithm
from azr.learner.clipping import Clip

GSPO = Algorithm(
    grpo.advantage,
    formula=grpo.GRPO.formula,
    aggregation=Aggregation.SEQ_MEAN_TOKEN_MEAN,
    ratio=Ratio.SEQUENCE,
    clip=Clip(3e-4, 4e-4),
)
