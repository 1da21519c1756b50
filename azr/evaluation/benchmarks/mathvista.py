"""MathVista (Lu et al. 2024, arXiv 2310.02255), testmini: questions about figures, charts, drawings and photographs.

The prompts are ours: the set's own column `query` asks for the answer in words that its authors' judge, a language
model, then reads.
"""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row, answer_of, text_of
from azr.evaluation.judging.check import Check
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.judging.math_units import known_unit
from azr.evaluation.judging.option_answer import OptionAnswer
from azr.evaluation.judging.rounded_answer import RoundedAnswer
from azr.evaluation.prompts import Prompts, image_choice, image_question

_WORDS = ("no", "one", "two", "three", "four")


def _problem(_: int, row: Row) -> Problem:
    if not row["answer"]:
        raise ValueError("the answer is not given: of MathVista's splits testmini alone has answers")
    prompts, check = _choice(row) if row["question_type"] == "multi_choice" else _free_form(row)
    return Problem(str(row["pid"]), prompts, check)


def _choice(row: Row) -> tuple[Prompts, Check]:
    options = tuple(map(str, row["choices"]))
    return image_choice(_question(row), options), OptionAnswer(options, options.index(text_of(row, "answer")))


def _free_form(row: Row) -> tuple[Prompts, Check]:
    answer, unit = answer_of(row, "answer"), known_unit(row["unit"]) if row.get("unit") else None
    match row["answer_type"]:
        case "float":
            places = int(row["precision"])
            ending = f"the number alone, with {_WORDS[places]} decimal place{'' if places == 1 else 's'}"
            return image_question(_question(row), ending), RoundedAnswer(answer, places, unit)
        case "integer":
            return image_question(_question(row), "the whole number alone"), MathAnswer(answer, unit)
        case "list":
            return image_question(_question(row), "the list alone, such as [1, 2, 3]"), MathAnswer(answer, unit)
    raise ValueError(f"answer_type is {row['answer_type']!r}")


def _question(row: Row) -> str:
    """The question, with the unit of its answer where it has one."""
    return f"{text_of(row, 'question')} (Unit: {row['unit']})" if row.get("unit") else text_of(row, "question")


MATHVISTA = Benchmark(
    name="mathvista",
    title="MathVista",
    area=Area.MATH,
    size=1000,
    files=("mathvista/data/testmini-*.parquet", "mathvista/testmini-*.parquet", "mathvista/annot_testmini.json"),
    hub=HubSource("AI4Math/MathVista", split="testmini"),
    problem=_problem,
    pictured=True,
)
