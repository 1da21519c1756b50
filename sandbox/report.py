"""What a child's report says, read where hostile code does not run. Everything in it may be forged.

A report is bytes: what the zygote saw of the child's end, then the child's lines (sandbox/child.py). Reading ends at
the first line that is not as it should be, and the job then counts as crashed. A forged line can say nothing but a
value, and whether that is the right one is decided here.
"""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.arithmetic import compute_value
from sandbox.encoding import Decoder, EncodingError
from sandbox.equality import equal
from sandbox.job import CallResult, CallStatus, Job, JobResult, JobStatus, SandboxConfig
from sandbox.protocol import JOB_LINE, REPORT, TOO_LARGE
from sandbox.values import NotDataError, TooLargeError, canonical

_MAX_ERROR = 2000  # characters of an error's text that are passed on
_OUTPUT_LIMIT = "the value's text is longer than {} characters"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A job's result; whether another hash seed or address might have led to another; whether a module was missing."""

    result: JobResult
    order_sensitive: bool = False
    library_missing: bool = False


def read_report(report: bytes, job: Job, config: SandboxConfig, cpu_s: int) -> Outcome:
    """What came of a job that ran under a limit of `cpu_s` seconds of processor time. Never raises."""
    _, timed_out, ending, seconds = REPORT.unpack_from(report)
    calls, final = _Lines(job, config).read(report[REPORT.size :])
    if timed_out:
        return _stopped(JobStatus.TIMEOUT, calls, "the wall clock's limit", seconds)
    if os.WIFSIGNALED(ending):
        code = os.WTERMSIG(ending)
        # The limit on time kills a child that ignores SIGXCPU, a second later.
        if code == signal.SIGXCPU or (code == signal.SIGKILL and seconds > cpu_s):
            return _stopped(JobStatus.TIMEOUT, calls, "the limit on processor time", seconds)
        return _stopped(JobStatus.CRASHED, calls, f"killed by signal {code}", seconds)
    if final is None:
        return _stopped(JobStatus.CRASHED, calls, "the child ended without a result", seconds)
    if final.status is JobStatus.OK and len(calls) != len(job.calls):
        return _stopped(JobStatus.CRASHED, calls, "the child ended without all results", seconds)
    result = JobResult(final.status, calls, final.error, seconds)
    return Outcome(result, final.order_sensitive or any(_shows_address(call) for call in calls), final.library_missing)


def read_values(job: Job, config: SandboxConfig) -> JobResult:
    """The result of a job without a program: its calls are texts of values, read here and run nowhere."""
    return JobResult(JobStatus.OK, tuple(_value(text, index, job, config) for index, text in enumerate(job.calls)))


def _stopped(status: JobStatus, calls: tuple[CallResult, ...], error: str, seconds: float) -> Outcome:
    return Outcome(JobResult(status, calls, error, seconds))


def _shows_address(call: CallResult) -> bool:
    return call.value is not None and " at 0x" in call.value


@dataclass(frozen=True, slots=True)
class _Final:
    """The job's own line."""

    status: JobStatus
    error: str | None
    order_sensitive: bool = False
    library_missing: bool = False


class _Lines:
    """Reads the lines of one report; their values share one allowance of text and of time."""

    def __init__(self, job: Job, config: SandboxConfig) -> None:
        self.job = job
        self.config = config
        self.left = config.output_bytes
        self.decoder = Decoder()
        self.too_large = False

    def read(self, lines: bytes) -> tuple[tuple[CallResult, ...], _Final | None]:
        """The calls' results, and the job's line where there is one."""
        calls: list[CallResult] = []
        for line in lines.split(b"\n"):
            try:
                record = self.decoder.decode(line.decode("utf-8", "surrogatepass"))
                if type(record) is not list or not record:
                    break
                if record[0] == JOB_LINE:
                    return tuple(calls), self._final(record)
                if len(calls) == len(self.job.calls):
                    break
                calls.append(self._call(record, len(calls)))
            except TooLargeError:  # what is left is too little for a value that would have had room in another job
                return tuple(calls), _Final(JobStatus.OUTPUT_LIMIT, _OUTPUT_LIMIT.format(self.config.output_bytes))
            except (EncodingError, NotDataError, UnicodeDecodeError, RecursionError, ValueError):
                break
        return tuple(calls), None

    def _final(self, record: list[Any]) -> _Final:
        """Raises ValueError where it is not one."""
        _, status, error, order_sensitive, library_missing = record
        if type(status) is not str:
            raise ValueError("a job's status is a string")
        final = _Final(JobStatus(status), _text(error), order_sensitive is True, library_missing is True)
        if final.status is JobStatus.OK and self.too_large:
            return replace(final, status=JobStatus.OUTPUT_LIMIT, error=_OUTPUT_LIMIT.format(self.config.output_bytes))
        return final

    def _call(self, record: list[Any], index: int) -> CallResult:
        """Raises ValueError where it is not one, TooLargeError where there is no room left for its value."""
        status, body = record
        if type(status) is not str:
            raise ValueError("a call's status is a string")
        if status == TOO_LARGE:
            return self._beyond()
        kind = CallStatus(status)
        if kind is not CallStatus.OK:
            return _valueless(kind, _text(body), self.job.expected)
        try:
            text = canonical(body, limit=self.left, nesting=self.config.nesting)
        except TooLargeError:
            canonical_alone = self.left < self.config.output_bytes and _fits(body, self.config)
            if canonical_alone:
                raise
            return self._beyond()
        self.left -= len(text)
        return _valued(text, body, index, self.job.expected)

    def _beyond(self) -> CallResult:
        """A value that is longer than the limit by itself costs no other call anything."""
        self.too_large = True
        error = _OUTPUT_LIMIT.format(self.config.output_bytes)
        return _valueless(CallStatus.ERROR, f"TooLarge: {error}", self.job.expected)


def _fits(value: Any, config: SandboxConfig) -> bool:
    try:
        canonical(value, limit=config.output_bytes, nesting=config.nesting)
    except TooLargeError:
        return False
    return True


def _value(text: Any, index: int, job: Job, config: SandboxConfig) -> CallResult:
    try:
        data = compute_value(text, nesting=config.nesting)
        value = canonical(data, limit=config.output_bytes, nesting=config.nesting)
    except (NotDataError, TooLargeError) as error:
        return _valueless(CallStatus.NOT_DATA, str(error), job.expected)
    return _valued(value, data, index, job.expected)


def _valued(text: str, data: Any, index: int, expected: Sequence[str] | None) -> CallResult:
    """A call that gave a value, with the verdict, where another was expected."""
    return CallResult(CallStatus.OK, text, None, None if expected is None else _is(text, data, expected[index]), data)


def _valueless(status: CallStatus, error: str | None, expected: Sequence[str] | None) -> CallResult:
    """A call that gave none: wrong, where a value was expected."""
    return CallResult(status, error=error, equal=None if expected is None else False)


def _is(text: str, data: Any, expected: str) -> bool:
    """Whether a value equals the one that `expected` writes down; False where that is not plain data."""
    if text == expected:
        return True
    try:
        return equal(data, compute_value(expected))
    except NotDataError:
        return False


def _text(error: Any) -> str | None:
    return error[:_MAX_ERROR].encode("utf-8", "backslashreplace").decode() if type(error) is str else None
