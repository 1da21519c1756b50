"""What the two roles are paid (Zhao et al. 2025, arXiv 2505.03335, section 3.1, equations 4 to 6)."""

from collections.abc import Sequence

from tasks.triplet import Rejection, Triplet, Verdict

RIGHT = 1.0
WELL_FORMED_BUT_WRONG = -0.5
UNPARSED = -1.0


def learnability(solve_rate: float) -> float:
    """Equation 4: 0 for a task that the solver always or never solves, else 1 - solve_rate.

    `solve_rate` is the mean accuracy of n Monte Carlo answers, from 0 to 1.
    """
    return 0.0 if solve_rate in (0.0, 1.0) else 1.0 - solve_rate


def solve_rate(verdicts: Sequence[Verdict]) -> float:
    """The share of right answers. Raises ZeroDivisionError if there is none to judge by."""
    return sum(verdict is Verdict.RIGHT for verdict in verdicts) / len(verdicts)


def solver_reward(verdict: Verdict) -> float:
    """Equations 5 and 6: 1 right, -0.5 wrong, -1 unparsed."""
    return {Verdict.RIGHT: RIGHT, Verdict.WRONG: WELL_FORMED_BUT_WRONG, Verdict.UNPARSED: UNPARSED}[verdict]


def proposer_reward(outcome: Triplet | Rejection, verdicts: Sequence[Verdict] = ()) -> float:
    """Equations 4 and 6: the learnability of a valid task by `verdicts`, -0.5 for an invalid one, -1 unparsed."""
    return _rejected(outcome) if isinstance(outcome, Rejection) else learnability(solve_rate(verdicts))


def validity_reward(outcome: Triplet | Rejection) -> float:
    """Ours, for a proposer that is to write valid tasks before anybody solves them: 1 for one, else as equation 6."""
    return _rejected(outcome) if isinstance(outcome, Rejection) else RIGHT


def _rejected(outcome: Rejection) -> float:
    return WELL_FORMED_BUT_WRONG if outcome.well_formed else UNPARSED
