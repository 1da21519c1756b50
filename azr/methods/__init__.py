"""What a step is made of: one room a method. The loop (azr/loop.py) knows method.py alone, no room knows another."""
