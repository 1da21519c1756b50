"""The update: advantages from rewards, prefix-tree packing, the clipped objective, and the optimizer step."""

from azr.learner.credit import advantages
from azr.learner.learner import Learner
from azr.learner.sample import Outcome, Sample

__all__ = ["Learner", "Outcome", "Sample", "advantages"]
