"""The update: advantages from rewards, prefix-tree packing, the clipped objective, and the optimizer step."""

from azr.learner.advantage import advantages
from azr.learner.learner import Learner
from azr.learner.sample import Sample

__all__ = ["Learner", "Sample", "advantages"]
