"""Judges what a program gives for an input, and which input gives an output (Gu et al. 2024, arXiv 2401.03065).

An answer is data: it is read here, before any program is loaded, and never evaluated beside one. So it can't search by
calling f, rebind what f calls, or bring operators of its own. The program's value is compared here as well.
"""

import ast
import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from azr.evaluation.judging.check import Judgement, Tools, judge_parsed
from azr.evaluation.judging.completion_text import parse
from azr.evaluation.judging.each_call import each_call
from azr.evaluation.judging.value_text import find_answer
from sandbox import Arguments, CallResult, CallStatus, Job, compute_arguments, compute_value, equal, read_value
from sandbox.values import NotDataError

TIMEOUT_S = 3.0  # as CRUXEval's own harness; its functions take microseconds


@dataclass(frozen=True, slots=True)
class OutputOf:
    """Right is a value that equals `output`."""

    output: str

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        expected = read_value(self.output)
        answers = [find_answer(completion, _as_value) for completion in completions]
        return judge_parsed(answers, lambda texts: [(equal(compute_value(text), expected), "") for text in texts])


@dataclass(frozen=True, slots=True)
class InputFor:
    """Right is any argument list for which `program` gives a value that equals `output`."""

    program: str
    output: str

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        answers = [find_answer(completion, _as_arguments) for completion in completions]
        return judge_parsed(answers, lambda different: self._judge(tools, different))

    def _judge(self, tools: Tools, answers: Sequence[str]) -> list[tuple[bool, str]]:
        """For each answer, whether f(answer) gives the output, by its own limits."""
        expected = read_value(self.output)
        job = Job(self.program, tuple(map(_handed_over, answers)), timeout_s=TIMEOUT_S)
        return [_verdict(call, expected) for call in each_call(tools.sandbox, job)]


def _handed_over(answer: str) -> Arguments | str:
    """The answer as data; one with functions of their own parameters is all that goes as text."""
    try:
        return compute_arguments(answer)
    except NotDataError:
        return answer


def _verdict(call: CallResult, expected: Any) -> tuple[bool, str]:
    if call.status is not CallStatus.OK:
        return False, call.error or call.status
    return equal(call.data, expected), ""


# -- reading ----------------------------------------------------------------------------------------------------------


def _as_value(text: str) -> str | None:
    """The value that `text` is, or that an `assert f(...) == value` line claims, as source text."""
    call_and_value = _compared(text)
    node = call_and_value[1] if call_and_value else _expression(text)
    source = _source(node) if node is not None else None
    return source if source is not None and _is_value(source) else None


def _as_arguments(text: str) -> str | None:
    """The argument list that `text` is, or that `f(...)` or `assert f(...) == value` is called with."""
    call_and_value = _compared(text)
    node = call_and_value[0] if call_and_value else _expression(text)
    if not _is_call_of_f(node):
        node = _expression(f"f({text.strip()}\n)")
    if not (isinstance(node, ast.Call) and _is_call_of_f(node)):
        return None
    sources: list[str] = []
    for argument in (*node.args, *node.keywords):
        source = _source(argument)
        value = argument.value if isinstance(argument, ast.keyword) else argument
        if source is None or not (_is_own_lambda(value) or _are_arguments(source)):
            return None
        sources.append(source)
    return ", ".join(sources)


def _is_value(source: str) -> bool:
    try:
        compute_value(source)
    except NotDataError:
        return False
    return True


def _are_arguments(source: str) -> bool:
    try:
        compute_arguments(source)
    except NotDataError:
        return False
    return True


def _is_own_lambda(node: ast.expr) -> bool:
    """Whether a node is a function of its parameters alone: some of CRUXEval's programs take one as their input."""
    if not isinstance(node, ast.Lambda):
        return False
    own = {argument.arg for argument in ast.walk(node) if isinstance(argument, ast.arg)}
    names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
    return all(name in own or name in _HARMLESS for name in names)


_HARMLESS = frozenset(
    "abs all any bool dict enumerate filter float int len list map max min range reversed round set sorted str sum tuple zip".split()
)
assert all(hasattr(builtins, name) for name in _HARMLESS)


def _compared(text: str) -> tuple[ast.expr, ast.expr] | None:
    """Both sides of `assert f(...) == value`, or of the comparison alone."""
    node = _asserted(text)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
        left, right = node.left, node.comparators[0]
        if _is_call_of_f(left):
            return left, right
        if _is_call_of_f(right):
            return right, left
    return None


def _asserted(text: str) -> ast.expr | None:
    """The condition of an assertion, or the expression that the text is."""
    if not text.startswith("assert"):
        return _expression(text)
    try:
        body = parse(text).body
    except SyntaxError:
        return None
    return body[0].test if len(body) == 1 and isinstance(body[0], ast.Assert) else None


def _is_call_of_f(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "f"


def _expression(text: str) -> ast.expr | None:
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _source(node: ast.AST) -> str | None:
    try:
        return ast.unparse(node)
    except RecursionError:
        return None
