"""MATH-500: the subset of MATH (Hendrycks et al. 2021, arXiv 2103.03874) that Lightman et al. 2023 tested on."""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row, answer_of, text_of
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.prompts import math_question


def _problem(_: int, row: Row) -> Problem:
    return Problem(str(row["unique_id"]), math_question(text_of(row, "problem")), MathAnswer(answer_of(row, "answer")))


MATH500 = Benchmark(
    name="math500",
    title="MATH-500",
    area=Area.MATH,
    size=500,
    files=("math/math500/test.jsonl",),
    hub=HubSource("HuggingFaceH4/MATH-500"),
    problem=_problem,
)
