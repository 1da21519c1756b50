"""The user's side of one zygote: starts it, sends it jobs, reads what comes back as data, and replaces it when it dies.

Messages are length-limited bytes. What the zygote passes on was written by a hostile child (sandbox/report.py).
"""

import importlib.util
import json
import math
import select
import socket
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from multiprocess.connection import Connection

from sandbox.arguments import Arguments, StandardInput
from sandbox.encoding import encode
from sandbox.equality import equal
from sandbox.job import CallResult, CallStatus, Job, JobResult, JobStatus, SandboxConfig, SandboxError, Wall
from sandbox.order import may_write_text
from sandbox.protocol import BYTES_PER_CHARACTER, LINES_EXTRA, ORDER, REPORT, PackedJob
from sandbox.report import Outcome, read_report

_START = "import sys; sys.path += sys.argv.pop(1).split('|'); from sandbox.start import main; main()"
_START_TIMEOUT_S = 60.0
_SENT_AHEAD = 1 << 16  # bytes of an order that fit into the socket while the zygote is busy and reads nothing
_GRACE_S = 10.0  # beyond a job's own limit, after which the zygote itself counts as dead


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
            "source_bytes": config.source_bytes,
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
        self._max_report = REPORT.size + BYTES_PER_CHARACTER * config.output_bytes + LINES_EXTRA
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

    def receive(self, order: "Order", serial: int) -> Outcome:
        """What came of an order, which must be the oldest that was not answered. Raises ZygoteDiedError."""
        report = self._receive(order.timeout_s + _GRACE_S)
        if REPORT.unpack_from(report)[0] != serial:
            raise ZygoteDiedError("the zygote answers another order")
        return read_report(report, order.job, self.config, order.cpu_s)

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
        calls = tuple(_packed(call, config) for call in job.calls)
        program = job.program or ""
        fills = job.repeats > 1 and any(may_write_text(text) for text in (program, *calls) if isinstance(text, str))
        packed = PackedJob(program, calls, job.repeats, job.reload, job.function, job.recursion_limit, fills).packed()
        return cls(job, timeout_s, cpu_s, packed)


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


def _packed(call: str | Arguments | StandardInput, config: SandboxConfig) -> str | bytes | tuple[str]:
    """A call as its child gets it (PackedJob)."""
    if isinstance(call, StandardInput):
        return (call.text,)
    return call if isinstance(call, str) else _encoded(call, config)


def _encoded(arguments: Arguments, config: SandboxConfig) -> bytes:
    """Arguments for a child. Raises NotDataError or TooLargeError where they are not plain data of bounded size."""
    pair = (arguments.positional, dict(arguments.keywords))
    text = encode(pair, limit=BYTES_PER_CHARACTER * config.source_bytes, nesting=config.nesting + 2)
    return text.encode("utf-8", "surrogatepass")


def _compare_runs(first: JobResult, second: JobResult) -> JobResult:
    """The first result, with every call marked whose value the second one does not share."""
    seconds = first.seconds + second.seconds
    if second.status in (JobStatus.TIMEOUT, JobStatus.MEMORY) and first.status is JobStatus.OK:
        return replace(second, calls=first.calls[: len(second.calls)], seconds=seconds)
    others: list[CallResult | None] = [*second.calls, *[None] * len(first.calls)]
    calls = [
        replace(_NONDETERMINISTIC, equal=None if call.equal is None else False) if _differs(call, other) else call
        for call, other in zip(first.calls, others, strict=False)
    ]
    return replace(first, calls=tuple(calls), seconds=seconds)


_NONDETERMINISTIC = CallResult(
    CallStatus.NONDETERMINISTIC, error="the value depends on the order of a set or on an address"
)


def _differs(first: CallResult, second: CallResult | None) -> bool:
    """Whether a value is not what another process made of the same call; what else came of it is not compared."""
    if first.status is not CallStatus.OK:
        return False
    if second is None or second.status is not CallStatus.OK:
        return True
    return first.value != second.value and not equal(first.data, second.data)
