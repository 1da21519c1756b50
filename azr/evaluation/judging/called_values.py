"""Judges what a program gives for an input, and which input gives an output (Gu et al. 2024, arXiv 2401.03065)."""

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from azr.evaluation.judging.check import Judgement, Tools, judge_parsed
from azr.evaluation.judging.program_text import answer_part
from sandbox import Job

TIMEOUT_S = 3.0  # as CRUXEval's own harness; its functions take microseconds
_IDENTITY = "def f(answer):\n    return answer"
_TAGGED = re.compile(r"\[ANSWER\](.*?)(?:\[/ANSWER\]|\Z)", re.DOTALL)
_FENCED = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
_QUOTED = re.compile(r"`([^`\n]+)`")
_SAID = re.compile(r"(?:output|input|answer|result|value)\s*(?:is|:|=|==)\s*(.+)", re.IGNORECASE)
_LONGEST = 20_000  # characters of an answer


@dataclass(frozen=True, slots=True)
class OutputOf:
    """Right is a value that equals `output`. The answer is evaluated as an expression, where `f` is not the program."""

    output: str

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        answers = [_read(completion, _as_value) for completion in completions]
        return judge_parsed(answers, lambda different: _accepted(tools, _IDENTITY, different, self.output))


@dataclass(frozen=True, slots=True)
class InputFor:
    """Right is any argument list for which `program` gives a value that equals `output`."""

    program: str
    output: str

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        answers = [_read(completion, _as_arguments) for completion in completions]
        return judge_parsed(answers, lambda different: _accepted(tools, self.program, different, self.output))


def _accepted(tools: Tools, program: str, answers: Sequence[str], output: str) -> list[tuple[bool, str]]:
    """For each answer, whether f(answer) equals `output`; one that ends its job leaves the others to the next job."""
    verdicts: list[tuple[bool, str]] = []
    while len(verdicts) < len(answers):
        rest = tuple(answers[len(verdicts) :])
        result = tools.sandbox.run(Job(program, rest, (output,) * len(rest), timeout_s=TIMEOUT_S))
        verdicts += [(call.equal is True, call.error or "") for call in result.calls]
        if len(verdicts) < len(answers):
            verdicts.append((False, f"{result.status}: {result.error or ''}"))
    return verdicts


def _read(completion: str, reading: Callable[[str], str | None]) -> str | None:
    """The answer in a completion: tagged, fenced, the whole text, in back quotes, or what the last lines say it is."""
    text = answer_part(completion).strip()
    for part in (*reversed(_TAGGED.findall(text)), *reversed(_FENCED.findall(text)), text):
        if (answer := reading(part)) is not None:
            return answer
        for line in reversed(part.strip().splitlines()):
            if line.lstrip().startswith("assert") and (answer := reading(line)) is not None:
                return answer
    for part in (*reversed(_QUOTED.findall(text)), *reversed(_SAID.findall(text)), *reversed(text.splitlines())):
        if (answer := reading(part.rstrip(". "))) is not None:
            return answer
    return None


def _as_value(text: str) -> str | None:
    """The value that `text` is, or that an `assert f(...) == value` line claims, as source text on one line."""
    call_and_value = _compared(text)
    node = call_and_value[1] if call_and_value else _expression(text)
    return _source(node) if node is not None else None


def _as_arguments(text: str) -> str | None:
    """The argument list that `text` is, or that `f(...)` or `assert f(...) == value` is called with."""
    call_and_value = _compared(text)
    node = call_and_value[0] if call_and_value else _expression(text)
    if not _is_call_of_f(node):
        node = _expression(f"f({text.strip()}\n)")
    if not (isinstance(node, ast.Call) and _is_call_of_f(node)):
        return None
    arguments = [_source(argument) for argument in node.args] + [_source(keyword) for keyword in node.keywords]
    return ", ".join(a for a in arguments if a is not None) if None not in arguments else None


def _compared(text: str) -> tuple[ast.expr, ast.expr] | None:
    """Both sides of `assert f(...) == value`, or of the comparison alone."""
    text = text.strip()
    if text.startswith("assert"):
        text = text.removeprefix("assert")
    node = _expression(text)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
        left, right = node.left, node.comparators[0]
        if _is_call_of_f(left):
            return left, right
        if _is_call_of_f(right):
            return right, left
    return None


def _is_call_of_f(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "f"


def _expression(text: str) -> ast.expr | None:
    if len(text) > _LONGEST:
        return None
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _source(node: ast.AST) -> str | None:
    try:
        return ast.unparse(node)
    except RecursionError:
        return None
