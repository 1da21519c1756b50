"""What the learning rate is multiplied by at each optimizer step."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from torch.optim.lr_scheduler import LambdaLR

from azr.config.fields import LearnerConfig, Schedule
from azr.errors import UserError


def learning_rate_factor(config: LearnerConfig, total: int | None) -> Callable[[int], float]:
    """The factor of optimizer step 0, 1, ... of `total`, the most that the run can make.

    It rises to 1 over the warm-up, and from there stays, or falls on a line or on half a cosine, to reach 0 one step
    after the last. Raises UserError where a share or a fall needs `total` and there is none, or where the warm-up is
    given both in steps and as a share.
    """
    if config.warmup_steps and config.warmup_share:
        raise UserError("learner.warmup_steps and learner.warmup_share both say how long the warm-up is: set one to 0")
    if total is None and (config.warmup_share or config.schedule is not Schedule.CONSTANT):
        raise UserError("learner.schedule and learner.warmup_share need a run of known length")
    warmup = max(config.warmup_steps or math.ceil(config.warmup_share * (total or 0)), 1)
    falling = max((total or 0) - warmup, 1)

    def factor(step: int) -> float:
        if step + 1 <= warmup or config.schedule is Schedule.CONSTANT:
            return min(1.0, (step + 1) / warmup)
        left = max(1 - (step + 1 - warmup) / (falling + 1), 0.0)
        return left if config.schedule is Schedule.LINEAR else (1 - math.cos(math.pi * left)) / 2

    return factor


def take_up(schedule: LambdaLR, state: Mapping[str, Any]) -> None:
    """Go on at the optimizer step of `state`, a `state_dict`, by this schedule's own learning rate and course.

    What was saved may have had others: a run can be resumed with another `learner`.
    """
    courses = zip(schedule.base_lrs, schedule.lr_lambdas, strict=True)
    rates = [base * factor(state["last_epoch"]) for base, factor in courses]
    schedule.load_state_dict({**state, "base_lrs": schedule.base_lrs, "_last_lr": rates})
    for group, rate in zip(schedule.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
