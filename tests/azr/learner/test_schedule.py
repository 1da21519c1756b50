"""Learning rates over a run's steps."""

import math

import pytest

from azr.config.fields import LearnerConfig, Schedule
from azr.errors import UserError
from azr.learner.schedule import learning_rate_factor


def factors(config: LearnerConfig, steps: int) -> list[float]:
    factor = learning_rate_factor(config, steps)
    return [factor(step) for step in range(steps)]


def test_constant_without_a_warmup_is_constant() -> None:
    assert factors(LearnerConfig(), 4) == [1, 1, 1, 1]


def test_a_linear_fall_by_hand() -> None:
    config = LearnerConfig(schedule=Schedule.LINEAR, warmup_steps=2)
    assert factors(config, 5) == pytest.approx([0.5, 1, 3 / 4, 2 / 4, 1 / 4])


def test_half_a_cosine_by_hand() -> None:
    config = LearnerConfig(schedule=Schedule.COSINE, warmup_steps=1)
    expected = [1, *((1 + math.cos(math.pi * share)) / 2 for share in (1 / 4, 2 / 4, 3 / 4))]
    assert factors(config, 4) == pytest.approx(expected)


def test_a_warmup_as_a_share_of_all_steps() -> None:
    config = LearnerConfig(schedule=Schedule.COSINE, warmup_share=0.03)
    assert factors(config, 100)[:4] == pytest.approx([1 / 3, 2 / 3, 1, (1 + math.cos(math.pi / 98)) / 2])


@pytest.mark.parametrize("schedule", [Schedule.LINEAR, Schedule.COSINE])
def test_every_step_of_the_run_still_learns_and_none_after_it(schedule: Schedule) -> None:
    config = LearnerConfig(schedule=schedule)
    assert min(factors(config, 7)) > 0
    assert learning_rate_factor(config, 7)(7) == pytest.approx(0, abs=1e-12)
    assert learning_rate_factor(config, 7)(70) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("config", [LearnerConfig(schedule=Schedule.LINEAR), LearnerConfig(warmup_share=0.1)])
def test_a_fall_or_a_share_wants_the_runs_length(config: LearnerConfig) -> None:
    with pytest.raises(UserError, match="known length"):
        learning_rate_factor(config, None)


def test_two_warmups_are_refused() -> None:
    with pytest.raises(UserError, match="warmup_share"):
        learning_rate_factor(LearnerConfig(warmup_steps=3, warmup_share=0.1), 10)
