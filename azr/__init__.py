"""The self-play system: command line, loop, policy, rollouts, learner, buffer, evaluation, report."""

import os

__version__ = "0.1.0"

# Rows of very different lengths leave holes in a GPU's memory. Read once, when torch first allocates there.
os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
