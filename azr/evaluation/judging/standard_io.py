"""Judges contest programs, as LiveCodeBench does (Jain et al. 2024, arXiv 2403.07974).

A program that reads standard input and prints is run as a script, once for each test, with nothing of ours in its
namespace but the names that LiveCodeBench's harness imports beforehand. A class is made once and its method called for
all tests. What is printed or returned is compared here. What a program can't do, though it could at a contest: threads,
`os.read`, random numbers, third-party modules.
"""

import re
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from azr.evaluation.judging.check import Judgement, Tools, judge_parsed
from azr.evaluation.judging.each_call import each_call
from azr.evaluation.judging.program_text import whole_program, with_preamble
from sandbox import Arguments, CallStatus, Job, JobStatus, StandardInput, equal, read_arguments, read_value

TIMEOUT_S = 12.0  # of each test; twice the harness's
METHOD_TIMEOUT_S = 30.0  # of all tests of a method together
RECURSION_LIMIT = 50_000

# What LiveCodeBench's harness has imported before a solution runs, as far as the sandbox has it. Two names that are
# functions of `operator` and built-ins are the built-ins again; of what `typing` and `collections` share, the latter's
# is taken.
_STARS = "typing string re datetime collections heapq bisect copy math itertools functools operator io sys json"
_MODULES = "string, re, datetime, collections, heapq, bisect, copy, math, itertools, functools, operator, io, sys, json"
_IMPORTS = "; ".join([*(f"from {name} import *" for name in _STARS.split()), "del abs, pow", f"import {_MODULES}"])
_STATISTICS = re.compile(rf"\b(?:statistics|{'|'.join(statistics.__all__)})\b")  # a module that few programs ask for


@dataclass(frozen=True, slots=True)
class StandardIO:
    """Right is a program that prints, for each of `inputs`, what `outputs` says (white space at line ends apart)."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        programs = [whole_program(completion) for completion in completions]
        return judge_parsed(programs, lambda different: [self._judge(tools, program) for program in different])

    def _judge(self, tools: Tools, program: str) -> tuple[bool, str]:
        tests = tuple(map(StandardInput, self.inputs))
        job = Job(with_imports(program), tests, timeout_s=TIMEOUT_S, recursion_limit=RECURSION_LIMIT)
        for call, wanted in zip(each_call(tools.sandbox, job, TIMEOUT_S), self.outputs, strict=True):
            if call.status is not CallStatus.OK:
                return False, call.error or call.status
            if type(call.data) is not str or not same_text(call.data, wanted):  # an escaped child may say anything
                return False, "another text than expected was printed"
        return True, ""


@dataclass(frozen=True, slots=True)
class MethodOutputs:
    """Right is a program whose `Solution().method` gives the expected value for every argument list.

    `inputs` are argument lists, as values or as source text, `outputs` source text. A tuple counts as the list of its
    items.
    """

    method: str
    inputs: tuple[Arguments | str, ...]
    outputs: tuple[str, ...]

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion."""
        programs = [whole_program(completion, "Solution") for completion in completions]
        return judge_parsed(programs, lambda different: list(self._judge(tools, different)))

    def _judge(self, tools: Tools, programs: list[str]) -> Iterator[tuple[bool, str]]:
        inputs = tuple(read_arguments(call) if isinstance(call, str) else call for call in self.inputs)
        outputs = [read_value(text) for text in self.outputs]
        jobs = [
            Job(
                with_imports(program),
                inputs,
                timeout_s=METHOD_TIMEOUT_S,
                reload=False,
                function=f"Solution().{self.method}",
                recursion_limit=RECURSION_LIMIT,
            )
            for program in programs
        ]
        for result in tools.sandbox.map(jobs):
            wrong = ""
            for call, wanted in zip(result.calls, outputs, strict=False):
                if call.status is not CallStatus.OK:
                    wrong = call.error or call.status
                elif not equal(list(call.data) if type(call.data) is tuple else call.data, wanted):
                    wrong = "another value"
                if wrong:
                    break
            if not wrong and result.status is not JobStatus.OK:
                wrong = f"{result.status}: {result.error or ''}"
            yield not wrong, wrong


def with_imports(program: str) -> str:
    """The program behind the harness's imports."""
    return with_preamble(program, f"{_IMPORTS}, statistics" if _STATISTICS.search(program) else _IMPORTS)


def same_text(printed: str, wanted: str) -> bool:
    """Whether the texts agree line by line, white space at their ends apart; or, token by token, as numbers."""
    ours = [line.strip() for line in printed.strip().split("\n")]
    theirs = [line.strip() for line in wanted.strip().split("\n")]
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
