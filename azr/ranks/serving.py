"""The other ranks' side: do what rank 0 tells, until it says that it is over.

Such a rank reads the config, the style and the model for itself, and takes from rank 0 what it should start with: the
weights, and the optimizer's state. It needs no disk in common with it, and writes nothing.
"""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from azr.config.fields import Config
from azr.learner import Learner
from azr.ranks.group import Ranks
from azr.ranks.leading import End, GatherState, GatherWeights, Learn
from azr.rollout.asking import Ask, Table, share_and_judge

Opener = Callable[[Config, Ranks], AbstractContextManager[tuple[Table, Learner]]]


def serve(ranks: Ranks, open_served: Opener) -> None:
    """Work for rank 0 until it ends. `open_served` opens what this rank works with, as rank 0 has it.

    Ctrl-C and SIGTERM reach all ranks of a launcher: rank 0 finishes the step, saves and ends the run, so here they are
    let pass. Raises RankLostError where a rank is gone.
    """
    with suppress(ValueError):  # only the main thread may
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    config = ranks.hear()
    if isinstance(config, End):
        return
    with open_served(config, ranks) as (table, learner):
        while not isinstance(told := ranks.hear(), End):
            _do(told, table, learner)


def _do(told: object, table: Table, learner: Learner) -> None:
    match told:
        case Ask(cases):
            share_and_judge(table, cases, _unwatched)
        case Learn(samples):
            table.engine.rest()
            learner.step(samples)
            table.engine.update_weights(table.policy.model)
        case GatherState():
            learner.state_dict()
        case GatherWeights():
            learner.weights()
        case _:
            raise ValueError(f"rank 0 told what no rank knows: {told!r}")


def _unwatched(done: int, total: int | None = None) -> None:
    """Rank 0 has the progress bar."""
