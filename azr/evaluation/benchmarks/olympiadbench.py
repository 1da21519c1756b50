"""OlympiadBench (He et al. 2024, arXiv 2402.14008), the open-ended English mathematics without pictures."""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row, text_of
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.judging.math_units import known_unit
from azr.evaluation.prompts import math_question


def _problem(index: int, row: Row) -> Problem:
    question = text_of(row, "question")
    if row.get("context"):
        question = f"{text_of(row, 'context')}\n\n{question}"
    unit = known_unit(text_of(row, "unit")) if row.get("unit") else None
    answers = row["final_answer"]
    if not isinstance(answers, list) or not answers or not isinstance(answers[0], str):
        raise TypeError("final_answer is no list of texts")
    return Problem(str(row.get("id", index)), math_question(question), MathAnswer(answers[0], unit))


OLYMPIADBENCH = Benchmark(
    name="olympiadbench",
    title="OlympiadBench",
    area=Area.MATH,
    size=675,
    files=("math/olympiadbench/test.jsonl",),
    hub=HubSource("Hothan/OlympiadBench", name="OE_TO_maths_en_COMP", split="train"),
    problem=_problem,
)
