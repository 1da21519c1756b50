"""`azr distill`: answers made elsewhere are learned by heart; lessons.py chooses them, training.py fine-tunes on them."""
