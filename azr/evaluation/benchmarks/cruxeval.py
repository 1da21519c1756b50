"""CRUXEval (Gu et al. 2024, arXiv 2401.03065): 800 small functions; predict the output, or find an input."""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row
from azr.evaluation.judging.called_values import InputFor, OutputOf
from azr.evaluation.prompts import input_question, output_question

_FILES = ("cruxeval/cruxeval.jsonl*",)
_HUB = HubSource("cruxeval-org/cruxeval")


def _output_problem(_: int, row: Row) -> Problem:
    return Problem(row["id"], output_question(row["code"], row["input"]), OutputOf(row["output"]))


def _input_problem(_: int, row: Row) -> Problem:
    return Problem(row["id"], input_question(row["code"], row["output"]), InputFor(row["code"], row["output"]))


CRUXEVAL_O = Benchmark("cruxeval-o", "CRUXEval-O", Area.REASONING, 800, _FILES, _HUB, _output_problem)
CRUXEVAL_I = Benchmark("cruxeval-i", "CRUXEval-I", Area.REASONING, 800, _FILES, _HUB, _input_problem)
