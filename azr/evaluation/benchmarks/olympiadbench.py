"""OlympiadBench (He et al. 2024, arXiv 2402.14008), the open-ended English mathematics without pictures."""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.judging.math_units import known_unit
from azr.evaluation.prompts import math_question


def _problem(index: int, row: Row) -> Problem:
    question = f"{row['context']}\n\n{row['question']}" if row.get("context") else row["question"]
    unit = known_unit(row["unit"]) if row.get("unit") else None
    return Problem(str(row.get("id", index)), math_question(question), MathAnswer(row["final_answer"][0], unit))


OLYMPIADBENCH = Benchmark(
    name="olympiadbench",
    title="OlympiadBench",
    area=Area.MATH,
    size=675,
    files=("math/olympiadbench/test.jsonl",),
    hub=HubSource("Hothan/OlympiadBench", name="OE_TO_maths_en_COMP", split="train"),
    problem=_problem,
)
