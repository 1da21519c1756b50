"""Minerva Math (Lewkowycz et al. 2022, arXiv 2206.14858): 272 questions of undergraduate science courses."""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row, answer_of, text_of
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.judging.math_text import last_box
from azr.evaluation.judging.math_units import unit_behind
from azr.evaluation.prompts import math_question


def _problem(index: int, row: Row) -> Problem:
    question = text_of(row, "problem" if "problem" in row else "question")
    if "solution" in row:
        if (box := last_box(text_of(row, "solution"))) is None:
            raise ValueError("the solution has no boxed answer")
        check = MathAnswer(box[0], unit_behind(box[1]))
    else:
        check = MathAnswer(answer_of(row, "answer"))
    return Problem(str(row.get("idx", index)), math_question(question), check)


MINERVA = Benchmark(
    name="minerva",
    title="Minerva",
    area=Area.MATH,
    size=272,
    files=("math/minerva_math/test.jsonl",),
    hub=HubSource("math-ai/minervamath"),
    problem=_problem,
)
