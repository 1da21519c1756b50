"""Judges every call of a job by its own limits, though most calls share one."""

from collections.abc import Iterator
from dataclasses import replace

from sandbox import CallResult, CallStatus, Job, JobStatus, Sandbox

_OF_THE_PROGRAM = (JobStatus.REJECTED, JobStatus.ERROR)  # how a job ends before any call, whatever the calls are


def each_call(sandbox: Sandbox, job: Job, together_s: float) -> Iterator[CallResult]:
    """The results of the job's calls, in order and as they are asked for; one that ends its job is an error.

    The calls share a job of `together_s` seconds. Where that ends early, the call at which it ended has another for
    itself, with the time that `job` gives, and those behind it share the next one. For jobs whose calls find the
    program freshly loaded.
    """
    done = 0
    alone = len(job.calls) == 1
    while done < len(job.calls):
        rest = job.calls[done:]
        result = sandbox.run(replace(job, calls=rest[:1]) if alone else replace(job, calls=rest, timeout_s=together_s))
        yield from result.calls
        done += len(result.calls)
        if not result.calls and (alone or result.status in _OF_THE_PROGRAM):
            failed = CallResult(CallStatus.ERROR, error=f"{result.status}: {result.error or ''}")
            whole = result.status in _OF_THE_PROGRAM
            yield from [failed] * (len(rest) if whole else 1)
            done += len(rest) if whole else 1
        alone = len(job.calls) - done == 1 or (not alone and len(result.calls) < len(rest))
