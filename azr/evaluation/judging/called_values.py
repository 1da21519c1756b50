"""Judges what a program gives for an input, and which input gives an output (Gu et al. 2024, arXiv 2401.03065).

An answer is data: it is read here, before any program is loaded, and never evaluated beside one. So it can't search by
calling f, rebind what f calls, or bring operators of its own. The program's value is compared here as well.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from azr.evaluation.judging.check import Judgement, Tools, judge_parsed
from azr.evaluation.judging.each_call import each_call
from azr.evaluation.judging.value_text import find_answer
from sandbox import Arguments, CallResult, CallStatus, Job, compute_arguments, compute_value, equal, read_value
from sandbox.names import words
from sandbox.syntax import parse
from sandbox.values import NotDataError

TIMEOUT_S = 3.0  # of an answer, as CRUXEval's own harness; its functions take microseconds
TOGETHER_S = 0.5  # of all answers to a problem; one that this is too short for is given its own time


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
        reading = partial(_as_arguments, named=_named_values(self.program))
        answers = [find_answer(completion, reading) for completion in completions]
        return judge_parsed(answers, lambda different: self._judge(tools, different))

    def _judge(self, tools: Tools, answers: Sequence[str]) -> list[tuple[bool, str]]:
        """For each answer, whether f(answer) gives the output, by its own limits."""
        expected = read_value(self.output)
        given = _handed_over(tools, answers)
        calls = tuple(call for call in given if not isinstance(call, _Unusable))
        results = iter(each_call(tools.sandbox, Job(self.program, calls, timeout_s=TIMEOUT_S), TOGETHER_S))
        return [
            (False, call.reason) if isinstance(call, _Unusable) else _verdict(next(results), expected) for call in given
        ]


@dataclass(frozen=True, slots=True)
class _Unusable:
    """An answer that gives no plain data, and why."""

    reason: str


def _handed_over(tools: Tools, answers: Sequence[str]) -> list[Arguments | str | _Unusable]:
    """The answers as data. An expression is evaluated for that in a child that holds no program.

    One with functions of their own parameters is all that goes to the program as text.
    """
    calculated = [answer for answer in answers if not _are_arguments(answer) and not _LAMBDA.search(answer)]
    values = dict(zip(calculated, tools.sandbox.arguments(calculated, timeout_s=TIMEOUT_S), strict=True))
    given: list[Arguments | str | _Unusable] = []
    for answer in answers:
        value = values.get(answer)
        if value is None:
            given.append(answer if _LAMBDA.search(answer) else compute_arguments(answer))
        else:
            given.append(value if isinstance(value, Arguments) else _Unusable(value))
    return given


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


def _as_arguments(text: str, named: Mapping[str, ast.expr]) -> str | None:
    """The argument list that `text` is, or that `f(...)` or `assert f(...) == value` is called with.

    `named` has what the program's own names stand for, where that is data.
    """
    call_and_value = _compared(text)
    node = call_and_value[0] if call_and_value else _expression(text)
    if not _is_call_of_f(node):
        node = _expression(f"f({text.strip()}\n)")
    if not (isinstance(node, ast.Call) and _is_call_of_f(node)):
        return None
    sources: list[str] = []
    arguments: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
    for argument in arguments:
        value = argument.value if isinstance(argument, ast.keyword) else argument
        source = _source(argument, named)
        if source is None or not (_is_own_lambda(value) or _are_arguments(source) or _is_calculated(value)):
            return None
        sources.append(source)
    return ", ".join(sources)


class _Named(ast.NodeTransformer):
    """Puts values in the place of names."""

    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._values.get(node.id, node)


def _named_values(program: str) -> dict[str, ast.expr]:
    """The data to which the program's top level gives a name."""
    return {
        target.id: node.value
        for node in parse(program).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and _is_value(_source(node.value) or "")
    }


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
    own = {argument.arg for argument in ast.walk(node) if isinstance(argument, ast.arg)}
    return isinstance(node, ast.Lambda) and all(
        name.id in own or name.id in _HARMLESS for name in ast.walk(node) if isinstance(name, ast.Name)
    )


def _is_calculated(node: ast.expr) -> bool:
    """Whether a node calculates with literals, their methods and harmless functions: some of CRUXEval's inputs do."""
    called = {id(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
    return all(
        isinstance(part, _CALCULATION)
        and (not isinstance(part, ast.Name) or (part.id in _HARMLESS and id(part) in called))
        for part in ast.walk(node)
    )


_LAMBDA = re.compile(r"\blambda\b")
_HARMLESS = frozenset(
    words(
        "abs all any bool chr dict enumerate filter float int len list map max min ord range reversed round set sorted "
        "str sum tuple zip"
    )
)
_CALCULATION = (
    *(ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Starred, ast.UnaryOp, ast.BinOp, ast.Compare),
    *(ast.Call, ast.keyword, ast.Name, ast.Attribute, ast.Subscript, ast.Slice),
    *(ast.expr_context, ast.operator, ast.unaryop, ast.cmpop),
)


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
        body: ast.expr = parse(text.strip(), mode="eval").body
    except SyntaxError:
        return None
    return body


def _source(node: ast.AST, named: Mapping[str, ast.expr] | None = None) -> str | None:
    """The source of a node, with values for names; None where it is nested too deeply to be written."""
    try:
        return ast.unparse(_Named(named).visit(node) if named else node)
    except RecursionError:
        return None
