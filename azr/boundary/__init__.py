"""`azr boundary`: what did training add? Base beside trained, by pass@k to large k (Yue et al. 2025, arXiv 2504.13837).

lines.py reads results, tally.py counts them (judging.py where no verdict is given), curves.py estimates pass@k with its
bands, differences and crossings, solved.py compares who solves what, accuracy.py how a problem's share of right answers
moves, gap.py has ΔSE, guessing.py the rare right answers that a person reads. study.py puts these together;
terminal.py, charts.py and page.py show it.
"""
