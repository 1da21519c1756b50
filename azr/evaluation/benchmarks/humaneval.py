"""HumanEval (Chen et al. 2021, arXiv 2107.03374): 164 functions to complete, each with a test function."""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row
from azr.evaluation.judging.recorded_tests import RecordedTests
from azr.evaluation.prompts import function_to_complete


def _problem(_: int, row: Row) -> Problem:
    return Problem(
        task_id=row["task_id"],
        prompts=function_to_complete(row["prompt"]),
        check=RecordedTests(row["task_id"], row["prompt"], row["entry_point"], row["canonical_solution"], row["test"]),
    )


HUMANEVAL = Benchmark(
    name="humaneval",
    title="HumanEval",
    area=Area.CODE,
    size=164,
    files=("humaneval/HumanEval.jsonl*",),
    hub=HubSource("openai/openai_humaneval"),
    problem=_problem,
)
