"""More tasks from one program: other inputs of the same types, run in the sandbox.

A small model writes few different valid programs, and learns the answers to few tasks by heart (docs/learning.md). But
a program asks as many questions as there are inputs for it. What varies is the input alone, by a fixed rule; nobody is
paid for these tasks, and no proposer is shown them.
"""

from azr.config.fields import ProposeConfig
from azr.evaluation.flaws import find_flaws, varied_inputs
from sandbox import CallStatus, Job, Sandbox
from tasks.triplet import TaskType, Triplet

_SECONDS = 1.0  # for all inputs of a program
_LONGEST = 60  # characters of an output: a small solver's answer
_EMPTY = {"''", "[]", "()", "{}", "set()", "None"}  # says nothing of the program


def variations(sandbox: Sandbox, triplet: Triplet, config: ProposeConfig) -> tuple[Triplet, ...]:
    """Tasks of the program of `triplet` with up to `config.variations` other inputs, of each type that is proposed.

    Those with a flaw that `config.refuse` names are left out. None for induction, which has several inputs already.
    Blocking, thread safe.
    """
    if not config.variations or triplet.type is TaskType.INDUCTION:
        return ()
    types = [task_type for task_type in config.types if task_type is not TaskType.INDUCTION]
    found: list[Triplet] = []
    for given, output in _pairs(sandbox, triplet, config)[: config.variations]:
        asked = [Triplet(task_type, triplet.program, (given,), (output,)) for task_type in types]
        found += [task for task in asked if not set(find_flaws(sandbox, task)) & set(config.refuse)]
    return tuple(found)


def _pairs(sandbox: Sandbox, triplet: Triplet, config: ProposeConfig) -> list[tuple[str, str]]:
    """Inputs that work, the same in every run, with their outputs."""
    inputs = varied_inputs(triplet.input)
    if not inputs:
        return []
    job = Job(triplet.program, tuple(inputs), repeats=config.determinism_runs, timeout_s=_SECONDS)
    return [
        (given, call.value)
        for given, call in zip(inputs, sandbox.run(job).calls, strict=False)  # a rejected job has no calls
        if call.status is CallStatus.OK
        and call.value is not None
        and len(call.value) <= _LONGEST
        and call.value not in _EMPTY
    ]
