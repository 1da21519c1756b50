"""`python -m sandbox < jobs.jsonl > results.jsonl`: the sandbox for any language's user.

One JSON object a line in and out, answered in order, each answer written as soon as those before it are.
docs/sandbox.md describes the fields. `--check` says which walls this machine grants.
"""

import argparse
import json
import os
import queue
import select
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

from sandbox.executor import Sandbox, capabilities
from sandbox.job import MINIMUM, CallResult, JobResult, SandboxConfig, SandboxError, Wall
from sandbox.lines import job_from_json

_AHEAD = 256  # lines read before their answers are written
_CHUNK = 1 << 16  # bytes read at once


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0; 1 where whoever read the answers went away; 2 where the sandbox can't start or, with --check,
    the minimum of walls is not granted.
    """
    options = _parse(arguments)
    try:
        if options.check:
            return _check()
        defaults = SandboxConfig()
        config = SandboxConfig(
            workers=options.workers,
            timeout_s=options.timeout or defaults.timeout_s,
            memory_mb=options.memory or defaults.memory_mb,
        )
        with Sandbox(config) as sandbox:
            _serve(sandbox, sys.stdin.fileno(), sys.stdout.fileno())
    except (SandboxError, ValueError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    except ReaderGoneError:
        print("sandbox: whoever read the answers went away before the last one", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox", description="Run hostile Python: JSON lines in, JSON lines out."
    )
    parser.add_argument("--check", action="store_true", help="say which walls this machine grants, and end")
    parser.add_argument("--workers", type=int, default=0, help="children at work at once (default: one a core)")
    parser.add_argument("--timeout", type=float, help="seconds of wall clock for a job that names none (default: 5)")
    parser.add_argument("--memory", type=int, help="MiB of memory for a job (default: 512)")
    return parser.parse_args(arguments)


def _check() -> int:
    found = capabilities()
    for wall in Wall:
        print(f"{wall:<9} {'yes' if wall in found.walls else 'no'}")
    for note in found.notes:
        print(f"note: {note}")
    if MINIMUM - found.walls:
        print(f"below the minimum ({', '.join(sorted(MINIMUM))}): the sandbox refuses to start here")
        return 2
    return 0


class ReaderGoneError(Exception):
    """Nobody reads the answers any more."""


def _serve(sandbox: Sandbox, source: int, sink: int) -> None:
    """Answer every line of one file descriptor on another. Raises ReaderGoneError.

    A thread writes, so that a reader may wait for one answer at a time.
    """
    answers: queue.Queue[tuple[Any, Future[JobResult] | str] | None] = queue.Queue(_AHEAD)
    writer = _Writer(answers, sink)
    writer.start()
    try:
        for line in _lines(source, sink):
            if writer.gone:
                break
            if not line.strip():
                continue
            identifier: Any = None
            try:
                identifier, job = job_from_json(line)
                answers.put((identifier, sandbox.submit(job)))
            except ValueError as error:
                answers.put((getattr(error, "identifier", None), str(error)))
    finally:
        answers.put(None)
        writer.join()
    if writer.gone:
        raise ReaderGoneError


def _lines(source: int, sink: int) -> Iterator[bytes]:
    """The lines of `source` as they come, until it ends. Raises ReaderGoneError where `sink` loses its reader first.

    A pipe tells its writer that its reader is gone (POLLERR), so nothing waits for a line that nobody needs.
    """
    waiting = select.poll()
    waiting.register(source, select.POLLIN)
    waiting.register(sink, 0)
    rest = b""
    while True:
        ready = dict(waiting.poll())
        if sink in ready and sink != source:
            raise ReaderGoneError
        data = os.read(source, _CHUNK)
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
    if rest:
        yield rest


class _Writer(threading.Thread):
    """Writes the answers in order. Once nobody reads them, it takes them and lets them go."""

    def __init__(self, answers: "queue.Queue[tuple[Any, Future[JobResult] | str] | None]", sink: int) -> None:
        super().__init__(daemon=True)
        self.answers = answers
        self.sink = sink
        self.gone = False

    def run(self) -> None:
        while (answer := self.answers.get()) is not None:
            if self.gone:
                continue
            try:
                self._write(*answer)
            except BrokenPipeError:
                self.gone = True

    def _write(self, identifier: Any, outcome: "Future[JobResult] | str") -> None:
        if isinstance(outcome, str):
            record: dict[str, Any] = {"id": identifier, "status": "invalid", "error": outcome}
        else:
            record = {"id": identifier, **_as_json(outcome.result())}
        data = memoryview(json.dumps(record).encode() + b"\n")
        while data:
            data = data[os.write(self.sink, data) :]


def _as_json(result: JobResult) -> dict[str, Any]:
    record: dict[str, Any] = {"status": result.status, "calls": [_call_as_json(call) for call in result.calls]}
    if result.error is not None:
        record["error"] = result.error
    return {**record, "seconds": round(result.seconds, 6)}


def _call_as_json(call: CallResult) -> dict[str, Any]:
    fields = {"status": call.status, "value": call.value, "error": call.error, "equal": call.equal}
    return {key: value for key, value in fields.items() if value is not None}


if __name__ == "__main__":
    sys.exit(main())
