"""The user's side of one zygote: starts it, sends it jobs, reads what comes back as data, and replaces it when it dies.

Messages are length-limited bytes. What the zygote passes on was written by a hostile child, so it is parsed as JSON of
a known shape and never unpickled, evaluated or compared as a value.
"""

import importlib.util
import json
import math
import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from multiprocess.connection import Connection

from sandbox.job import CallResult, CallStatus, Job, JobResult, JobStatus, SandboxConfig, SandboxError, Wall
from sandbox.protocol import LINES_EXTRA, LINES_PER_OUTPUT, ORDER, REPORT, pack_job

_START = "import sys; sys.path += sys.argv.pop(1).split('|'); from sandbox.start import main; main()"
_START_TIMEOUT_S = 60.0
_SENT_AHEAD = 1 << 16  # bytes of an order that fit into the socket while the zygote is busy and reads nothing
_GRACE_S = 10.0  # beyond a job's own limit, after which the zygote itself counts as dead
_MAX_ERROR = 2000  # characters of an error's text that are passed on


class ZygoteDiedError(SandboxError):
    """The zygote ended or does not answer."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What kinds of zygote there are: by hash seed, and with the common modules or with all (sandbox/modules.py)."""

    hash_seed: int = 0
    whole_library: bool = False


class Zygote:
    """A running zygote: a process, a connection, and what it said about its walls."""

    def __init__(self, config: SandboxConfig, kind: Kind) -> None:
        self.config = config
        ours, theirs = socket.socketpair()
        settings = {
            "walls": sorted(config.walls),
            "memory_mb": config.memory_mb,
            "output_bytes": config.output_bytes,
            "nesting": config.nesting,
            "whole_library": kind.whole_library,
        }
        # A fresh interpreter, not a fork of this process with its threads. Its environment holds no secrets.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-S", "-B", "-c", _START, "|".join(_import_paths()), json.dumps(settings)],
            stdin=theirs.fileno(),
            env={"PYTHONHASHSEED": str(kind.hash_seed), "TZ": "UTC", "LC_ALL": "C.UTF-8"},
            start_new_session=True,  # Ctrl-C at the terminal is the owner's to handle
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        self._readable = select.poll()  # made once: the connection's own poll makes a selector each time
        self._readable.register(self.connection.fileno(), select.POLLIN)
        self._max_report = REPORT.size + LINES_PER_OUTPUT * config.output_bytes + LINES_EXTRA
        self._serial = 0
        try:
            report = json.loads(self._receive(_START_TIMEOUT_S))
        except BaseException:
            self.close()
            raise
        self.walls = frozenset(Wall(name) for name in report["walls"])
        self.notes = tuple(report["notes"])
        self.memory_kb = int(report["memory_kb"])

    def send(self, order: "Order") -> int:
        """Hand over a job, which runs in a fresh child once those before it are done; its serial number.

        Raises ZygoteDiedError.
        """
        self._serial = (self._serial + 1) & 0xFFFFFFFF
        head = ORDER.pack(self._serial, order.timeout_s, order.cpu_s)
        try:
            self.connection.send_bytes(head + order.packed)
        except OSError as error:
            raise ZygoteDiedError("the zygote is gone") from error
        return self._serial

    def receive(self, order: "Order", serial: int) -> "Outcome":
        """What came of an order, which must be the oldest that was not answered. Raises ZygoteDiedError."""
        report = self._receive(order.timeout_s + _GRACE_S)
        if REPORT.unpack_from(report)[0] != serial:
            raise ZygoteDiedError("the zygote answers another order")
        return _read_report(report, order)

    def _receive(self, timeout_s: float) -> bytes:
        try:
            if not self._readable.poll(1000 * timeout_s):
                raise ZygoteDiedError("the zygote does not answer")
            return bytes(self.connection.recv_bytes(self._max_report))
        except (EOFError, OSError) as error:
            raise ZygoteDiedError("the sandbox's process ended; its last words, if any, are above") from error

    def close(self) -> None:
        """End the process; safe to call again."""
        self.connection.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@dataclass(frozen=True, slots=True)
class Order:
    """A job as the zygote is sent it. `timeout_s` and `cpu_s` are its limits in seconds."""

    job: Job
    timeout_s: float
    cpu_s: int
    packed: bytes

    @classmethod
    def of(cls, job: Job, config: SandboxConfig) -> "Order":
        """The order for a job, with the config's limits where the job has none of its own."""
        timeout_s = config.timeout_s if job.timeout_s is None else job.timeout_s
        cpu_s = config.cpu_s or math.ceil(timeout_s)
        return cls(job, timeout_s, cpu_s, pack_job(job.program, job.calls, job.expected, job.repeats))


@dataclass(frozen=True, slots=True)
class Outcome:
    """A job's result; whether another hash seed or address might have led to another; whether a module was missing."""

    result: JobResult
    order_sensitive: bool = False
    library_missing: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """A job that a worker has taken on; where it has been sent, the zygote at which it waits and its number there."""

    order: Order
    zygote: Zygote | None = None
    serial: int = 0


class Worker:
    """Runs jobs one after another in children of its zygote; others, started when first needed, are for second looks.

    For one thread, which may begin a job before it finishes the one before: the zygote then finds it waiting.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.zygotes: dict[Kind, Zygote] = {}

    def start(self) -> Zygote:
        """The zygote that runs every job, started if need be."""
        return self._zygote(Kind())

    def _zygote(self, kind: Kind) -> Zygote:
        if kind not in self.zygotes:
            self.zygotes[kind] = Zygote(self.config, kind)
        return self.zygotes[kind]

    def begin(self, job: Job, behind: Begun | None = None) -> Begun:
        """Take a job on, `behind` one that is not finished yet.

        It is sent ahead if it is sure to come second and if sending cannot block: a zygote at work reads nothing, and
        could not get rid of its report while this thread waits.
        """
        order = Order.of(job, self.config)
        zygote = self.zygotes.get(Kind())
        if behind is None or (
            behind.zygote is not None and behind.zygote is zygote and len(order.packed) < _SENT_AHEAD
        ):
            return self._sent(order, Kind())
        return Begun(order)

    def finish(self, begun: Begun) -> JobResult:
        """Its result. Jobs are finished in the order in which they were begun.

        One that lacks a module is run again where all are loaded. Repeated calls whose values may hang on hash order
        are also run under another hash seed.
        """
        result = self._judged(begun, Kind())
        if result is None:
            result = self._judged(Begun(begun.order), Kind(whole_library=True))
        return result or JobResult(JobStatus.CRASHED, error="the child forged its report")

    def _judged(self, begun: Begun, kind: Kind) -> JobResult | None:
        """The result, or None where a module was missing that the whole library may have."""
        outcome = self._outcome(begun, kind)
        if outcome.library_missing:
            return None
        job = begun.order.job
        if job.repeats == 1 or not outcome.order_sensitive:
            return outcome.result
        once = Order.of(replace(job, repeats=1), self.config)
        second = self._outcome(Begun(once), replace(kind, hash_seed=1))
        return None if second.library_missing else _compare_runs(outcome.result, second.result)

    def _sent(self, order: Order, kind: Kind) -> Begun:
        """The order sent to the zygote of that kind; not sent where that turned out to be dead."""
        zygote = self._zygote(kind)
        try:
            return Begun(order, zygote, zygote.send(order))
        except ZygoteDiedError:
            self._discard(kind, zygote)
            return Begun(order)

    def _outcome(self, begun: Begun, kind: Kind) -> Outcome:
        for _ in range(2):  # a zygote that dies is replaced, and the job gets one more try
            if begun.zygote is None or begun.zygote is not self.zygotes.get(kind):
                begun = self._sent(begun.order, kind)
            if begun.zygote is None:
                continue
            try:
                return begun.zygote.receive(begun.order, begun.serial)
            except ZygoteDiedError:
                self._discard(kind, begun.zygote)
            except BaseException:  # its report may still come, and would be taken for the next one's
                self._discard(kind, begun.zygote)
                raise
        return Outcome(JobResult(JobStatus.CRASHED, error="the sandbox's process died twice"))

    def _discard(self, kind: Kind, zygote: Zygote) -> None:
        if self.zygotes.get(kind) is zygote:  # else it has been replaced already
            del self.zygotes[kind]
        zygote.close()

    def close(self) -> None:
        """End the zygotes."""
        for kind, zygote in list(self.zygotes.items()):
            self._discard(kind, zygote)


def _import_paths() -> list[str]:
    """Where the zygote finds this package and RestrictedPython; it runs without site-packages of its own."""
    paths = [str(Path(__file__).resolve().parent.parent)]
    spec = importlib.util.find_spec("RestrictedPython")
    if spec is None or spec.origin is None:
        raise SandboxError("RestrictedPython is not installed; pip install RestrictedPython")
    return [*paths, str(Path(spec.origin).parent.parent)]


def _compare_runs(first: JobResult, second: JobResult) -> JobResult:
    """The first result, with calls marked whose values the second one does not share."""
    if second.status is not first.status:
        return first if second.status is JobStatus.CRASHED else replace(second, calls=first.calls[: len(second.calls)])
    calls = [
        CallResult(CallStatus.NONDETERMINISTIC, error="the value depends on the order of a set or on an address")
        if a.status is CallStatus.OK and (b.status is not CallStatus.OK or b.value != a.value)
        else a
        for a, b in zip(first.calls, second.calls, strict=False)
    ]
    return replace(first, calls=tuple(calls), seconds=first.seconds + second.seconds)


# -- reading reports: everything in them may be forged ----------------------------------------------------------------


def _read_report(report: bytes, order: Order) -> Outcome:
    job = order.job
    _, timed_out, ending, seconds = REPORT.unpack_from(report)
    calls, final = _read_lines(report[REPORT.size :], job)
    if timed_out:
        return _stopped(JobStatus.TIMEOUT, calls, "the wall clock's limit", seconds)
    if os.WIFSIGNALED(ending):
        code = os.WTERMSIG(ending)
        # The limit on time kills a child that ignores SIGXCPU, a second later.
        if code == signal.SIGXCPU or (code == signal.SIGKILL and seconds > order.cpu_s):
            return _stopped(JobStatus.TIMEOUT, calls, "the limit on processor time", seconds)
        return _stopped(JobStatus.CRASHED, calls, f"killed by signal {code}", seconds)
    if final is None:
        return _stopped(JobStatus.CRASHED, calls, "the child ended without a result", seconds)
    status, error = final["job"], final.get("error")
    if status == JobStatus.OK and len(calls) != len(job.calls):
        return _stopped(JobStatus.CRASHED, calls, "the child ended without all results", seconds)
    result = JobResult(JobStatus(status), calls, _text(error), seconds)
    return Outcome(result, final.get("order_sensitive") is True, final.get("library") is True)


def _stopped(status: JobStatus, calls: tuple[CallResult, ...], error: str, seconds: float) -> Outcome:
    return Outcome(JobResult(status, calls, error, seconds))


def _read_lines(lines: bytes, job: Job) -> tuple[tuple[CallResult, ...], dict[str, Any] | None]:
    """The calls' results and the job's line. Reading ends at the first line that is not as it should be."""
    calls: list[CallResult] = []
    for line in lines.split(b"\n"):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict):
            break
        if isinstance(record.get("job"), str) and record["job"] in _JOB_STATUSES:
            return tuple(calls), record
        call = _read_call(record)
        if call is None or len(calls) == len(job.calls):
            break
        calls.append(call)
    return tuple(calls), None


_JOB_STATUSES = frozenset(str(status) for status in JobStatus)
_CALL_STATUSES = {str(status): status for status in CallStatus}


def _read_call(record: dict[str, Any]) -> CallResult | None:
    status, equal = record.get("status"), record.get("equal")
    value = record.get("value")
    if not isinstance(status, str) or status not in _CALL_STATUSES:
        return None
    if (status == CallStatus.OK) != isinstance(value, str) or not (equal is None or isinstance(equal, bool)):
        return None
    return CallResult(_CALL_STATUSES[status], value, _text(record.get("error")), equal)


def _text(error: Any) -> str | None:
    return error[:_MAX_ERROR] if isinstance(error, str) else None
