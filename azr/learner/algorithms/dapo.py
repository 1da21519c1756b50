"""DAPO: Yu et al. 2025 (arXiv 2503.14476), equations 8 to 13.

GRPO's advantage; more room above than below (clip-higher, section 3.1), the mean over all tokens (3.3), prompts whose
answers are all right or all wrong replaced by others (3.2), and a soft penalty for answers near the limit (3.4). The
refilling is the method's part (azr/methods/problems/refilling.py); the penalty, which `learner.overlong_buffer` turns
on, the loop's. The paper refills until the batch is full; a limit keeps a step's time within bounds.
"""

from azr.config.fields import Aggregation
from azr.learner.algorithms import grpo
from azr.learner.algorithms.algorithm import Algorithm
from azr.learner.clipping import Clip

DAPO = Algorithm(
    grpo.advantage,
    formula=grpo.GRPO.formula,
    aggregation=Aggregation.TOKEN_MEAN,
    clip=Clip(0.2, 0.28),
    refill_rounds=3,
)
