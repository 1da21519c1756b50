"""Judges contest programs, as LiveCodeBench does (Jain et al. 2024, arXiv 2403.07974).

A program that reads standard input and prints becomes a function from the one text to the other: its top level is the
function's body, every name that it binds there is declared global, and `input`, `print` and `sys` are stand-ins. What a
program can't do here, though it could at a contest: threads, `os.read`, third-party modules. One time limit is for all
tests of a problem.
"""

import ast
import symtable
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from azr.evaluation.judging.check import Judgement, Tools, judge_parsed
from azr.evaluation.judging.completion_text import parse
from azr.evaluation.judging.program_text import whole_program
from azr.evaluation.judging.standins import StandIns
from sandbox import CallStatus, Job, JobStatus

TIMEOUT_S = 30.0
_PRELUDE = Path(__file__).with_name("stdio_prelude.py").read_text(encoding="utf-8")

# What LiveCodeBench's harness, as the contest sites, has imported before a solution runs.
_IMPORTS = """
import bisect, collections, copy, functools, heapq, itertools, math, operator, re, string
from bisect import bisect_left, bisect_right, insort
from collections import Counter, OrderedDict, defaultdict, deque
from functools import cache, cmp_to_key, lru_cache, reduce
from heapq import heapify, heappop, heappush, heapreplace, nlargest, nsmallest
from itertools import accumulate, chain, combinations, permutations, product
from math import ceil, comb, floor, gcd, inf, sqrt
from typing import Dict, List, Optional, Set, Tuple
"""


@dataclass(frozen=True, slots=True)
class StandardIO:
    """Right is a program that prints, for each of `inputs`, what `outputs` says (white space at line ends apart)."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        programs = [whole_program(completion) for completion in completions]
        return judge_parsed(programs, lambda different: self._judge(tools, different))

    def _judge(self, tools: Tools, programs: list[str]) -> list[tuple[bool, str]]:
        calls = tuple(repr(text) for text in self.inputs)
        jobs = [Job(as_function(program), calls, timeout_s=TIMEOUT_S) for program in programs]
        verdicts: list[tuple[bool, str]] = []
        for result in tools.sandbox.map(jobs):
            wrong = ""
            for call, wanted in zip(result.calls, self.outputs, strict=False):
                if call.value is None:
                    wrong = call.error or call.status
                elif not same_text(ast.literal_eval(call.value), wanted):
                    wrong = "another text than expected was printed"
                if wrong:
                    break
            if not wrong and result.status is not JobStatus.OK:
                wrong = f"{result.status}: {result.error or ''}"
            verdicts.append((not wrong, wrong))
        return verdicts


@dataclass(frozen=True, slots=True)
class MethodOutputs:
    """Right is a program whose `Solution().method` gives the expected value for every argument list.

    `inputs` and `outputs` are source text. A tuple counts as the list of its items.
    """

    method: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        programs = [whole_program(completion, "Solution") for completion in completions]
        return judge_parsed(programs, lambda different: self._judge(tools, different))

    def _judge(self, tools: Tools, programs: list[str]) -> list[tuple[bool, str]]:
        binding = (
            f"def f(*arguments):\n    value = Solution().{self.method}(*arguments)\n"
            "    return list(value) if isinstance(value, tuple) else value\n"
        )
        jobs = [
            Job(f"{_IMPORTS}{program}\n{binding}", self.inputs, self.outputs, timeout_s=TIMEOUT_S)
            for program in programs
        ]
        verdicts: list[tuple[bool, str]] = []
        for result in tools.sandbox.map(jobs):
            failed = next((call for call in result.calls if not call.equal), None)
            if failed is not None:
                reason = failed.error or ("another value" if failed.status is CallStatus.OK else failed.status)
                verdicts.append((False, reason))
            else:
                right = result.status is JobStatus.OK
                verdicts.append((right, "" if right else f"{result.status}: {result.error or ''}"))
        return verdicts


def as_function(program: str) -> str:
    """Source of a function f(text), which gives what `program` prints when it reads `text`."""
    tree = parse(program)
    tree = _MainModule(_top_level_annotations(tree)).visit(tree)
    tree = StandIns({"sys": "system_standin"}).visit(tree)
    body = [node for node in tree.body if not _is_star_import(node)]
    stars = [node for node in tree.body if _is_star_import(node)]
    bound = sorted(_bound_names(ast.unparse(tree)))
    declared = [ast.Global(bound)] if bound else []
    function = ast.parse(
        "def f(text):\n    system_standin.set_input(text)\n"
        "    try:\n        pass\n    except ProgramExit:\n        pass\n"
        "    return ''.join(system_standin.stdout.parts)"
    )
    definition = function.body[0]
    assert isinstance(definition, ast.FunctionDef)
    attempt = definition.body[1]
    assert isinstance(attempt, ast.Try)
    attempt.body = body or [ast.Pass()]
    definition.body[:0] = declared
    source = ast.Module([*stars, *function.body], [])
    return f"{_IMPORTS}{_PRELUDE}\n{ast.unparse(ast.fix_missing_locations(source))}\n"


def same_text(printed: str, wanted: str) -> bool:
    """Whether the texts agree line by line, white space at their ends apart; or, token by token, as numbers."""
    ours = [line.strip() for line in printed.strip().splitlines()]
    theirs = [line.strip() for line in wanted.strip().splitlines()]
    if ours == theirs:
        return True
    if len(ours) != len(theirs):
        return False
    return all(a == b or _same_numbers(a.split(), b.split()) for a, b in zip(ours, theirs, strict=True))


def _same_numbers(ours: list[str], theirs: list[str]) -> bool:
    try:
        return [Decimal(token) for token in ours] == [Decimal(token) for token in theirs]
    except InvalidOperation:
        return False


def _is_star_import(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.names[0].name == "*"


def _bound_names(source: str) -> set[str]:
    """The names that the top level of `source` binds."""
    table = symtable.symtable(source, "<program>", "exec")
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}


def _top_level_annotations(tree: ast.Module) -> set[ast.AnnAssign]:
    """The annotated assignments outside functions and classes."""
    found: set[ast.AnnAssign] = set()
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.AnnAssign):
            found.add(node)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))
    return found


class _MainModule(ast.NodeTransformer):
    """`__name__` is "__main__", and the given annotations go, since a global can't have one inside a function."""

    def __init__(self, annotated: set[ast.AnnAssign]) -> None:
        self._annotated = annotated

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant("__main__") if node.id == "__name__" and isinstance(node.ctx, ast.Load) else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node not in self._annotated:
            return node
        if node.value is None:
            return ast.Pass()
        return ast.Assign([node.target], self.visit(node.value), lineno=node.lineno)
