"""The sandbox as its users know it: a pool of workers, and the questions that the task types ask."""

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from sandbox.arguments import Arguments, StandardInput
from sandbox.arithmetic import compute_arguments, compute_value
from sandbox.equality import equal
from sandbox.job import (
    CallResult,
    CallStatus,
    Job,
    JobResult,
    JobStatus,
    SandboxConfig,
    SandboxError,
    SandboxUnavailableError,
    Wall,
)
from sandbox.literals import read_value
from sandbox.report import read_values
from sandbox.values import NotDataError, TooLargeError

if TYPE_CHECKING:
    from sandbox.worker import Begun, Worker

_AHEAD = 16  # jobs that `map` takes from its iterable for each worker before it waits for the oldest
_Task = tuple[Job, "Future[JobResult]"]
_Running = tuple["Begun", "Future[JobResult]"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The walls that this machine grants, of all there are, and remarks for a person."""

    walls: frozenset[Wall]
    notes: tuple[str, ...]

    @property
    def missing(self) -> frozenset[Wall]:
        """The walls that this machine does not grant."""
        return frozenset(Wall) - self.walls


def capabilities() -> Capabilities:
    """Start one zygote to see which walls hold here. Raises SandboxError where not even that works."""
    from sandbox.worker import Kind, Zygote

    zygote = Zygote(SandboxConfig(minimum=frozenset()), Kind())
    try:
        return Capabilities(zygote.walls, zygote.notes)
    finally:
        zygote.close()


class Sandbox:
    """Runs hostile Python and says what came of it. A context manager; every method may be called from any thread.

        with Sandbox(SandboxConfig(workers=2)) as sandbox:
            result = sandbox.run(Job("def f(x): return x + 1", ("1",)))

    Entering raises SandboxUnavailableError where the machine grants less than `config.minimum`.
    """

    def __init__(self, config: SandboxConfig | None = None) -> None:
        self.config = config or SandboxConfig()
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._workers: list[Worker] = []
        self._threads: list[threading.Thread] = []
        self._open = False
        self._lock = threading.Lock()
        self.walls: frozenset[Wall] = frozenset()

    def __enter__(self) -> "Sandbox":
        from sandbox.worker import Worker

        with self._lock:
            if self._open:
                raise SandboxError("the sandbox is open already")
            self._workers = [Worker(self.config) for _ in range(self.config.pool_size)]
            try:
                zygotes = [worker.start() for worker in self._workers]
                self.walls = frozenset.intersection(*(zygote.walls for zygote in zygotes))
                self._require_minimum(zygotes[0].notes)
            except BaseException:
                self._close_workers()
                raise
            self._threads = [
                threading.Thread(target=self._work, args=(worker,), name="sandbox", daemon=True)
                for worker in self._workers
            ]
            for thread in self._threads:
                thread.start()
            self._open = True
        return self

    def _require_minimum(self, notes: tuple[str, ...]) -> None:
        missing = self.config.minimum - self.walls
        if missing:
            reasons = "; ".join(notes) or "they are switched off in the config"
            raise SandboxUnavailableError(f"this machine does not grant the walls {sorted(missing)}: {reasons}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the pool: jobs that have begun are finished, others fail with SandboxError. Safe to call again."""
        with self._lock:
            if not self._open:
                return
            self._open = False
            waiting = []
            with suppress(queue.Empty):
                while True:
                    waiting.append(self._tasks.get_nowait())
            for _ in self._threads:
                self._tasks.put(None)
        for task in waiting:
            if task is not None and task[1].set_running_or_notify_cancel():
                task[1].set_exception(SandboxError("the sandbox was closed"))
        for thread in self._threads:
            thread.join()
        self._close_workers()

    def _close_workers(self) -> None:
        for worker in self._workers:
            worker.close()

    def _work(self, worker: "Worker") -> None:
        """A worker's thread. While one job runs, the next one waits at the zygote, unless a worker is free for it."""
        running: _Running | None = None
        ending = False
        while running or not ending:
            following: _Running | None = None
            if not ending and (running is None or self._tasks.qsize() >= len(self._workers)):
                with suppress(queue.Empty):  # other workers were faster
                    task = self._tasks.get(block=running is None)
                    ending = task is None
                    following = _begin(worker, task, running and running[0]) if task else None
            if running is not None:
                _finish(worker, running)
            running = following

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def submit(self, job: Job) -> "Future[JobResult]":
        """Hand a job to the pool. Raises SandboxError where the sandbox is not open."""
        future: Future[JobResult] = Future()
        refusal = _refusal(job, self.config)
        with self._lock:
            if not self._open:
                raise SandboxError("the sandbox is not open; use it in a with statement")
            if refusal is None and job.program is not None:
                self._tasks.put((job, future))
                return future
        future.set_result(JobResult(JobStatus.REJECTED, error=refusal) if refusal else read_values(job, self.config))
        return future

    def run(self, job: Job) -> JobResult:
        """One job's result. Whatever the program does, it is a result and no exception."""
        return self.submit(job).result()

    def map(self, jobs: Iterable[Job]) -> Iterator[JobResult]:
        """The jobs' results in their order, as a stream: `jobs` is read a little ahead of what is yielded."""
        pending: deque[Future[JobResult]] = deque()
        for job in jobs:
            pending.append(self.submit(job))
            if len(pending) >= _AHEAD * self.config.pool_size:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    # -- the questions ------------------------------------------------------------------------------------------------

    def evaluate(self, program: str, calls: Sequence[str | Arguments], repeats: int = 1) -> JobResult:
        """The values of f(<call>) for each call; with `repeats`, only values that so many runs agree on."""
        return self.run(Job(program, tuple(calls), repeats=repeats))

    def accepts(self, program: str, answers: Sequence[str | Arguments], output: str) -> list[bool]:
        """For each answer, whether f(<answer>) equals the value that `output` writes down.

        An answer is data: a text is read as literals and arithmetic (sandbox/arithmetic.py), and one that is neither is
        wrong.
        Each answer is judged by itself: one that loops or takes all memory costs the others nothing but time.
        """
        wanted = _computed(output)
        given = [_arguments(answer) for answer in answers]
        different = {arguments.text: arguments for arguments in given if arguments is not None}
        results = self.each(program, list(different.values()))
        right = {text for text, result in zip(different, results, strict=True) if _gives(result, wanted)}
        return [arguments is not None and arguments.text in right for arguments in given]

    def values_equal(self, values: Sequence[str], expected: Sequence[str]) -> list[bool]:
        """For each pair, whether the literal `values[i]` equals what `expected[i]` writes down; no child is asked."""
        return [_same(value, wanted) for value, wanted in zip(values, expected, strict=True)]

    def reproduces(self, program: str, pairs: Sequence[tuple[str | Arguments, str]]) -> bool:
        """Whether f(<input>) equals the output for every (input, output) pair. Inputs that are literals go as data."""
        return next(self.reproduce([program], pairs))

    def reproduce(self, programs: Iterable[str], pairs: Sequence[tuple[str | Arguments, str]]) -> Iterator[bool]:
        """For each program what `reproduces` says, each from a child of its own."""
        calls = tuple(_arguments(given) or given for given, _ in pairs)
        outputs = tuple(output for _, output in pairs)
        for result in self.map(Job(program, calls, outputs) for program in programs):
            yield result.status is JobStatus.OK and all(call.equal is True for call in result.calls)

    def arguments(
        self, texts: Sequence[str], repeats: int = 1, timeout_s: float | None = None
    ) -> list[Arguments | str]:
        """The arguments that each text gives: read where it is a literal or arithmetic, else evaluated by itself.

        What has to be evaluated is, in a child that holds no program; a text that gives no plain data there (in each of
        `repeats` runs the same) is answered with the reason why not.
        """
        read: list[Arguments | None] = [_arguments(text) for text in texts]
        calculated = [text for text, given in zip(texts, read, strict=True) if given is None]
        others = iter(self.each(_GATHER, calculated, repeats, timeout_s))
        return [given if given is not None else _gathered(next(others)) for given in read]

    def deterministic(self, program: str, calls: Sequence[str | Arguments], runs: int = 2) -> bool:
        """Whether every call gives plain data, and the same in each of so many runs."""
        result = self.evaluate(program, calls, repeats=runs)
        return result.status is JobStatus.OK and all(call.status is CallStatus.OK for call in result.calls)

    def each(
        self, program: str, calls: Sequence[str | Arguments], repeats: int = 1, timeout_s: float | None = None
    ) -> list[CallResult | None]:
        """Every call's result, None where it has none: the program is refused, or the call stops a job that begins
        with it. A call that stops a job behind others is asked once more, in front: the others took of its limits.
        """
        done: list[CallResult | None] = []
        while len(done) < len(calls):
            job = self._as_many_as_fit(program, calls[len(done) :], repeats, timeout_s)
            result = self.run(job)
            done += result.calls
            if len(result.calls) == len(job.calls):
                continue
            if result.status is JobStatus.ERROR or (result.status is JobStatus.REJECTED and len(job.calls) > 1):
                return done + [None] * (len(calls) - len(done))
            if not result.calls:
                done.append(None)
        return done

    def _as_many_as_fit(
        self, program: str, calls: Sequence[str | Arguments], repeats: int, timeout_s: float | None
    ) -> Job:
        """A job of the first calls that the limit on source has room for; at least one."""
        room = self.config.source_bytes - _size(program)
        count = 0
        for call in calls:
            room -= _size(call)
            if room < 0 and count:
                break
            count += 1
        return Job(program, tuple(calls[:count]), repeats=repeats, timeout_s=timeout_s)


_GATHER = "def f(*positional, **keywords):\n    return positional, keywords"


def _gathered(call: CallResult | None) -> Arguments | str:
    if call is None or call.status is not CallStatus.OK:
        return (call and call.error) or "it could not be evaluated"
    try:
        positional, keywords = call.data
    except (TypeError, ValueError):  # a forged value
        return "it is no list of arguments"
    if type(positional) is not tuple or type(keywords) is not dict or any(type(name) is not str for name in keywords):
        return "it is no list of arguments"
    return Arguments(positional, keywords)


def _arguments(answer: str | Arguments) -> Arguments | None:
    """An answer as data; None where it is a text that writes no list of arguments down, or one without a text."""
    try:
        arguments = answer if isinstance(answer, Arguments) else compute_arguments(answer)
        arguments.text  # noqa: B018
    except (NotDataError, TooLargeError):
        return None
    return arguments


_NO_VALUE = object()


def _computed(text: str) -> Any:
    """The value that `text` writes down, or what no value equals."""
    try:
        return compute_value(text)
    except NotDataError:
        return _NO_VALUE


def _gives(call: CallResult | None, wanted: Any) -> bool:
    return call is not None and call.status is CallStatus.OK and wanted is not _NO_VALUE and equal(call.data, wanted)


def _same(value: str, wanted: str) -> bool:
    try:
        return equal(read_value(value), compute_value(wanted))
    except NotDataError:
        return False


def _begin(worker: "Worker", task: _Task, behind: "Begun | None") -> _Running | None:
    """The job begun, or None where nobody waits for it any more or it can't be begun, which who waits is told."""
    job, future = task
    if not future.set_running_or_notify_cancel():
        return None
    try:
        return worker.begin(job, behind), future
    except BaseException as error:  # the one who asked gets it
        future.set_exception(error)
        return None


def _finish(worker: "Worker", running: _Running) -> None:
    begun, future = running
    try:
        result = worker.finish(begun)
    except BaseException as error:  # the one who asked gets it
        future.set_exception(error)
    else:
        future.set_result(result)


def _refusal(job: Job, config: SandboxConfig) -> str | None:
    """Why a job goes nowhere: its source is too large, or what it hands over as data is none."""
    limit = config.source_bytes
    try:
        size = sum(map(_size, [job.program or "", *job.calls, *(job.expected or ())]))
    except (NotDataError, TooLargeError) as error:
        return f"the arguments cannot be handed over: {error}"
    if size > limit:
        return f"the source has {size} bytes, more than {limit}"
    return f"the job has more than {limit} calls" if len(job.calls) > limit else None


def _size(source: str | Arguments | StandardInput) -> int:
    """Bytes of the text as UTF-8."""
    text = source if isinstance(source, str) else source.text
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
