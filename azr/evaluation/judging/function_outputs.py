"""Judges a function by its outputs on many inputs, as EvalPlus does (Liu et al. 2023, arXiv 2305.01210).

The reference solution gives the expected outputs, the candidate gives its own, each in a job of its own. Both leave
their jobs as data and are compared here, by rules of ours: nothing that a candidate defines or overrides has a say in
the verdict, and what is expected is not known where it runs. A program is loaded once for all inputs, as EvalPlus does
it: one that breaks on its second call is wrong, and one that builds a table first builds it once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from azr.evaluation.judging.check import Judgement, Tools, judge_parsed
from azr.evaluation.judging.program_text import completed_program, whole_program
from sandbox import Arguments, CallResult, CallStatus, Job, JobStatus, equal, read_arguments

REFERENCE_TIMEOUT_S = 600.0  # Mbpp/599 adds up a hundred million numbers, sixteen times
LEAST_TIMEOUT_S = 10.0
TIMEOUT_FACTOR = 4.0  # of the reference's time
FLOAT_TOLERANCE = 1e-6
RELATIVE_TOLERANCE = 1e-7  # numpy's default in assert_allclose, which EvalPlus names

Accepts = Callable[[Arguments, Any, Any, float], bool]


def tolerant(_: Arguments, out: Any, expected: Any, atol: float) -> bool:
    """EvalPlus' rule: equal by ==, or else close where a tolerance is given.

    One of 1e-6 is understood where the expected value is a float or a non-empty list or tuple of floats. What is
    infinite, or nan, is close to nothing else.
    """
    if equal(out, expected):
        return True
    if atol == 0 and _of_floats(expected):
        atol = FLOAT_TOLERANCE
    return atol != 0 and type(out) is type(expected) and _close(out, expected, atol)


def _of_floats(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) > 0 and all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def _close(out: Any, expected: Any, atol: float) -> bool:
    if isinstance(expected, (list, tuple)):
        same_length = isinstance(out, (list, tuple)) and len(out) == len(expected)
        return same_length and all(_close(o, e, atol) for o, e in zip(out, expected, strict=True))
    if isinstance(out, (int, float, complex)) and isinstance(expected, (int, float, complex)):
        return close_numbers(out, expected, atol)
    return equal(out, expected)


def close_numbers(out: complex, expected: complex, atol: float) -> bool:
    """Whether |out − expected| ≤ atol + 1e-7·|expected|, for finite numbers; others are close where they are equal."""
    try:
        size = abs(expected)
        return out == expected or (size < float("inf") and abs(out - expected) <= atol + RELATIVE_TOLERANCE * size)
    except OverflowError:  # an int beyond all floats
        return False


@dataclass(frozen=True, slots=True)
class Rule:
    """When an output is accepted, and what is called to get it.

    `accepts` takes the arguments, the output, the expected output and the tolerance; both outputs are plain data.
    `function` is an expression in the program's names, with {entry} for the entry point's; `addition` is source that
    follows the program. Both apply to the reference and to the candidate.
    """

    accepts: Accepts = tolerant
    function: str = "{entry}"
    addition: str = ""


TOLERANT = Rule()


class ReferenceFailedError(RuntimeError):
    """A benchmark's own solution failed in our sandbox, so nothing can be judged by it."""


@dataclass(frozen=True, slots=True)
class FunctionOutputs:
    """Right is a function that gives an accepted output for every input.

    `header` is what a completion may be the continuation of (it ends in a signature and docstring), empty where it must
    be a whole program. `inputs` are argument lists, as values or as source text. `reference` is a whole program.
    """

    task_id: str
    header: str
    entry_point: str
    reference: str
    inputs: tuple[Arguments | str, ...]
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
        inputs = tuple(read_arguments(call) if isinstance(call, str) else call for call in self.inputs)
        expected, seconds = self._expected(tools, inputs)
        timeout_s = max(LEAST_TIMEOUT_S, TIMEOUT_FACTOR * seconds)
        results = tools.sandbox.map(self._job(program, inputs, timeout_s) for program in programs)
        return [
            self._compare(inputs, result.calls, expected)
            if result.status is JobStatus.OK
            else (False, f"{result.status}: {result.error or ''}")
            for result in results
        ]

    def _job(self, program: str, inputs: tuple[Arguments, ...], timeout_s: float) -> Job:
        addition = self.rule.addition.format(entry=self.entry_point)
        function = self.rule.function.format(entry=self.entry_point)
        return Job(f"{program}\n{addition}", inputs, timeout_s=timeout_s, reload=False, function=function)

    def _expected(self, tools: Tools, inputs: tuple[Arguments, ...]) -> tuple[list[Any], float]:
        """The reference's outputs, and the seconds that it took."""
        result = tools.sandbox.run(self._job(self.reference, inputs, REFERENCE_TIMEOUT_S))
        outputs = [call.data for call in result.calls if call.status is CallStatus.OK]
        if len(outputs) != len(inputs):
            failed = next((call for call in result.calls if call.status is not CallStatus.OK), None)
            reason = f"{failed.status}: {failed.error}" if failed else f"{result.status}: {result.error}"
            raise ReferenceFailedError(f"{self.task_id}: its own solution failed in the sandbox ({reason})")
        return outputs, result.seconds

    def _compare(
        self, inputs: tuple[Arguments, ...], calls: Sequence[CallResult], expected: list[Any]
    ) -> tuple[bool, str]:
        for arguments, call, wanted in zip(inputs, calls, expected, strict=True):
            if call.status is not CallStatus.OK:
                reason = call.error or call.status
            elif not self.rule.accepts(arguments, call.data, wanted, self.atol):
                reason = "another output than expected"
            else:
                continue
            return False, f"{self.entry_point}({arguments.text[:200]}): {reason}"
        return True, ""
