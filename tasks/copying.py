"""Tasks that give their answer away: what can be told from a triplet alone, without running anything."""

from sandbox import equal, read_arguments, read_value
from tasks.triplet import Triplet


def copies(triplet: Triplet) -> bool:
    """Whether every output is, by value, one of the arguments of its call, as the identity function's is.

    Raises NotDataError where an input or output is not canonical text, as no validated task's is.
    """
    return all(_is_argument(given, output) for given, output in zip(triplet.inputs, triplet.outputs, strict=True))


def _is_argument(given: str, output: str) -> bool:
    value, arguments = read_value(output), read_arguments(given)
    return any(equal(value, argument) for argument in [*arguments.positional, *arguments.keywords.values()])
