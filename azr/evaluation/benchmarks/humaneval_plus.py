"""HumanEval+ (Liu et al. 2023, arXiv 2305.01210): HumanEval with some eighty times the inputs."""

from typing import Any

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row
from azr.evaluation.benchmarks.evalplus_rows import inputs_of
from azr.evaluation.judging.function_outputs import TOLERANT, FunctionOutputs, Rule
from azr.evaluation.prompts import function_to_complete
from sandbox import Arguments


def _is_root(arguments: Arguments, out: Any, _: Any, atol: float) -> bool:
    """HumanEval/32 asks for any root of a polynomial: EvalPlus puts the answer in."""
    (coefficients,) = arguments.positional
    if not isinstance(out, (int, float)):
        return False
    try:
        return abs(sum(c * out**power for power, c in enumerate(coefficients))) <= atol
    except OverflowError:
        return False


def _problem(_: int, row: Row) -> Problem:
    inputs = inputs_of(row)
    check = FunctionOutputs(
        task_id=row["task_id"],
        header=row["prompt"],
        entry_point=row["entry_point"],
        reference=row["prompt"] + row["canonical_solution"],
        inputs=inputs.texts,
        atol=inputs.atol,
        rule=Rule(_is_root) if row["entry_point"] == "find_zero" else TOLERANT,
    )
    return Problem(row["task_id"], function_to_complete(row["prompt"]), check)


HUMANEVAL_PLUS = Benchmark(
    name="humaneval+",
    title="HumanEval+",
    area=Area.CODE,
    size=164,
    files=("humaneval_plus/HumanEvalPlus*.jsonl*",),
    hub=HubSource("evalplus/humanevalplus"),
    problem=_problem,
)
