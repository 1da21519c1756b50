"""pass@k at every k against the one-by-one estimate; bands and crossings against what is true of a known population."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azr.boundary.curves import EVERY_K, band, crossing, difference, k_grid, pass_at_ks, resample
from azr.evaluation.passk import bootstrap_means, pass_at_k, per_problem

problems = st.lists(
    st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=1, max_size=8
)


def resampled(*sides, resamples=500):
    """Sides of (samples, right ones) by problem, resampled together."""
    arrays = [(np.array([n for n, _ in side]), np.array([c for _, c in side])) for side in sides]
    grid = k_grid([int(n.min()) for n, _ in arrays])
    ks = [grid[grid <= n.min()] for n, _ in arrays]
    return resample([pass_at_ks(n, c, k) for (n, c), k in zip(arrays, ks, strict=True)], ks, resamples)


@given(problems)
@settings(max_examples=60, deadline=None)
def test_every_k_at_once_agrees_with_one_by_one(counts):
    n, right = np.array([n for n, _ in counts]), np.array([c for _, c in counts])
    ks = np.arange(1, n.min() + 1)
    expected = [[pass_at_k(a, c, int(k)) for k in ks] for a, c in counts]
    assert pass_at_ks(n, right, ks) == pytest.approx(np.array(expected), abs=1e-12)


def test_large_numbers_stay_exact():
    values = pass_at_ks(np.array([20_000, 20_000]), np.array([1, 10_001]), np.array([1, 10_000, 20_000]))
    assert values == pytest.approx(np.array([[1 / 20_000, 0.5, 1.0], [0.50005, 1.0, 1.0]]))


def test_a_k_beyond_the_samples_is_refused():
    with pytest.raises(ValueError, match="pass@k needs"):
        pass_at_ks(np.array([8, 4]), np.array([1, 1]), np.array([1, 5]))


@given(st.lists(st.integers(1, 50_000), min_size=1, max_size=4))
@settings(deadline=None)
def test_the_grid_has_every_small_k_and_every_end_once(ends):
    grid = k_grid(ends)
    assert list(grid[:EVERY_K]) == list(range(1, min(max(ends), EVERY_K) + 1))[: len(grid)]
    assert set(ends) <= set(grid.tolist())
    assert grid[-1] == max(ends)
    assert (np.diff(grid) > 0).all()


def test_the_band_is_the_bootstrap_over_problems():
    counts = [(16, c) for c in (0, 0, 1, 2, 5, 9, 16, 3, 0, 12, 7, 1)]
    found = band(resampled(counts, resamples=4000)[0])
    for column in (0, 3, 15):
        means = bootstrap_means(per_problem(counts, column + 1), 4000, seed=1)
        assert (found.low[column], found.high[column]) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.02)
        assert found.value[column] == pytest.approx(per_problem(counts, column + 1).mean())


def test_differences_are_paired():
    hard_and_easy = [(10, 0), (10, 10)] * 20
    other = [(10, 1), (10, 10)] * 20
    a, b = resampled(hard_and_easy, other)
    assert band(a).high[0] - band(a).low[0] > 0.2  # which problems are drawn decides it
    assert difference(a, b).high[0] - difference(a, b).low[0] < 0.05  # but not the difference


def test_a_crossing_is_the_first_k_at_which_the_other_is_ahead():
    # Of ten problems the base solves all, each with one sample of eight; the other six, always.
    base, trained = [(8, 1)] * 10, [(8, 8)] * 6 + [(8, 0)] * 4
    a, b = resampled(base, trained, resamples=2000)
    found = crossing(a, b)
    # pass@k of the base is k/8: 4/8 < 0.6 < 5/8
    assert (found.ahead, found.k, found.last, found.crossings) == (1, 5, 8, 1)
    # In a resample m of ten draws are solvable for the trained; the base is ahead from the first k with k/8 > m/10.
    draws = np.random.default_rng(9).binomial(10, 0.6, 100_000)
    expected = np.floor(8 * draws / 10) + 1
    assert [found.low, found.high] == list(np.percentile(expected, [2.5, 97.5], method="inverted_cdf"))
    assert crossing(b, a).ahead == 0
    assert crossing(b, a).k == 5


def test_no_crossing_is_said_to_be_none_and_how_often_resamples_cross():
    behind = [(64, c) for c in (0, 0, 1, 3, 8, 20, 40, 64)] * 5
    ahead = [(64, c) for c in (1, 2, 3, 8, 20, 40, 60, 64)] * 5
    found = crossing(*resampled(behind, ahead))
    assert (found.ahead, found.k, found.low, found.high, found.share) == (1, None, None, None, 0.0)
    base = [(16, 1)] * 30 + [(16, 0)] * 10
    trained = [(16, 0)] * 4 + [(16, 16)] * 32 + [(16, 0)] * 4
    a, b = resampled(base, trained, resamples=2000)
    found = crossing(a, b)
    assert found.k is None
    assert 0.0 < found.share < 1.0
    assert found.low is not None  # some resamples do cross, so a crossing below the last k is not excluded
    assert found.high is None


def test_equal_sides_don_t_differ():
    counts = [(32, c) for c in (0, 3, 9, 32)]
    found = crossing(*resampled(counts, counts))
    assert (found.ahead, found.k, found.share) == (None, None, 0.0)


def test_sides_with_different_numbers_of_samples_meet_where_both_have_some():
    a, b = resampled([(64, 8)] * 5, [(16, 4)] * 5)
    assert len(band(a).ks) == 64
    assert list(difference(a, b).ks) == list(range(1, 17))


def test_questions_about_one_thing_are_drawn_together():
    """Four equal questions about each of twelve things tell no more than one, and are no surer."""
    n, right = np.full(12, 16), np.array([0, 0, 1, 2, 5, 9, 16, 3, 0, 12, 7, 1])
    ks = np.arange(1, 17)
    sides = [pass_at_ks(n, right, ks), pass_at_ks(n, right[::-1].copy(), ks)]
    four = [np.repeat(side, 4, axis=0) for side in sides]
    names = [f"p{number // 4}" for number in range(48)]
    once = resample(sides, [ks, ks])
    together = resample(four, [ks, ks], subjects=names)
    apart = resample(four, [ks, ks])
    for alone, grouped, split in zip(once, together, apart, strict=True):
        assert grouped.value == pytest.approx(alone.value)
        assert grouped.means == pytest.approx(alone.means)
        widths = [(band(side).high - band(side).low)[0] for side in (grouped, split)]
        assert widths[0] == pytest.approx(2 * widths[1], rel=0.15)
    assert crossing(*together) == crossing(*once)
    shuffled = np.random.default_rng(0).permutation(48)
    mixed = resample([side[shuffled] for side in four], [ks, ks], subjects=[names[i] for i in shuffled])
    assert difference(*mixed).low == pytest.approx(difference(*together).low, abs=0.02)


def test_a_subject_weighs_as_many_problems_as_it_has():
    ks = np.array([1])
    values = np.array([[1.0], [1.0], [1.0], [0.0]])
    (found,) = resample([values], [ks], subjects=["a", "a", "a", "b"])
    assert set(np.round(found.means[:, 0], 6)) == {0.0, 0.75, 1.0}  # b twice, both once, a twice
    assert found.value[0] == 0.75


@pytest.mark.slow
def test_intervals_hold_what_is_true_about_as_often_as_they_say():
    """A population with known shares: the base rarely but widely right, the trained surer and narrower."""
    generator = np.random.default_rng(4)
    ks = np.arange(1, 65)

    def population(size):
        base = generator.beta(0.3, 1.5, size)
        lost = (base < 0.15) & (generator.random(size) < 0.5)
        return base, np.where(lost, 0.0, base**0.6)

    many = population(300_000)
    true = [np.array([(1 - (1 - p) ** k).mean() for k in ks]) for p in many]
    true_crossing = int(ks[np.flatnonzero(true[0] > true[1])[0]])
    tries, in_band, in_difference, in_crossing = 200, 0, 0, 0
    for seed in range(tries):
        sides = [pass_at_ks(np.full(60, 64), generator.binomial(64, p), ks) for p in population(60)]
        a, b = resample(sides, [ks, ks], 800, seed)
        curve, between, crossed = band(a), difference(a, b), crossing(a, b)
        in_band += curve.low[15] <= true[0][15] <= curve.high[15]
        in_difference += between.low[-1] <= true[1][-1] - true[0][-1] <= between.high[-1]
        in_crossing += (crossed.low or np.inf) <= true_crossing <= (crossed.high or np.inf)
    for held in (in_band, in_difference, in_crossing):
        assert held / tries >= 0.88
    assert in_band / tries < 0.995  # and they are not so wide that they could not fail
