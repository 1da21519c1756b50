"""Judges every call of a job by its own limits, though most calls share one."""

from collections.abc import Iterator
from dataclasses import replace

from sandbox import CallResult, CallStatus, Job, JobStatus, Sandbox

_OF_THE_PROGRAM = (JobStatus.REJECTED, JobStatus.ERROR)  # how a job ends before any call, whatever the calls are


def each_call(sandbox: Sandbox, job: Job) -> Iterator[CallResult]:
    """The results of the job's calls, in order and as they are asked for; one that ends its job is an error.

    Where a job ends early, the call at which it ended begins another: those before it took of its limits. Where it ends
    that one too, the calls behind it go on without it. For jobs whose calls find the program freshly loaded.
    """
    done = 0
    while done < len(job.calls):
        result = sandbox.run(replace(job, calls=job.calls[done:]))
        yield from result.calls
        done += len(result.calls)
        if not result.calls:
            failed = CallResult(CallStatus.ERROR, error=f"{result.status}: {result.error or ''}")
            whole = result.status in _OF_THE_PROGRAM
            yield from [failed] * (len(job.calls) - done if whole else 1)
            done = len(job.calls) if whole else done + 1
