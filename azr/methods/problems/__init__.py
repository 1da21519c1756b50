"""Given problems: RLVR, TTRL, and rewards that need no label. May know nothing of the learner and the loop."""
