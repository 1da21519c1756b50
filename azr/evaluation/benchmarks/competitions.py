"""AIME 2024 and 2025, AMC 2023: competition problems with a number for an answer."""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row, answer_of, text_of
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.prompts import math_question


def _problem(index: int, row: Row) -> Problem:
    question = text_of(row, "problem" if "problem" in row else "question")
    return Problem(str(row.get("id", index)), math_question(question), MathAnswer(answer_of(row, "answer")))


AIME24 = Benchmark(
    name="aime24",
    title="AIME 24",
    area=Area.MATH,
    size=30,
    files=("math/aime24/test.jsonl",),
    hub=HubSource("HuggingFaceH4/aime_2024", split="train"),
    problem=_problem,
)
AIME25 = Benchmark(
    name="aime25",
    title="AIME 25",
    area=Area.MATH,
    size=30,
    files=("math/aime25/test.jsonl",),
    hub=HubSource("math-ai/aime25"),
    problem=_problem,
)
AMC23 = Benchmark(
    name="amc23",
    title="AMC 23",
    area=Area.MATH,
    size=40,
    files=("math/amc23/test.jsonl",),
    hub=HubSource("math-ai/amc23"),
    problem=_problem,
)
