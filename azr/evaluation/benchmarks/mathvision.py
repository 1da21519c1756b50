"""MATH-Vision (Wang et al. 2024, arXiv 2402.14804): competition problems with drawings, in five levels."""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row, answer_of, text_of
from azr.evaluation.judging.letter_answer import LetterAnswer
from azr.evaluation.judging.math_answer import MathAnswer
from azr.evaluation.judging.option_answer import OptionAnswer
from azr.evaluation.prompts import image_choice, image_question

_LETTERS = "ABCDE"


def _problem(_: int, row: Row) -> Problem:
    question, answer = text_of(row, "question"), answer_of(row, "answer").strip()
    task_id, grade = str(row["id"]), int(row["level"])
    if row.get("options"):
        options = tuple(map(str, row["options"]))
        return Problem(task_id, image_choice(question, options), OptionAnswer(options, _LETTERS.index(answer)), grade)
    # A few have their options in the picture alone.
    check = LetterAnswer(answer) if len(answer) == 1 and answer in _LETTERS else MathAnswer(answer)
    return Problem(task_id, image_question(question), check, grade)


MATHVISION = Benchmark(
    name="mathvision",
    title="MATH-Vision",
    area=Area.MATH,
    size=3040,
    files=(
        "mathvision/data/test-*.parquet",
        "mathvision/test-*.parquet",
        "mathvision/data/test.jsonl",
        "mathvision/test.jsonl",
    ),
    hub=HubSource("MathLLMs/MathVision", split="test"),
    problem=_problem,
    pictured=True,
)
