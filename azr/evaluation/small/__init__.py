"""Held-out problems for models of some hundred million parameters, which the published benchmarks are too hard for.

Two sets of short programs with known input/output pairs: our own (own.py), and one that is drawn from published data by
a fixed rule (drawing.py). Each program is asked as deduction, abduction and induction (known.py), with self-play's own
prompts (asking.py). azr eval knows them as benchmarks, and a run's probe asks them on its way.
"""
