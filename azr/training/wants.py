"""What a config's estimators want of those who play, and whether the run's methods do it."""

from collections.abc import Mapping, Sequence

from azr.config.fields import Config
from azr.errors import UserError
from azr.learner.algorithms import ALGORITHMS
from azr.learner.formula import estimators, refill_rounds
from azr.methods.catalogue import rooms
from azr.methods.method import Room, Wants
from tasks.triplet import Role


def wants(config: Config) -> Mapping[Role, Wants]:
    """What each role's estimator wants. Raises UserError where a method of the run can't do it."""
    asked = {
        role: Wants(ALGORITHMS[name].greedy_baseline, refill_rounds(config.learner, name))
        for role, name in estimators(config.learner).items()
    }
    playing = dict(zip(config.methods, rooms(config), strict=True))
    for role, one in asked.items():
        for method, room in playing.items():
            if one.baseline and role not in room.baselines:
                raise UserError(_no_baselines(config, role, method))
    _check_refilling(config, list(playing.values()))
    _check_copy_penalty(config)
    return asked


def _no_baselines(config: Config, role: Role, method: str) -> str:
    name = estimators(config.learner)[role]
    return (
        f"{name} for {role} wants a greedy answer to each prompt, which {method} does not ask for:"
        f" choose another learner.{role}.estimator"
    )


def _check_refilling(config: Config, playing: Sequence[Room]) -> None:
    """A limit that is asked for must be somebody's; dapo's own, where nobody refills, means nothing."""
    if config.learner.refill_rounds and not any(room.refills for room in playing):
        raise UserError(
            f"learner.refill_rounds={config.learner.refill_rounds}, but {', '.join(config.methods)} can't replace"
            " prompts without spread: methods with given problems can (rlvr, ttrl)"
        )


def _check_copy_penalty(config: Config) -> None:
    name = estimators(config.learner)[Role.SOLVE]
    if config.solver.copy_penalty and ALGORITHMS[name].failures_alike:
        raise UserError(
            f"solver.copy_penalty={config.solver.copy_penalty}, but to {name} all wrong answers are alike: set it to 0,"
            " or choose another learner.solve.estimator"
        )
