"""GSM8K (Cobbe et al. 2021, arXiv 2110.14168): 1,319 grade school word problems."""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row, answer_of, text_of
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.prompts import math_question


def _problem(index: int, row: Row) -> Problem:
    answer = answer_of(row, "answer").rpartition("####")[2].strip()
    return Problem(str(row.get("idx", index)), math_question(text_of(row, "question")), MathAnswer(answer))


GSM8K = Benchmark(
    name="gsm8k",
    title="GSM8K",
    area=Area.MATH,
    size=1319,
    files=("math/gsm8k/test.jsonl",),
    hub=HubSource("openai/gsm8k", name="main"),
    problem=_problem,
)
