"""What the forked child does: compile the hostile source, run it, and put down what came of it.

The child is the only process that parses or runs hostile text. It leaves one JSON line for each call as it finishes and
one for the job, in memory that it shares with the zygote; it holds no open file.
"""

import builtins
import decimal
import gc
import json
import os
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from mmap import mmap
from types import CodeType
from typing import Any

from sandbox import guards, modules, policy
from sandbox.guards import PolicyError
from sandbox.job import CallStatus, JobStatus
from sandbox.literals import literal
from sandbox.protocol import PackedJob, unpack_job
from sandbox.values import NotDataError, TooLargeError, canonical

LENGTH = struct.Struct("=Q")
_MAX_ERROR = 1000  # characters of an error's text
_RECURSION = 1000  # what a program finds in plain CPython
_OUT_OF_MEMORY = json.dumps({"job": JobStatus.MEMORY, "error": "out of memory"}).encode() + b"\n"
_no_decimal_use = decimal.DefaultContext.copy()


class Channel:
    """Shared memory: the number of bytes that are whole, then the bytes. A line that does not fit is refused."""

    def __init__(self, size: int) -> None:
        self.memory = mmap(-1, LENGTH.size + size)
        self.size = size
        self.used = 0

    def read(self) -> bytes:
        """Everything that was put down, whoever wrote the length."""
        (length,) = LENGTH.unpack_from(self.memory)
        return self.memory[LENGTH.size : LENGTH.size + min(length, self.size)]

    def write(self, line: bytes) -> None:
        """Append. Raises TooLargeError."""
        start, end = self.used, self.used + len(line)
        if end > self.size:
            raise TooLargeError("the results are longer than the limit")
        self.memory[LENGTH.size + start : LENGTH.size + end] = line
        self.used = end
        LENGTH.pack_into(self.memory, 0, end)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the child itself watches over; the kernel and the zygote watch the rest."""

    output_bytes: int
    nesting: int
    policy: bool


class _JobEnded(Exception):
    """The job ends here, with this status."""

    def __init__(self, status: JobStatus, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


def run_job(body: bytes, channel: Channel, limits: Limits) -> None:
    """Run one job, given as sandbox/protocol.py packs it. Returns when everything is in the channel."""
    try:
        final = _Run(unpack_job(body), channel, limits).run()
        channel.write(_line(final))
    except _JobEnded as end:
        channel.write(_line({"job": end.status, "error": end.error}))
    except TooLargeError as error:
        channel.write(_line({"job": JobStatus.OUTPUT_LIMIT, "error": str(error)}))
    except MemoryError:
        channel.write(_OUT_OF_MEMORY)


def end_for_lack(channel: Channel, name: str) -> None:
    """End this process: the job needs what is not loaded here, and whatever it would make of the lack is void."""
    channel.used = 0  # the results so far are void too
    channel.write(_line({"job": JobStatus.ERROR, "error": f"needs {name}", "library": True}))
    os._exit(0)


def _line(record: dict[str, Any]) -> bytes:
    return _encode(record).encode("utf-8", "backslashreplace") + b"\n"


_encode = json.JSONEncoder(ensure_ascii=False).encode


class _Run:
    """One job at work."""

    def __init__(self, job: PackedJob, channel: Channel, limits: Limits) -> None:
        self.program, self.calls, self.expected, self.repeats = job
        self.channel = channel
        self.limits = limits
        self.left = limits.output_bytes
        self.order_sensitive = False
        self.loads = 0

    def run(self) -> dict[str, Any]:
        if self.program is None:
            for index, text in enumerate(self.calls):
                self._record(index, partial(literal, text, nesting=self.limits.nesting), 1)
            return {"job": JobStatus.OK}
        code = self._compile_program(self.program)
        if not self.calls:
            self._load(code)
        for index, text in enumerate(self.calls):
            call = self._caller(code, text)
            gc.enable()  # off in the zygote: collecting while a syntax tree is made finds nothing and touches much
            self._record(index, call, self.repeats)
        return {"job": JobStatus.OK, "order_sensitive": self.order_sensitive}

    # -- source to code -----------------------------------------------------------------------------------------------

    def _compile_program(self, source: str) -> CodeType:
        try:
            if not self.limits.policy:
                return compile(source, "<program>", "exec")
            code, sensitive = policy.compile_program(source, nesting=self.limits.nesting)
        except PolicyError as error:
            raise _JobEnded(JobStatus.REJECTED, str(error)) from error
        except (SyntaxError, ValueError, OverflowError, RecursionError) as error:
            raise _JobEnded(JobStatus.ERROR, describe(error)) from error
        self.order_sensitive |= sensitive
        return code

    def _caller(self, code: CodeType, text: str) -> Callable[[], Any]:
        """What loads the program and makes the call. Raises, when called, what compiling the call raised."""
        if self.limits.policy:
            try:
                call, sensitive = policy.compile_call(text, nesting=self.limits.nesting)
            except (PolicyError, SyntaxError, ValueError, OverflowError, RecursionError) as error:
                return _raiser(error)
            self.order_sensitive |= sensitive
        else:
            call = compile(f"f({text}\n)", "<call>", "eval")
        return lambda: eval(call, self._load(code))

    def _load(self, code: CodeType) -> dict[str, Any]:
        """A freshly loaded program. Raises _JobEnded where its body raises."""
        namespace: dict[str, Any] = {
            "__name__": "program",
            "__builtins__": _BUILTINS if self.limits.policy else builtins,
        }
        if self.loads:  # the first one finds the zygote's
            decimal.setcontext(_no_decimal_use.copy())
        self.loads += 1
        sys.setrecursionlimit(_RECURSION + _frames())
        try:
            exec(code, namespace)
        except MemoryError:
            raise
        except BaseException as error:
            raise _JobEnded(JobStatus.ERROR, describe(error)) from error
        return namespace

    # -- calls to records ---------------------------------------------------------------------------------------------

    def _record(self, index: int, call: Callable[[], Any], repeats: int) -> None:
        record = self._outcome(call)
        for _ in range(repeats - 1):
            if record["status"] is not CallStatus.OK:
                break
            again = self._outcome(call)
            if again.get("value") != record["value"]:
                record = {"status": CallStatus.NONDETERMINISTIC, "error": "two runs gave different values"}
        value = record.pop("data", None)
        if record["status"] is CallStatus.OK:
            self.left -= len(record["value"])
            if " at 0x" in record["value"]:
                self.order_sensitive = True
        if self.expected is not None:
            record["equal"] = record["status"] is CallStatus.OK and self._equal(
                record["value"], value, self.expected[index]
            )
        self.channel.write(_line(record))

    def _outcome(self, call: Callable[[], Any]) -> dict[str, Any]:
        """One run of one call, as a record; `data` is the value itself."""
        try:
            value = call()
        except (_JobEnded, MemoryError):
            raise
        except NotDataError as error:
            return {"status": CallStatus.NOT_DATA, "error": str(error)}
        except BaseException as error:
            return {"status": CallStatus.ERROR, "error": describe(error)}
        try:
            return {"status": CallStatus.OK, "value": self._text(value), "data": value}
        except (NotDataError, RecursionError) as error:
            return {"status": CallStatus.NOT_DATA, "error": str(error)}

    def _text(self, value: object) -> str:
        return canonical(value, limit=self.left, nesting=self.limits.nesting)

    def _equal(self, text: str, value: Any, expected: str) -> bool:
        """Whether the value equals the one that `expected` writes down; False where that is not plain data."""
        if text == expected:
            return True
        try:
            other = literal(expected, nesting=self.limits.nesting)
            if canonical(other, nesting=self.limits.nesting) == text:
                return True
            return bool(value == other)
        except (NotDataError, SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError):
            return False


def _raiser(error: Exception) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


def _frames() -> int:
    """How many frames of ours lie below the program's."""
    frame: Any = sys._getframe()
    count = 0
    while frame is not None:
        frame = frame.f_back
        count += 1
    return count


def describe(error: BaseException) -> str:
    """An exception as "ValueError: text". The text may be the program's own making, so it is asked for with care."""
    name = str(type.__dict__["__name__"].__get__(type(error)))[:80]
    try:
        text = str.__str__(str(error))[:_MAX_ERROR]
    except MemoryError:
        raise
    except BaseException:
        text = "(its text could not be had)"
    return f"{name}: {text}" if text else name


def _evaluate(source: Any, globals: Any = None, locals: Any = None) -> Any:
    """eval for text that the policy accepts. Without namespaces of its own it sees the built-ins alone."""
    if type(source) is not str:
        raise TypeError("eval() arg 1 must be a string")
    code, names = policy.compile_expression(source, nesting=guards.EVAL_NESTING)
    unknown = sorted(name for name in names if name not in _BUILTINS)
    if globals is None and locals is None and unknown:
        raise PolicyError(f"eval() may not look for {unknown[0]!r} in the program")
    return eval(code, {"__builtins__": _BUILTINS, **(globals or {}), **(locals or {})})


_BUILTINS = guards.make_builtins(modules.import_module, _evaluate) | guards.GUARDS
