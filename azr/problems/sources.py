"""The one door through which problems come.

A source is a benchmark's name (`azr eval`'s), a run's folder or its name in runs/, a file in TTRL's shape (.json: a
list, else JSON lines, of {"prompt", "answer", "id", "level"}, all but the prompt optional; the authors of
arXiv 2504.16084 publish theirs so), or a seed file (docs/buffer.md). A file may also lie in the folder that AZR_DATA
names.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from azr.browse.folders import find_run, reading
from azr.buffer import stored_task
from azr.buffer.schema import TASK_COLUMNS
from azr.buffer.seed_file import read_seed_files
from azr.errors import UserError
from azr.evaluation.benchmark import AnyBenchmark, Problem, PromptForm
from azr.evaluation.benchmarks import BENCHMARKS
from azr.evaluation.data import FOLDER_VARIABLE, data_places, load_problems
from azr.evaluation.images import refuse_images
from azr.evaluation.judging.letter_answer import LetterAnswer
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.judging.task_answer import TaskAnswer
from azr.evaluation.prompts import math_question
from azr.json_lines import JsonLine, read_json_lines
from azr.problems.given import Given
from azr.training.run import RUNS
from sandbox import Sandbox
from tasks.kinds import KINDS
from tasks.triplet import TaskType, Triplet


def read_problems(
    sources: Sequence[str],
    data: Sequence[str] = (),
    *,
    beside: Sequence[str] = (),
    answers: bool = True,
    limit: int | None = None,
) -> list[Given]:
    """The problems of all sources, in their order; of each the first `limit`, or all.

    `data` is as `azr eval`'s --data; it may also be for sources that are read elsewhere, `beside` these. Without
    `answers` what is known of them is kept back. Raises UserError for a source that is none, can't be read, or holds
    nothing.
    """
    known = [BENCHMARKS[name] for name in (*sources, *beside) if name in BENCHMARKS]
    origins = list(dict.fromkeys(origin.name for benchmark in known for origin in benchmark.sources))
    found: list[Given] = []
    for source in sources:
        given = _read(source, data, origins)[:limit]
        if not given:
            raise UserError(f"{source} holds no problems")
        found += given
    return found if answers else [_kept_back(problem) for problem in found]


def _read(source: str, data: Sequence[str], origins: Sequence[str]) -> list[Given]:
    """The problems of one source; `origins` are the published sets that `data` may be for."""
    if source in BENCHMARKS:
        benchmark = BENCHMARKS[source]
        return [_of_benchmark(benchmark, problem) for problem in load_problems(benchmark, data_places(data, origins))]
    path = Path(source).expanduser()
    for place in (path, Path(os.environ.get(FOLDER_VARIABLE, "")) / path):
        if place.is_file():
            return _of_file(place)
    if path.is_dir() or (RUNS / source).is_dir():
        with reading(find_run(source)) as db:
            rows = db.execute(f"SELECT {TASK_COLUMNS} FROM task ORDER BY id").fetchall()
        return [_of_task(f"{source}:{row[0]}", stored_task(row).triplet) for row in rows]
    raise UserError(
        f"no problems in {source}: it is no benchmark's name, no run, and no file here"
        f" or in the folder that {FOLDER_VARIABLE} names"
    )


def _kept_back(problem: Given) -> Given:
    return Given(problem.key, problem.question, problem.asked, problem.check, None, problem.level)


def _of_benchmark(benchmark: AnyBenchmark, problem: Problem) -> Given:
    refuse_images([problem], f"training on {benchmark.name}")
    check = problem.check
    answer = getattr(check, "reference", getattr(check, "output", ""))
    if isinstance(check, TaskAnswer):
        answer = check.task.input if check.task.type is TaskType.ABDUCTION else check.task.output
    level = "" if problem.grade is None else str(problem.grade)
    question = problem.prompts[PromptForm.REASONING].text
    return Given(f"{benchmark.name}:{problem.task_id}", question, problem, check, str(answer), level)


def _of_file(path: Path) -> list[Given]:
    rows = _rows(path)
    if any("snippet" in row for row in rows):
        return _of_seeds(path)
    choice = all(isinstance(row.get("answer"), str) and re.fullmatch(r"[A-J]", row["answer"].strip()) for row in rows)
    return [_of_row(path, number, row, choice) for number, row in enumerate(rows)]


def _rows(path: Path) -> list[Mapping[str, Any]]:
    rows = _listed(path) if path.suffix == ".json" else [_value(path, line) for line in read_json_lines(path)]
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path}: every problem is a JSON object")
    return rows


def _listed(path: Path) -> list[Any]:
    try:
        rows = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read as JSON ({error})") from None
    return rows if isinstance(rows, list) else [rows]


def _value(path: Path, line: JsonLine) -> Any:
    if line.fault:
        raise UserError(f"{path}, line {line.number}: {line.fault}")
    return line.value


def _of_row(path: Path, number: int, row: Mapping[str, Any], choice: bool) -> Given:
    question, known = row.get("prompt"), row.get("answer")
    if not isinstance(question, str):
        raise UserError(f"{path}: problem {number + 1} has no prompt")
    # Without an answer nothing equals the reference; what the check reads is all that counts then.
    reference = "" if known is None else str(known)
    check = LetterAnswer(reference) if choice else MathAnswer(reference)
    key = f"{path.stem}:{row.get('id', row.get('unique_id', number))}"
    problem = Problem(key, math_question(question), check)
    return Given(key, question, problem, check, None if known is None else reference, _level(path, row))


def _level(path: Path, row: Mapping[str, Any]) -> str:
    """The row's own level, else the file's: MATH-L3-TTT.json holds the problems of level 3."""
    in_name = re.search(r"(?:^|[-_])L(\d)(?:[-_]|$)", path.stem)
    return str(row["level"]) if "level" in row else in_name[1] if in_name else ""


def _of_seeds(path: Path) -> list[Given]:
    """The tasks of a seed file that validate; their outputs are computed anew."""
    proposals = read_seed_files([str(path)])
    with Sandbox() as sandbox, ThreadPoolExecutor(4) as judges:
        outcomes = list(judges.map(lambda proposal: KINDS[proposal.type].validate(sandbox, proposal), proposals))
    triplets: Iterable[tuple[int, Triplet]] = (
        (number, outcome) for number, outcome in enumerate(outcomes) if isinstance(outcome, Triplet)
    )
    return [_of_task(f"{path.stem}:{number}", triplet) for number, triplet in triplets]


def _of_task(key: str, task: Triplet) -> Given:
    asked = {TaskType.DEDUCTION: f"f({task.input})", TaskType.ABDUCTION: f"f(?) == {task.output}"}
    question = f"{task.program}\n\n{asked.get(task.type, task.message)}"
    answer = {TaskType.DEDUCTION: task.output, TaskType.ABDUCTION: task.input}.get(task.type, task.program)
    return Given(key, question, task, TaskAnswer(task), answer, str(task.type))
