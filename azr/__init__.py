"""The self-play system: command line, loop, policy, rollouts, learner, buffer, evaluation, report."""

__version__ = "0.1.0"
