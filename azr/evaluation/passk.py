"""pass@k and its uncertainty.

pass@k is the chance that at least one of k samples is right. With c of n samples right its unbiased estimate is
1 − C(n−c, k) / C(n, k) (Chen et al. 2021, arXiv 2107.03374, section 2.1), averaged over problems.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_AT_ONCE = 100  # resamples that are drawn together


def pass_at_k(n: int, c: int, k: int) -> float:
    """The estimate for one problem with `c` of `n` samples right, 1 ≤ k ≤ n.

    The quotient of binomials is the product over i = n−c+1 … n of (1 − k/i): every factor is in [0, 1].
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass@k needs 0 <= c <= n and 1 <= k <= n, got n={n}, c={c}, k={k}")
    if n - c < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def per_problem(counts: Sequence[tuple[int, int]], k: int) -> Floats:
    """pass@k of each problem from its (n, c), shape [problems]. A problem with fewer than k samples is a ValueError."""
    return np.array([pass_at_k(n, c, k) for n, c in counts], dtype=np.float64)


def bootstrap_means(values: Floats, resamples: int, seed: int) -> Floats:
    """Means of `resamples` resamples of the problems, shape [resamples].

    The same seed and number of problems draw the same problems, so two systems' means can be subtracted pair by pair.
    """
    generator = np.random.default_rng(seed)
    count = len(values)
    parts = [min(_AT_ONCE, resamples - start) for start in range(0, resamples, _AT_ONCE)]
    return np.concatenate([values[generator.integers(0, count, (rows, count))].mean(axis=1) for rows in parts])


def bootstrap_interval(
    values: Floats,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    subjects: Sequence[str] | None = None,
) -> tuple[float, float]:
    """The percentile interval of the mean over problems (Efron and Tibshirani 1993, chapter 13).

    Problems of one subject are drawn together, since they are not independent: each weighs as its number of problems.
    """
    tail = 50.0 * (1.0 - confidence)
    if subjects is None or len(set(subjects)) == len(subjects):
        means = bootstrap_means(values, resamples, seed)
    else:
        _, which = np.unique(np.array(subjects), return_inverse=True)
        sums = np.bincount(which, weights=values).astype(np.float64)
        sizes = np.bincount(which).astype(np.float64)
        means = bootstrap_means(sums, resamples, seed) / bootstrap_means(sizes, resamples, seed)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return float(low), float(high)
