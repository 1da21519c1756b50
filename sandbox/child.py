"""What the forked child does: compile the hostile source, run it, and put down what came of it.

The child is the only process that runs hostile text. It leaves one JSON line for each call as it finishes and one for
the job, in memory that it shares with the zygote; it holds no open file. It says what the values are and nothing about
them: what they should have been is not known here.

    ["ok", VALUE]                       VALUE as sandbox/encoding.py writes it
    [STATUS, ERROR]                     a call without a value; "too_large" where there is one
    ["job", STATUS, ERROR, ORDER, LIBRARY]
"""

import builtins
import decimal
import gc
import os
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from mmap import mmap
from types import CodeType
from typing import Any

from sandbox import guards, library, modules, policy, script
from sandbox.encoding import FROZENSET_TAG, SET_TAG, decode, encode
from sandbox.equality import equal
from sandbox.job import CallStatus, JobStatus
from sandbox.protocol import BYTES_PER_CHARACTER, FUNCTION, JOB_LINE, TOO_LARGE, PackedJob
from sandbox.refused import PolicyError, refusals
from sandbox.values import NotDataError, TooLargeError

LENGTH = struct.Struct("=Q")
_MAX_ERROR = 1000  # characters of an error's text
_no_decimal_use = decimal.DefaultContext.copy()
_FUNCTION = compile(FUNCTION, "<call>", "eval")
_FILLING = tuple(range(1, 480, 16)) * 2 + (1,) * 40 + (17, 33, 49, 65, 81) * 16  # bytes; most are as large as iterators


class Channel:
    """Shared memory: the number of bytes that are whole, then the bytes. A line that does not fit is refused."""

    def __init__(self, size: int) -> None:
        self.memory = mmap(-1, LENGTH.size + size)
        self.size = size
        self.used = 0

    def written(self) -> memoryview:
        """Everything that was put down, whoever wrote the length: the memory itself and no copy."""
        (length,) = LENGTH.unpack_from(self.memory)
        return memoryview(self.memory)[LENGTH.size : LENGTH.size + min(length, self.size)]

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
        final = _Run(body, channel, limits).run()
        channel.write(final)
    except _JobEnded as end:
        channel.write(_job_line(end.status, end.error))
    except TooLargeError as error:
        channel.write(_job_line(JobStatus.OUTPUT_LIMIT, str(error)))
    except MemoryError:
        channel.write(_OUT_OF_MEMORY)


def end_for_lack(channel: Channel, name: str) -> None:
    """End this process: the job needs what is not loaded here, and whatever it would make of the lack is void."""
    channel.used = 0  # the results so far are void too
    channel.write(_job_line(JobStatus.ERROR, f"needs {name}", library=True))
    os._exit(0)


def _job_line(status: JobStatus, error: str | None, *, order: bool = False, library: bool = False) -> bytes:
    return _line(encode([JOB_LINE, str(status), error, order, library]))


def _line(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass") + b"\n"


_OUT_OF_MEMORY = _job_line(JobStatus.MEMORY, "out of memory")
_DONE = {order: _job_line(JobStatus.OK, None, order=order) for order in (False, True)}
_Outcome = tuple[str, str]  # a call's status, and its value's encoding or the error


class _Run:
    """One job at work."""

    def __init__(self, body: bytes, channel: Channel, limits: Limits) -> None:
        self.program, self.calls, self.repeats, self.reload, self.called, self.recursion_limit, self.fills = (
            PackedJob.unpack(body)
        )
        self.channel = channel
        self.limits = limits
        self.order_sensitive = False
        self.loads = 0
        self.filling: list[bytes] = []  # so that what a run makes lies elsewhere than what the one before it made
        self.namespace: dict[str, Any] | None = None  # the program's, where all calls share one
        self.function: Callable[..., Any] | None = None  # likewise
        self.is_script = tuple in map(type, self.calls)
        self.system = modules.MODULES["sys"]

    def run(self) -> bytes:
        if self.recursion_limit > guards.MAX_RECURSION:
            library.most_frames = self.recursion_limit
        if self.is_script:
            modules.MODULES["sys"] = script.system(self.system, "")  # what the policy looks the names of imports up in
        code = self._compile_program(self.program)
        if not self.calls:
            self._load(code)
        for argument in self.calls:
            call = self._caller(code, argument)
            gc.enable()  # off in the zygote: collecting while a syntax tree is made finds nothing and touches much
            self._record(call)
        return _DONE[self.order_sensitive]

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

    def _caller(self, code: CodeType, call: str | bytes | tuple[str]) -> Callable[[], Any]:
        """What loads the program and makes the call."""
        if isinstance(call, str):
            return self._caller_of_text(code, call)
        return self._caller_with_data(code, call) if isinstance(call, bytes) else self._script(code, *call)

    def _caller_of_text(self, code: CodeType, text: str) -> Callable[[], Any]:
        """As `_caller`. Raises, when called, what compiling the call raised."""
        if self.limits.policy:
            try:
                call, sensitive = policy.compile_call(text, nesting=self.limits.nesting)
            except (PolicyError, SyntaxError, ValueError, OverflowError, RecursionError) as error:
                return _raiser(error)
            self.order_sensitive |= sensitive
        else:
            call = compile(f"f({text}\n)", "<call>", "eval")
        return lambda: eval(call, self._loaded(code))

    def _caller_with_data(self, code: CodeType, encoded: bytes) -> Callable[[], Any]:
        """What loads the program and calls it with arguments that are read anew, before any of the program runs."""
        text = encoded.decode("utf-8", "surrogatepass")
        self.order_sensitive |= SET_TAG in text or FROZENSET_TAG in text

        def call() -> Any:
            positional, keywords = decode(text)
            return self._function(code)(*positional, **keywords)

        return call

    def _function(self, code: CodeType) -> Callable[..., Any]:
        """What is called, in a program that is loaded for it or was before. Raises what its expression raises."""
        if self.function is not None:
            return self.function
        name = _FUNCTION
        if self.called != FUNCTION:
            name, _ = policy.compile_expression(self.called, nesting=self.limits.nesting)
        function: Callable[..., Any] = eval(name, self._loaded(code))
        if not self.reload:
            self.function = function
        return function

    def _script(self, code: CodeType, text: str) -> Callable[[], Any]:
        """What runs the program as a script that reads the text, and gives what it prints."""

        def run() -> str:
            system = script.system(self.system, text)
            output = system.stdout
            modules.MODULES["sys"] = system
            table = {**(_BUILTINS if self.limits.policy else vars(builtins)), **script.builtins_of(system)}
            self._prepare()
            with suppress(SystemExit):
                exec(code, {"__name__": "__main__", "__doc__": None, "__builtins__": table})
            return script.printed(output)

        return run

    def _loaded(self, code: CodeType) -> dict[str, Any]:
        if self.reload:
            return self._load(code)
        if self.namespace is None:
            self.namespace = self._load(code)
        return self.namespace

    def _load(self, code: CodeType) -> dict[str, Any]:
        """A freshly loaded program. Raises _JobEnded where its body raises."""
        namespace: dict[str, Any] = {
            "__name__": "program",
            "__builtins__": _BUILTINS if self.limits.policy else builtins,
        }
        self._prepare()
        try:
            exec(code, namespace)
        except MemoryError:
            raise
        except BaseException as error:
            raise _JobEnded(JobStatus.ERROR, _refusal() or describe(error)) from error
        return namespace

    def _prepare(self) -> None:
        """Make this process what a program that is loaded next expects."""
        if self.loads:  # the first one finds the zygote's
            if self.fills:
                self.filling += map(bytes, _FILLING)
            if modules.imported:  # who imports nothing reaches nothing of the library
                decimal.setcontext(_no_decimal_use.copy())
                library.restore()
        self.loads += 1
        sys.setrecursionlimit(self.recursion_limit + _frames())

    # -- calls to records ---------------------------------------------------------------------------------------------

    def _record(self, call: Callable[[], Any]) -> None:
        status, text = self._outcome(call)
        for _ in range(self.repeats - 1):
            if status != CallStatus.OK:
                break
            again, other = self._outcome(call)
            if again != CallStatus.OK or not (other == text or equal(decode(other), decode(text))):
                status, text = CallStatus.NONDETERMINISTIC, "two runs gave different values"
        body = text if status == CallStatus.OK else encode(text)
        self.channel.write(_line(f'["{status}",{body}]'))

    def _outcome(self, call: Callable[[], Any]) -> _Outcome:
        """One run of one call."""
        refusals.forget()
        try:
            value = call()
        except (_JobEnded, MemoryError):
            raise
        except NotDataError as error:
            return CallStatus.NOT_DATA, str(error)
        except BaseException as error:
            return CallStatus.ERROR, _refusal() or describe(error)
        if refused := _refusal():
            return CallStatus.ERROR, refused
        limit = BYTES_PER_CHARACTER * self.limits.output_bytes
        try:
            return CallStatus.OK, encode(value, limit=limit, nesting=self.limits.nesting)
        except (NotDataError, RecursionError) as error:
            return CallStatus.NOT_DATA, str(error)
        except TooLargeError:
            return TOO_LARGE, ""


def _refusal() -> str | None:
    """The error that the policy raised since the program was loaded, whatever the program made of it."""
    return None if refusals.first is None else f"PolicyError: {refusals.first}"


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
    return eval(code, guards.evaluation_namespace(_BUILTINS, globals, locals))


_BUILTINS = guards.make_builtins(modules.import_module, _evaluate) | guards.GUARDS
