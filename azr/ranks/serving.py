"""The other ranks' side: do what rank 0 tells, until it says that it is over.

Such a rank reads the config and the model for itself, and takes from rank 0 what it should start with: the weights,
and the optimizer's state. It needs no disk in common with it, and writes nothing.
"""

import signal
from collections.abc import Callable
from contextlib import suppress

from azr.config.fields import Config
from azr.learner import Learner
from azr.policy.model import Policy
from azr.ranks.group import Ranks
from azr.ranks.leading import End, Generate, Learn, take_start
from azr.rollout.engine import Engine

Opener = Callable[[Config, Ranks], tuple[Policy, Learner, Callable[[], Engine]]]


def serve(ranks: Ranks, open_parts: Opener) -> None:
    """Work for rank 0 until it ends. `open_parts` makes the policy, the learner, and, once both are as rank 0 has
    them, the engine.

    Ctrl-C and SIGTERM reach all ranks of a launcher: rank 0 finishes the step, saves and ends the run, so here they are
    let pass. Raises RankLostError where a rank is gone.
    """
    with suppress(ValueError):  # only the main thread may
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    config = ranks.hear()
    if isinstance(config, End):
        return
    policy, learner, open_engine = open_parts(config, ranks)
    take_start(ranks, policy, learner)
    engine = open_engine()
    try:
        while not isinstance(told := ranks.hear(), End):
            _do(told, ranks, policy, learner, engine)
    finally:
        engine.close()


def _do(told: object, ranks: Ranks, policy: Policy, learner: Learner, engine: Engine) -> None:
    match told:
        case Generate(shares):
            ranks.gather(engine.generate(shares[ranks.rank]))
        case Learn(samples):
            engine.rest()
            learner.step(samples)
            engine.update_weights(policy.model)
        case _:
            raise ValueError(f"rank 0 told what no rank knows: {told!r}")
