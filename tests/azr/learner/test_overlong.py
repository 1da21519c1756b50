"""DAPO's soft penalty for responses near their limit."""

import pytest

from azr.learner.overlong import overlong_penalty


@pytest.mark.parametrize(
    ("length", "penalty"), [(1, 0.0), (80, 0.0), (85, -0.25), (90, -0.5), (100, -1.0), (120, -1.0)]
)
def test_the_soft_overlong_penalty_by_hand(length: int, penalty: float) -> None:
    assert overlong_penalty(length, limit=100, buffer=20) == pytest.approx(penalty)


@pytest.mark.parametrize("buffer", [0, 101])
def test_a_buffer_that_makes_no_sense_is_refused(buffer: int) -> None:
    with pytest.raises(ValueError, match="buffer"):
        overlong_penalty(10, limit=100, buffer=buffer)
