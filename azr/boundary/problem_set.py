"""The problems that a study is about: a benchmark's, a run's own tasks, a file's, or several of these together."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from azr.errors import UserError
from azr.evaluation.benchmark import AnyBenchmark, Area, DrawnBenchmark, Problem
from azr.evaluation.benchmarks import BENCHMARKS
from azr.evaluation.data import FOLDER_VARIABLE, data_places, load_problems
from azr.evaluation.small.asking import as_problem
from azr.evaluation.small.known import Question, grade_of
from azr.problems.given import Given
from azr.problems.sources import read_problems
from azr.training.run import RUNS


@dataclass(frozen=True)
class ProblemSet:
    """`problems` are all of them, as they are asked and judged, and `wanted` the ids of those that count.

    `benchmark.name` is the name of their files of samples, and a part of every sample's seed.
    """

    benchmark: AnyBenchmark
    problems: tuple[Problem, ...]
    wanted: frozenset[str]

    @cached_property
    def by_id(self) -> Mapping[str, Problem]:
        """All problems by their ids."""
        return {problem.task_id: problem for problem in self.problems}

    @cached_property
    def asked(self) -> list[Problem]:
        """The problems that count."""
        return [problem for problem in self.problems if problem.task_id in self.wanted]


def read_problem_set(names: Sequence[str], data: Sequence[str], limit: int | None) -> ProblemSet:
    """The problems of all sources; of each the first `limit` count. `data` is as azr eval's --data.

    A name is a benchmark's, or a source as in a config's rlvr.sources (azr/problems/sources.py). The problems of one
    benchmark keep their ids, so that azr eval's samples are the study's; of several sources, each id begins with its
    source's name. Raises UserError for a source that is none, whose answers aren't known, or that is called as another.
    """
    parts = [_read(name, data, names) for name in names]
    if len(names) == 1:
        return _of_one(names[0], *parts[0], limit)
    _refuse_equal(names, [name for name, _ in parts])
    pooled = [[replace(p, task_id=f"{name}:{p.task_id}") for p in problems] for name, problems in parts]
    together = [problem for part in pooled for problem in part]
    wanted = frozenset(problem.task_id for part in pooled for problem in part[:limit])
    return ProblemSet(_drawn("+".join(name for name, _ in parts), together), tuple(together), wanted)


def read_each(names: Sequence[str], data: Sequence[str], limit: int | None) -> dict[str, ProblemSet]:
    """A set of each source's own, by its name; `data` may be for any of them. Otherwise as `read_problem_set`."""
    return {name: _of_one(name, *_read(name, data, names), limit) for name in names}


def _of_one(source: str, name: str, problems: Sequence[Problem], limit: int | None) -> ProblemSet:
    benchmark = BENCHMARKS.get(source) or _drawn(name, problems)
    return ProblemSet(benchmark, tuple(problems), frozenset(problem.task_id for problem in problems[:limit]))


def _refuse_equal(sources: Sequence[str], names: Sequence[str]) -> None:
    for number, name in enumerate(names):
        if name in names[:number]:
            raise UserError(
                f"{sources[names.index(name)]} and {sources[number]} are both called {name}: rename one, or their "
                "problems would be mixed up"
            )


def _read(source: str, data: Sequence[str], names: Sequence[str]) -> tuple[str, list[Problem]]:
    """A source's name and its problems."""
    if source in BENCHMARKS:
        known = [BENCHMARKS[name] for name in names if name in BENCHMARKS]
        places = data_places(data, list(dict.fromkeys(part.name for one in known for part in one.sources)))
        return source, load_problems(BENCHMARKS[source], places)
    path = Path(source).expanduser()
    if not any(place.exists() for place in (path, RUNS / source, _data_folder() / source)):
        raise UserError(f"no benchmark {source}, and no file and no run; there are {', '.join(BENCHMARKS)}")
    name = path.stem if path.suffix else path.name
    if name in BENCHMARKS:
        raise UserError(f"{source} is called as the benchmark {name} is: rename it, or their samples would be mixed up")
    return name, [_as_problem(source, given) for given in read_problems([source])]


def _data_folder() -> Path:
    return Path(os.environ.get(FOLDER_VARIABLE, ""))


def _as_problem(source: str, given: Given) -> Problem:
    """A given problem as azr eval asks one; a task in the words of self-play's own styles, at any length."""
    if given.answer is None:
        raise UserError(f"{source}: the answer to {given.key} is not known, so nothing can be judged")
    if isinstance(given.asked, Problem):
        return given.asked
    key = given.key.removeprefix(f"{source}:")
    return replace(as_problem(Question(key, given.asked, grade_of(given.asked.program))), most_tokens={})


def _drawn(name: str, problems: Sequence[Problem]) -> DrawnBenchmark:
    return DrawnBenchmark(name, name, Area.REASONING, len(problems), (), lambda _: problems)
