"""pass@k against its definition, and the bootstrap against what must hold."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azr.evaluation.passk import bootstrap_interval, pass_at_k, per_problem


def brute_force(n: int, c: int, k: int) -> float:
    """The share of all k-subsets of n samples, c of them right, that hold a right one."""
    right = [True] * c + [False] * (n - c)
    subsets = list(combinations(right, k))
    return sum(any(subset) for subset in subsets) / len(subsets)


def test_agrees_with_the_average_over_all_subsets() -> None:
    for n in range(1, 13):
        for c in range(n + 1):
            for k in range(1, n + 1):
                assert pass_at_k(n, c, k) == pytest.approx(brute_force(n, c, k), abs=1e-12), (n, c, k)


def test_large_counts_stay_finite() -> None:
    # C(20000, 10000) has 6,000 digits; the product form never forms it.
    assert pass_at_k(20_000, 1, 10_000) == pytest.approx(0.5)
    assert pass_at_k(20_000, 0, 10_000) == 0.0
    assert pass_at_k(20_000, 10_001, 10_000) == 1.0


@pytest.mark.parametrize(("n", "c", "k"), [(3, 4, 1), (3, -1, 1), (3, 1, 4), (3, 1, 0)])
def test_impossible_counts_are_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="pass@k needs"):
        pass_at_k(n, c, k)


def test_per_problem_keeps_the_order() -> None:
    assert per_problem([(4, 4), (4, 0), (4, 2)], 1).tolist() == [1.0, 0.0, 0.5]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_interval_lies_within_the_values(values: list[float]) -> None:
    low, high = bootstrap_interval(np.array(values), resamples=50)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        values = (generator.random(100) < 0.3).astype(np.float64)
        low, high = bootstrap_interval(values, confidence=0.9, resamples=300, seed=trial)
        covered += low <= 0.3 <= high
    assert 0.84 <= covered / 200 <= 0.96


def test_problems_of_one_subject_are_drawn_together() -> None:
    """Two equal problems a subject say no more than one: the interval is that of the subjects."""
    values = np.array([0.0, 1.0, 0.0, 0.0, 1.0, 0.5, 0.25, 1.0, 0.0, 0.75])
    twice = np.repeat(values, 2)
    names = [f"p{n // 2:02}" for n in range(20)]
    assert bootstrap_interval(twice, subjects=names) == pytest.approx(bootstrap_interval(values))
    low, high = bootstrap_interval(twice)
    wide_low, wide_high = bootstrap_interval(twice, subjects=names)
    assert high - low < wide_high - wide_low


def test_a_subject_weighs_as_its_number_of_problems() -> None:
    low, high = bootstrap_interval(np.array([1.0, 1.0, 1.0, 0.0]), subjects=["a", "a", "a", "b"], resamples=4000)
    assert (low, high) == (0.0, 1.0)
    assert bootstrap_interval(np.array([0.5, 0.5, 0.5]), subjects=["a", "a", "b"]) == (0.5, 0.5)
