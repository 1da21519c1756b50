"""`azr distill`: answers made elsewhere are learned.

lessons.py chooses them, training.py fine-tunes on them, writing.py has a model taught so and written.
"""
