"""Judges a function by a given test function, `check(candidate)`, without letting the two meet.

A test that calls the candidate in its own process can be fooled: by a value whose == says yes, by a redefined abs. So:

1. record: `check` runs with the reference solution and notes each argument list that it calls its candidate with;
2. answer: the judged program alone is called with these arguments, loaded once for all of them as by the authors'
   harness, and its values leave the job as plain data;
3. replay: `check` runs again, without a line of the judged program, on a stand-in that gives these values in turn.
   They come to it as data too. Where a test calls the function by its own name, it gets the reference solution.

A test that draws its inputs gets a stand-in for `random` (seeded_random.py), so 1 and 3 draw the same ones.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from azr.evaluation.judging.check import Judgement, Tools, judge_parsed
from azr.evaluation.judging.function_outputs import LEAST_TIMEOUT_S, REFERENCE_TIMEOUT_S, ReferenceFailedError
from azr.evaluation.judging.program_text import completed_program
from azr.evaluation.judging.standins import StandIns
from sandbox import Arguments, CallStatus, Job, JobResult, JobStatus
from sandbox.syntax import parse

_RANDOM = Path(__file__).with_name("seeded_random.py").read_text(encoding="utf-8")

_RECORD = """
from copy import deepcopy as copy_of_arguments

judged = {entry}

def f():
    seen = []
    def candidate(*args, **keywords):
        seen.append((copy_of_arguments(args), copy_of_arguments(keywords)))
        return judged(*args, **keywords)
    check(candidate)
    return seen
"""

_REPLAY = """
def f(answers):
    rest = list(answers)
    def candidate(*args, **keywords):
        known, value = rest.pop(0)
        if not known:
            raise ValueError("the judged function failed here")
        return value
    check(candidate)
    return True
"""


@dataclass(frozen=True, slots=True)
class RecordedTests:
    """Right is a function with which `test`, source text that defines check(candidate), runs through.

    `header` ends in the signature and docstring of `entry_point`; `reference` is the body that belongs there.
    """

    task_id: str
    header: str
    entry_point: str
    reference: str
    test: str

    def judge(self, tools: Tools, completions: Sequence[str]) -> list[Judgement]:
        """One judgement a completion. Raises ReferenceFailedError where the reference itself fails."""
        programs = [completed_program(self.header, completion, self.entry_point) for completion in completions]
        return judge_parsed(programs, lambda different: self._judge(tools, different))

    def _judge(self, tools: Tools, programs: list[str]) -> list[tuple[bool, str]]:
        calls = self._record(tools)
        answered = list(tools.sandbox.map(self._job(program, calls) for program in programs))
        replay = f"{self.header}{self.reference}\n{self._test()}\n{_REPLAY}"
        jobs = [Job(replay, (_answers(result),), timeout_s=LEAST_TIMEOUT_S) for result in answered]
        return [_verdict(answers, tested) for answers, tested in zip(answered, tools.sandbox.map(jobs), strict=True)]

    def _job(self, program: str, calls: tuple[Arguments, ...]) -> Job:
        return Job(program, calls, timeout_s=LEAST_TIMEOUT_S, reload=False, function=self.entry_point)

    def _test(self) -> str:
        """The test's source, with our generator where it wants the random module."""
        tree = StandIns({"random": "seeded_random"}).visit(parse(self.test))
        return f"{_RANDOM}\n{ast.unparse(tree)}"

    def _record(self, tools: Tools) -> tuple[Arguments, ...]:
        """The arguments that the test calls its candidate with."""
        recorder = _RECORD.format(entry=self.entry_point)
        program = f"{self.header}{self.reference}\n{self._test()}\n{recorder}"
        result = tools.sandbox.run(Job(program, (Arguments(),), timeout_s=REFERENCE_TIMEOUT_S))
        if result.status is not JobStatus.OK or result.calls[0].status is not CallStatus.OK:
            reason = result.error or (result.calls[0].error if result.calls else "") or result.status
            raise ReferenceFailedError(f"{self.task_id}: its own solution failed in the sandbox ({reason})")
        return tuple(Arguments(positional, keywords) for positional, keywords in result.calls[0].data)


def _answers(result: JobResult) -> Arguments:
    """(known, value) of every call, as the one argument of the replay."""
    return Arguments(([(call.status is CallStatus.OK, call.data) for call in result.calls],))


def _verdict(answers: JobResult, tested: JobResult) -> tuple[bool, str]:
    if answers.status is not JobStatus.OK:
        return False, f"{answers.status}: {answers.error or ''}"
    call = tested.calls[0] if tested.calls else None
    if call is not None and call.data is True:
        return True, ""
    return False, (call.error if call else tested.error) or "the test failed"
