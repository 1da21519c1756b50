"""The cases from public bug reports (shared/cases): every row of code, contest and judging has its right verdict."""

import json
from typing import Any

import pytest

from azr.evaluation.benchmarks import find_benchmark
from azr.evaluation.data import DataPlaces, load_problems
from azr.evaluation.judging.called_values import InputFor, OutputOf
from azr.evaluation.judging.check import Check, Tools
from azr.evaluation.judging.standard_io import MethodOutputs, StandardIO

from .conftest import DATA

CASES = DATA.parent / "cases"
RIGHT = ("right", "lcb-true")  # the second: right by LiveCodeBench's own harness
SIEVE = (
    "marks = bytearray([1]) * 2_000_000\n"
    "for i in range(2, 1415):\n    if marks[i]:\n"
    "        for j in range(i * i, 2_000_000, i):\n            marks[j] = 0\n"
    "def similar_elements(a, b):\n    return tuple(set(a) & set(b))\n"
)


def rows(name: str) -> list[Any]:
    """The rows of a file of cases, each with its name; none where the files are not here."""
    path = CASES / f"{name}.jsonl"
    if not path.is_file():
        return [pytest.param(None, marks=pytest.mark.skip(reason="the cases are not here: shared/cases"))]
    loaded = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    return [pytest.param(row, id=f"{number}-{row['input'].get('case', '')}") for number, row in enumerate(loaded)]


@pytest.fixture(scope="module")
def problems(public_data: DataPlaces) -> dict[str, dict[str, Check]]:
    """The checks of the benchmarks that the cases name, by task."""
    return {
        name: {problem.task_id: problem.check for problem in load_problems(find_benchmark(name), public_data)}
        for name in ("humaneval", "mbpp+")
    }


def check_of(given: dict[str, Any], problems: dict[str, dict[str, Check]]) -> Check:
    if "task_id" in given:
        return problems[given["benchmark"]][given["task_id"]]
    if "stdin" in given:
        return StandardIO((given["stdin"],), (given["stdout"],))
    if "method" in given:
        return MethodOutputs(given["method"], (given["input"],), (given["output"],))
    if "reference" in given:
        return OutputOf(given["reference"])
    return InputFor(given["program"], given["output"])


@pytest.mark.data
@pytest.mark.parametrize("row", [*rows("code"), *rows("contest"), *rows("judging")])
def test_a_case_has_its_right_verdict(row: dict[str, Any], problems: dict[str, dict[str, Check]], tools: Tools) -> None:
    given = row["input"]
    if "value" in given:
        pytest.skip("a question of the sandbox's equality")
    completion = given.get("completion") or f"```python\n{given.get('program', SIEVE)}\n```"
    (judgement,) = check_of(given, problems).judge(tools, [completion])
    assert (judgement.verdict == "right") == (row["expected"] in RIGHT), judgement
