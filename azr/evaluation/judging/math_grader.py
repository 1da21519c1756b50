"""Grades mathematical answers in a process of its own, which is killed and started anew when an answer makes it hang.

The process reads one JSON array a line, [reference, answer, unit, seconds], and answers each with true or false. The
seconds are of its own processor time, which a busy machine does not shorten; when they are over it dies of an alarm
that no calculation can put off.
"""

import contextlib
import json
import logging
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from types import TracebackType
from typing import Self

TIMEOUT_S = 10.0
BUSY = 12  # how many times as long the clock on the wall may show, before the process is taken for stuck
START_S = 60.0  # sympy alone takes seconds to import on a busy machine
MEMORY_BYTES = 4 << 30
LONGEST_ANSWER = 2000  # characters; no reference comes near


class MathGrader:
    """A context manager, thread safe. The process starts with the first answer that needs it."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str, str | None], bool] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def equal(self, reference: str, answer: str, unit: str | None = None) -> bool:
        """As `math_equal.equal_answers`; False also where grading ran out of time or memory."""
        if len(answer) > LONGEST_ANSWER:
            return False
        question = (reference, answer, unit)
        with self._lock:
            if question not in self._known:
                self._known[question] = self._ask(question)
            return self._known[question]

    def _ask(self, question: tuple[str, str, str | None]) -> bool:
        if self._process is None:
            self._process = _start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps((*question, self._timeout_s)) + "\n")
            self._process.stdin.flush()
            ready, _, _ = select.select([self._process.stdout], [], [], BUSY * self._timeout_s)
            line = self._process.stdout.readline() if ready else ""
        except BrokenPipeError:
            line = ""
        if line not in ("true\n", "false\n"):  # it hangs, or died of the answer
            self._stop()
            return False
        return line == "true\n"

    def _stop(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):  # the question that it died of was not all written
                    pipe.close()


def _start() -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
        start_new_session=True,  # Ctrl-C is for the parent, which still has answers to be graded
    )
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_S)
    if not ready or process.stdout.readline() != "ready\n":
        process.kill()
        process.wait()
        raise RuntimeError("the math grader did not start; python -m azr.evaluation.judging.math_grader shows why")
    return process


def _serve() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    verdicts = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no verdict
    logging.disable(logging.WARNING)  # math-verify warns that its timeouts are off: they need the main thread's alarm
    from azr.evaluation.judging.math_equal import equal_answers

    equal_answers("x + 1", "1 + x")  # sympy and the parser load most of themselves at their first use
    print("ready", file=verdicts, flush=True)
    for line in sys.stdin:
        reference, answer, unit, seconds = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF ends the process, whatever it is in the middle of
        try:
            verdict = equal_answers(reference, answer, unit)
        except Exception:  # sympy raises anything on such text; whatever it is, the answer is not right
            verdict = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(verdict), file=verdicts, flush=True)


if __name__ == "__main__":
    _serve()
