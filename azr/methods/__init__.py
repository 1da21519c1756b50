"""What a step is made of: one room a method.

The loop (azr/training/loop.py) knows method.py alone, and no room knows another.
"""
