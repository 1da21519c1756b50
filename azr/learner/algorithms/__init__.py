"""The catalogue: one short file an algorithm, each a choice of parts (docs/estimators.md)."""

from azr.config.fields import Estimator
from azr.learner.algorithms.algorithm import Algorithm
from azr.learner.algorithms.cispo import CISPO
from azr.learner.algorithms.dapo import DAPO
from azr.learner.algorithms.dr_grpo import DR_GRPO
from azr.learner.algorithms.grpo import GRPO
from azr.learner.algorithms.gspo import GSPO
from azr.learner.algorithms.maxrl import MAXRL
from azr.learner.algorithms.ppo import PPO
from azr.learner.algorithms.reinforce_pp import REINFORCE_PP
from azr.learner.algorithms.reinforce_pp_baseline import REINFORCE_PP_BASELINE
from azr.learner.algorithms.remax import REMAX
from azr.learner.algorithms.rloo import RLOO
from azr.learner.algorithms.trr_pp import TRR_PP

ALGORITHMS: dict[Estimator, Algorithm] = {
    Estimator.TRR_PP: TRR_PP,
    Estimator.GRPO: GRPO,
    Estimator.DR_GRPO: DR_GRPO,
    Estimator.RLOO: RLOO,
    Estimator.REINFORCE_PP: REINFORCE_PP,
    Estimator.REINFORCE_PP_BASELINE: REINFORCE_PP_BASELINE,
    Estimator.REMAX: REMAX,
    Estimator.DAPO: DAPO,
    Estimator.GSPO: GSPO,
    Estimator.CISPO: CISPO,
    Estimator.MAXRL: MAXRL,
    Estimator.PPO: PPO,
}

__all__ = ["ALGORITHMS", "Algorithm"]
