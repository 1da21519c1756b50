"""The sandbox as its users know it: a pool of workers, and the questions that the task types ask."""

import queue
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

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
        size = _source_bytes(job)
        if size > self.config.source_bytes:
            error = f"the source has {size} bytes, more than {self.config.source_bytes}"
            future.set_result(JobResult(JobStatus.REJECTED, error=error))
            return future
        with self._lock:
            if not self._open:
                raise SandboxError("the sandbox is not open; use it in a with statement")
            self._tasks.put((job, future))
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

    def evaluate(self, program: str, calls: Sequence[str], repeats: int = 1) -> JobResult:
        """The values of f(<call>) for each call; with `repeats`, only values that so many runs agree on."""
        return self.run(Job(program, tuple(calls), repeats=repeats))

    def accepts(self, program: str, answers: Sequence[str], output: str) -> list[bool]:
        """For each answer, whether f(<answer>) equals the value that `output` writes down.

        Each answer is judged by itself: one that loops or takes all memory costs the others nothing but time.
        """
        return [
            call is not None and call.equal is True for call in self._each(program, answers, [output] * len(answers))
        ]

    def values_equal(self, values: Sequence[str], expected: Sequence[str]) -> list[bool]:
        """For each pair of texts, whether they write down equal values. Text that is no literal never does."""
        return [call is not None and call.equal is True for call in self._each(None, values, expected)]

    def reproduces(self, program: str, pairs: Sequence[tuple[str, str]]) -> bool:
        """Whether f(<input>) equals the output for every (input, output) pair."""
        result = self.run(Job(program, tuple(i for i, _ in pairs), tuple(o for _, o in pairs)))
        return result.status is JobStatus.OK and all(call.equal is True for call in result.calls)

    def deterministic(self, program: str, calls: Sequence[str], runs: int = 2) -> bool:
        """Whether every call gives plain data, and the same in each of so many runs."""
        result = self.evaluate(program, calls, repeats=runs)
        return result.status is JobStatus.OK and all(call.status is CallStatus.OK for call in result.calls)

    def _each(self, program: str | None, calls: Sequence[str], expected: Sequence[str]) -> list[CallResult | None]:
        """Every call's result, None where it has none: the program is refused, or the call stops a job that begins
        with it. A call that stops a job behind others is asked once more, in front: the others took of its limits.
        """
        done: list[CallResult | None] = []
        while len(done) < len(calls):
            job = self._as_many_as_fit(program, calls[len(done) :], expected[len(done) :])
            result = self.run(job)
            done += result.calls
            if result.status is JobStatus.OK:
                continue
            if result.status is JobStatus.ERROR or (result.status is JobStatus.REJECTED and len(job.calls) > 1):
                return done + [None] * (len(calls) - len(done))
            if not result.calls:
                done.append(None)
        return done

    def _as_many_as_fit(self, program: str | None, calls: Sequence[str], expected: Sequence[str]) -> Job:
        """A job of the first calls that the limit on source has room for; at least one."""
        room = self.config.source_bytes - _size(program or "")
        count = 0
        for call, value in zip(calls, expected, strict=True):
            room -= _size(call) + _size(value)
            if room < 0 and count:
                break
            count += 1
        return Job(program, tuple(calls[:count]), tuple(expected[:count]))


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


def _source_bytes(job: Job) -> int:
    return sum(map(_size, [job.program or "", *job.calls, *(job.expected or ())]))


def _size(text: str) -> int:
    """Bytes of the text as UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
