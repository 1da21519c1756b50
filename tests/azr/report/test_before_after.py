"""Means before and after with paired intervals."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azr.report.before_after import Problem, row

SHARES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12)


def width(estimate):
    return estimate.high - estimate.low


@given(SHARES)
def test_means_are_means_and_no_interval_leaves_the_values(shares):
    found = row("all", [Problem(f"p{number}", pair) for number, pair in enumerate(shares)])
    before, after = zip(*shares, strict=True)
    assert found.right.before.value == pytest.approx(sum(before) / len(before))
    assert found.right.difference.value == pytest.approx(found.right.after.value - found.right.before.value)
    for estimate, values in (
        (found.right.before, before),
        (found.right.after, after),
        (found.right.difference, [b - a for a, b in shares]),
    ):
        assert min(values) - 1e-9 <= estimate.low <= estimate.high <= max(values) + 1e-9
    assert (found.problems, found.known, found.tokens) == (len(shares), len(shares), None)


def test_what_every_problem_gains_is_sure_however_different_they_are():
    found = row("all", [Problem(f"p{number}", (number / 20, number / 20 + 0.1)) for number in range(10)])
    assert (found.right.difference.low, found.right.difference.high) == pytest.approx((0.1, 0.1))
    assert width(found.right.before) > 0.1


def test_questions_about_one_program_count_as_one():
    dice = random.Random(0)
    gains = [dice.random() for _ in range(30)]
    together = row("all", [Problem(f"p{n}#{asked}", (0, gain)) for n, gain in enumerate(gains) for asked in range(4)])
    apart = row("all", [Problem(f"p{n}/{asked}", (0, gain)) for n, gain in enumerate(gains) for asked in range(4)])
    assert width(together.right.difference) == pytest.approx(2 * width(apart.right.difference), rel=0.15)


def test_problems_that_nobody_knows_have_lengths_alone():
    found = row("all", [Problem("a", None, (4, 2)), Problem("b", (0, 1), (8, 2))])
    assert (found.problems, found.known, found.right.after.value) == (2, 1, 1)
    assert (found.tokens.before.value, found.tokens.after.value) == (6, 2)
