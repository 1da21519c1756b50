"""PPO with a critic: Schulman et al. 2017 (arXiv 1707.06347), equation 7, with GAE (arXiv 1506.02438).

The learner makes the advantages (azr/learner/critic.py), since they need a value a token; they are standardised over
tokens, as verl and TRL do.
"""

from azr.config.fields import Aggregation
from azr.learner.advantage import Outcomes
from azr.learner.algorithms.algorithm import Algorithm


def advantage(given: Outcomes) -> list[float]:
    """Raises ValueError: without values there is no advantage."""
    raise ValueError("ppo's advantages need its critic: ask Learner.credit for them")


PPO = Algorithm(
    advantage,
    formula="A = GAE of the critic's values, standardised over the batch's tokens",
    aggregation=Aggregation.TOKEN_MEAN,
    critic=True,
)
