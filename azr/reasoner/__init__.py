"""The trained reasoner of a run: found, asked, taken away. May know a run's folder and checkpoints, and no method."""
