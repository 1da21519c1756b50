"""Self-play: Absolute Zero (Zhao et al. 2025, arXiv 2505.03335). May know nothing of the learner and the loop."""
