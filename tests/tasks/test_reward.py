"""The rewards, computed by hand."""

import pytest

from tasks.reward import learnability, proposer_reward, solve_rate, solver_reward, validity_reward
from tasks.seed import identity
from tasks.triplet import Rejection, TaskType, Verdict
from tasks.validation import UNPARSABLE

R, W, U = Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED


@pytest.mark.parametrize(("rate", "reward"), [(0, 0), (1, 0), (0.125, 0.875), (0.5, 0.5), (0.875, 0.125)])
def test_learnability_is_highest_for_tasks_that_are_rarely_solved(rate: float, reward: float) -> None:
    assert learnability(rate) == reward


def test_solve_rate_is_the_share_of_right_answers() -> None:
    assert solve_rate([R, W, U, R]) == 0.5


@pytest.mark.parametrize(("verdict", "reward"), [(R, 1.0), (W, -0.5), (U, -1.0)])
def test_solver_is_paid_by_verdict(verdict: Verdict, reward: float) -> None:
    assert solver_reward(verdict) == reward


@pytest.mark.parametrize(
    ("verdicts", "reward"), [([R] * 8, 0.0), ([W] * 8, 0.0), ([R] + [W] * 7, 0.875), ([R] * 6 + [W, U], 0.25)]
)
def test_proposer_of_a_valid_task_is_paid_its_learnability(verdicts: list[Verdict], reward: float) -> None:
    assert proposer_reward(identity(TaskType.DEDUCTION), verdicts) == reward


def test_proposer_of_no_task_pays() -> None:
    assert proposer_reward(Rejection("timeout")) == -0.5
    assert proposer_reward(UNPARSABLE) == -1.0


def test_a_valid_task_that_nobody_tries_is_paid_in_full() -> None:
    assert validity_reward(identity(TaskType.DEDUCTION)) == 1.0
    assert validity_reward(Rejection("call_error", "boom")) == -0.5
    assert validity_reward(UNPARSABLE) == -1.0
