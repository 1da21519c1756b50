"""CRUXEval (Gu et al. 2024, arXiv 2401.03065): 800 small functions; predict the output, or find an input."""

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row, text_of
from azr.evaluation.judging.called_values import InputFor, OutputOf
from azr.evaluation.prompts import input_question, output_question

_FILES = ("cruxeval/cruxeval.jsonl*",)
_HUB = HubSource("cruxeval-org/cruxeval")


def _output_problem(_: int, row: Row) -> Problem:
    code, given, output = (text_of(row, field) for field in ("code", "input", "output"))
    return Problem(text_of(row, "id"), output_question(code, given), OutputOf(output))


def _input_problem(_: int, row: Row) -> Problem:
    code, output = text_of(row, "code"), text_of(row, "output")
    return Problem(text_of(row, "id"), input_question(code, output), InputFor(code, output))


CRUXEVAL_O = Benchmark("cruxeval-o", "CRUXEval-O", Area.REASONING, 800, _FILES, _HUB, _output_problem)
CRUXEVAL_I = Benchmark("cruxeval-i", "CRUXEval-I", Area.REASONING, 800, _FILES, _HUB, _input_problem)
