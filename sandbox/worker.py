"""The user's side of one zygote: starts it, sends it jobs, reads what comes back as data, and replaces it when it dies.

Messages are length-limited bytes. What the zygote passes on was written by a hostile child, so it is parsed as JSON of
a known shape and never unpickled, evaluated or compared as a value.
"""

import importlib.util
import json
import math
import select
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from multiprocess.connection import Connection

from sandbox.job import CallResult, CallStatus, Job, JobResult, JobStatus, SandboxConfig, SandboxError, Wall
from sandbox.protocol import EXITED, KILLED, LINES_EXTRA, LINES_PER_OUTPUT, ORDER, REPORT, TIMED_OUT, pack_job

_START = "import sys; sys.path += sys.argv.pop(1).split('|'); from sandbox.start import main; main()"
_START_TIMEOUT_S = 60.0
_GRACE_S = 10.0  # beyond a job's own limit, after which the zygote itself counts as dead
_MAX_ERROR = 2000  # characters of an error's text that are passed on


class ZygoteDiedError(SandboxError):
    """The zygote ended or does not answer."""


class Zygote:
    """A running zygote: a process, a connection, and what it said about its walls."""

    def __init__(self, config: SandboxConfig, hash_seed: int) -> None:
        self.config = config
        ours, theirs = socket.socketpair()
        settings = {
            "walls": sorted(config.walls),
            "memory_mb": config.memory_mb,
            "output_bytes": config.output_bytes,
            "nesting": config.nesting,
        }
        # A fresh interpreter, not a fork of this process with its threads. Its environment holds no secrets.
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-S", "-B", "-c", _START, "|".join(_import_paths()), json.dumps(settings)],
            stdin=theirs.fileno(),
            env={"PYTHONHASHSEED": str(hash_seed), "TZ": "UTC", "LC_ALL": "C.UTF-8"},
            start_new_session=True,  # Ctrl-C at the terminal is the owner's to handle
        )
        theirs.close()
        self.connection = Connection(ours.detach())
        self._readable = select.poll()  # made once: the connection's own poll makes a selector each time
        self._readable.register(self.connection.fileno(), select.POLLIN)
        self._sending = threading.Lock()
        self._last = threading.Lock()  # held until the report before the next one has been read
        self._max_report = REPORT.size + LINES_PER_OUTPUT * config.output_bytes + LINES_EXTRA
        report = json.loads(self._receive(_START_TIMEOUT_S))
        self.walls = frozenset(Wall(name) for name in report["walls"])
        self.notes = tuple(report["notes"])
        self.memory_kb = int(report["memory_kb"])

    def run(self, job: Job) -> "Outcome":
        """One job in a fresh child. Raises ZygoteDiedError.

        Threads may call this together: the zygote runs one job after the other, and finds the next one waiting.
        """
        timeout_s = self.config.timeout_s if job.timeout_s is None else job.timeout_s
        cpu_s = self.config.cpu_s or math.ceil(timeout_s)
        order = ORDER.pack(timeout_s, cpu_s) + pack_job(job.program, job.calls, job.expected, job.repeats)
        done = threading.Lock()
        done.acquire()
        with self._sending:
            try:
                self.connection.send_bytes(order)
            except OSError as error:
                raise ZygoteDiedError("the zygote is gone") from error
            before, self._last = self._last, done
        with before:  # reports come in the order of the orders
            try:
                report = self._receive(timeout_s + _GRACE_S)
            finally:
                done.release()
        return _read_report(report, job, cpu_s)

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
class Outcome:
    """A job's result, and whether another hash seed or address might have led to another."""

    result: JobResult
    order_sensitive: bool


class Worker:
    """Runs jobs one after another in children of its zygote; a second one, with another hash seed, for second looks."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.zygotes: dict[int, Zygote] = {}
        self._lock = threading.Lock()

    def start(self) -> Zygote:
        """The zygote that runs every job, started if need be."""
        return self._zygote(0)

    def _zygote(self, seed: int) -> Zygote:
        with self._lock:
            if seed not in self.zygotes:
                self.zygotes[seed] = Zygote(self.config, seed)
            return self.zygotes[seed]

    def run(self, job: Job) -> JobResult:
        """One job. Repeated calls whose values may hang on hash order are also run under another hash seed."""
        outcome = self._run(job, 0)
        if job.repeats == 1 or not outcome.order_sensitive:
            return outcome.result
        second = self._run(replace(job, repeats=1), 1)
        return _compare_runs(outcome.result, second.result)

    def _run(self, job: Job, seed: int) -> Outcome:
        for _ in range(2):  # a zygote that dies is replaced, and the job gets one more try
            zygote = self._zygote(seed)
            try:
                return zygote.run(job)
            except ZygoteDiedError:
                self._discard(seed, zygote)
        return Outcome(JobResult(JobStatus.CRASHED, error="the sandbox's process died twice"), False)

    def _discard(self, seed: int, zygote: Zygote) -> None:
        with self._lock:
            if self.zygotes.get(seed) is zygote:  # else another thread has replaced it already
                del self.zygotes[seed]
                zygote.close()

    def close(self) -> None:
        """End the zygotes."""
        for seed, zygote in list(self.zygotes.items()):
            self._discard(seed, zygote)


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


def _read_report(report: bytes, job: Job, cpu_s: int) -> Outcome:
    kind, code, seconds, cpu_seconds = REPORT.unpack_from(report)
    calls, final = _read_lines(report[REPORT.size :], job)
    if kind == TIMED_OUT:
        return _stopped(JobStatus.TIMEOUT, calls, "the wall clock's limit", seconds)
    if kind == KILLED and (code == signal.SIGXCPU or (code == signal.SIGKILL and cpu_seconds >= cpu_s)):
        return _stopped(JobStatus.TIMEOUT, calls, "the limit on processor time", seconds)
    if kind == KILLED:
        return _stopped(JobStatus.CRASHED, calls, f"killed by signal {code}", seconds)
    if kind != EXITED or final is None:
        return _stopped(JobStatus.CRASHED, calls, "the child ended without a result", seconds)
    status, error = final["job"], final.get("error")
    if status == JobStatus.OK and len(calls) != len(job.calls):
        return _stopped(JobStatus.CRASHED, calls, "the child ended without all results", seconds)
    return Outcome(JobResult(JobStatus(status), calls, _text(error), seconds), final.get("order_sensitive") is True)


def _stopped(status: JobStatus, calls: tuple[CallResult, ...], error: str, seconds: float) -> Outcome:
    return Outcome(JobResult(status, calls, error, seconds), False)


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
