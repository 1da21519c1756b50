"""`azr boundary`: what did training add? Base beside trained, by pass@k to large k (Yue et al. 2025, arXiv 2504.13837).

sides.py finds the files and models that are meant, problem_set.py the problems; gathering.py reads or samples one side
after the other (asking.py asks models, temperature.py finds where two are as undecided), lines.py reads lines, tally.py
counts them (judging.py where no verdict is given).
curves.py estimates pass@k with its bands, differences and crossings, solved.py compares who solves what, accuracy.py
how a problem's share of right answers moves, gap.py has ΔSE, guessing.py the rare right answers that a person reads,
course.py a run's checkpoints, perplexity.py how likely answers are under models (scoring.py computes it).
study.py puts these together. words.py says it in sentences, plain.py in plain data, terminal.py in a terminal, page.py
on a page, whose figures are plots.py's with figures.py's words.
"""
