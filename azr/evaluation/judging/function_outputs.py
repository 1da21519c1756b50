"""Judges a function by its outputs on many inputs, as EvalPlus does (Liu et al. 2023, arXiv 2305.01210).

Three jobs keep judge and judged apart: the reference solution gives the expected outputs; the candidate gives its own,
which leave its job as plain data; a third job, without a line of the candidate's, compares the two as data. So nothing
that a candidate defines or overrides has a say in the verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from azr.evaluation.judging.check import Judgement, Tools, judge_parsed
from azr.evaluation.judging.program_text import completed_program, whole_program
from sandbox import CallResult, CallStatus, Job, JobStatus

REFERENCE_TIMEOUT_S = 600.0  # Mbpp/599 adds up a hundred million numbers, sixteen times
LEAST_TIMEOUT_S = 10.0
TIMEOUT_FACTOR = 4.0  # of the reference's time

# EvalPlus' rule: equal by ==, or else close where a tolerance is given. One of 1e-6 is understood where the expected
# value is a float or a non-empty list or tuple of floats. The relative part, 1e-7, is numpy's default in
# assert_allclose, which EvalPlus names.
_TOLERANT = """
def close(out, expected, atol):
    if isinstance(expected, (list, tuple)):
        return len(out) == len(expected) and all(close(o, e, atol) for o, e in zip(out, expected))
    return out == expected or abs(out - expected) <= atol + 1e-7 * abs(expected)

def floats(value):
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(isinstance(item, float) for item in value)
    return isinstance(value, float)

def tolerant(out, expected, atol):
    if out == expected:
        return True
    if atol == 0 and floats(expected):
        atol = 1e-6
    return atol != 0 and type(out) is type(expected) and close(out, expected, atol)
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """When an output is accepted, as source text for the sandbox.

    `accepts` defines accepts(args, out, expected, atol). `binding` makes `f` of the entry point, {entry} in it;
    both the reference and the candidate are called through it.
    """

    accepts: str
    binding: str = "f = {entry}"


TOLERANT = Rule("def accepts(args, out, expected, atol):\n    return tolerant(out, expected, atol)")


class ReferenceFailedError(RuntimeError):
    """A benchmark's own solution failed in our sandbox, so nothing can be judged by it."""


@dataclass(frozen=True, slots=True)
class FunctionOutputs:
    """Right is a function that gives an accepted output for every input.

    `header` is what a completion may be the continuation of (it ends in a signature and docstring), empty where it must
    be a whole program. `inputs` are argument lists as source text. `reference` is a whole program.
    """

    task_id: str
    header: str
    entry_point: str
    reference: str
    inputs: tuple[str, ...]
    atol: float = 0.0
    rule: Rule = TOLERANT

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion. Raises ReferenceFailedError where the reference itself fails."""
        return judge_parsed(
            [self._program(completion) for completion in completions], lambda programs: self._judge(tools, programs)
        )

    def _program(self, completion: str) -> str | None:
        if self.header:
            return completed_program(self.header, completion, self.entry_point)
        return whole_program(completion, self.entry_point)

    def _judge(self, tools: Tools, programs: list[str]) -> list[tuple[bool, str]]:
        expected, seconds = self._expected(tools)
        timeout_s = max(LEAST_TIMEOUT_S, TIMEOUT_FACTOR * seconds)
        jobs = [Job(self._bound(program), self.inputs, timeout_s=timeout_s) for program in programs]
        return [
            self._compare(tools, result.calls, expected)
            if result.status is JobStatus.OK
            else (False, f"{result.status}: {result.error or ''}")
            for result in tools.sandbox.map(jobs)
        ]

    def _bound(self, program: str) -> str:
        return f"{program}\n{self.rule.binding.format(entry=self.entry_point)}\n"

    def _expected(self, tools: Tools) -> tuple[list[str], float]:
        """The reference's outputs as source text, and the seconds that it took."""
        result = tools.sandbox.run(Job(self._bound(self.reference), self.inputs, timeout_s=REFERENCE_TIMEOUT_S))
        outputs = [call.value for call in result.calls if call.status is CallStatus.OK and call.value is not None]
        if len(outputs) != len(self.inputs):
            failed = next((call for call in result.calls if call.status is not CallStatus.OK), None)
            reason = f"{failed.status}: {failed.error}" if failed else f"{result.status}: {result.error}"
            raise ReferenceFailedError(f"{self.task_id}: its own solution failed in the sandbox ({reason})")
        return outputs, result.seconds

    def _compare(self, tools: Tools, calls: Sequence[CallResult], expected: list[str]) -> tuple[bool, str]:
        different: list[tuple[str, str]] = []
        for arguments, call, wanted in zip(self.inputs, calls, expected, strict=True):
            if call.value is None:
                return False, f"f({arguments[:200]}): {call.error or call.status}"
            if call.value != wanted:
                different.append((arguments, f"[{arguments}], {call.value}, {wanted}, {self.atol!r}"))
        if not different:
            return True, ""
        result = tools.sandbox.run(Job(_comparing(self.rule), tuple(text for _, text in different)))
        for (arguments, _), call in zip(different, result.calls, strict=False):
            if call.value != "True":
                return False, f"f({arguments[:200]}): another output than expected"
        return result.status is JobStatus.OK, ""


def _comparing(rule: Rule) -> str:
    return f"{_TOLERANT}\n{rule.accepts}\nf = accepts\n"
