"""Small programs, asked as deduction (-d), abduction (-a) and induction (-i), in two halves.

small-own-…: functions of our own, which come with azr. small-public-…: short ones from MBPP+ and CRUXEval. The -tune
halves are for looking at while one tunes; results are reported on the -held halves.
"""

from collections.abc import Sequence
from functools import lru_cache, partial

from azr.config.choices import Half
from azr.evaluation.benchmark import Area, DrawnBenchmark, Problem
from azr.evaluation.benchmarks.cruxeval import CRUXEVAL_O
from azr.evaluation.benchmarks.mbpp_plus import MBPP_PLUS
from azr.evaluation.data import DataPlaces, load_rows
from azr.evaluation.small.asking import as_problem
from azr.evaluation.small.drawing import draw, from_cruxeval, from_mbpp_plus
from azr.evaluation.small.known import KnownProgram, half_of, questions
from azr.evaluation.small.own import own_programs
from sandbox import Sandbox
from tasks.triplet import TaskType

OWN, PUBLIC = "small-own", "small-public"
SETS = (OWN, PUBLIC)


def small_programs(name: str, places: DataPlaces) -> Sequence[KnownProgram]:
    """All programs of one of SETS. Raises UserError where the public data can't be had."""
    return own_programs() if name == OWN else _drawn(places)


@lru_cache(maxsize=1)
def _drawn(places: DataPlaces) -> tuple[KnownProgram, ...]:
    candidates = [
        *from_mbpp_plus(list(load_rows(MBPP_PLUS, places))),
        *from_cruxeval(list(load_rows(CRUXEVAL_O, places))),
    ]
    with Sandbox() as sandbox:
        return tuple(draw(sandbox, candidates, known=[program.code for program in own_programs()]))


def _problems(name: str, task_type: TaskType, half: Half, places: DataPlaces) -> list[Problem]:
    programs = [program for program in small_programs(name, places) if half_of(program) is half]
    return [as_problem(question) for program in programs for question in questions(program, task_type)]


def _benchmark(name: str, task_type: TaskType, half: Half, size: int) -> DrawnBenchmark:
    whose = {OWN: "Own", PUBLIC: "Public"}[name]
    return DrawnBenchmark(
        name=f"{name}-{task_type[0]}-{half}",
        title=f"{whose} {task_type}",
        area=Area.REASONING,
        size=size,
        sources=() if name == OWN else (MBPP_PLUS, CRUXEVAL_O),
        draw=partial(_problems, name, task_type, half),
    )


# Questions in the halves (tune, held) of each set. The public programs are asked about two inputs each.
_SIZES = {
    (OWN, TaskType.DEDUCTION): (123, 130),
    (OWN, TaskType.ABDUCTION): (123, 130),
    (OWN, TaskType.INDUCTION): (123, 130),
    (PUBLIC, TaskType.DEDUCTION): (376, 364),
    (PUBLIC, TaskType.ABDUCTION): (376, 364),
    (PUBLIC, TaskType.INDUCTION): (161, 160),
}

SMALL = {
    half: tuple(_benchmark(name, kind, half, sizes[number]) for (name, kind), sizes in _SIZES.items())
    for number, half in enumerate((Half.TUNE, Half.HELD))
}
