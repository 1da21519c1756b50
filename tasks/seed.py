"""Where self-play begins: the identity function, as a task of each type (Zhao et al. 2025, section 3.3.1)."""

from tasks.triplet import TaskType, Triplet

_PROGRAM = "def f(x):\n    return x"
_VALUES = ("'Hello World'", "7", "[1, 2, 3]", "{'a': 1}")


def identity(type: TaskType) -> Triplet:
    """The one task that nobody had to propose."""
    if type is TaskType.INDUCTION:
        return Triplet(type, _PROGRAM, _VALUES, _VALUES, "It gives back what it is given.")
    return Triplet(type, _PROGRAM, _VALUES[:1], _VALUES[:1])
