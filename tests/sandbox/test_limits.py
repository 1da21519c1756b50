"""Each limit of the config has an outcome of its own."""

import pytest

from sandbox import CallStatus, Job, JobResult, JobStatus, Sandbox, SandboxConfig


def run(job: Job, **limits: float) -> JobResult:
    with Sandbox(SandboxConfig(workers=1, **limits)) as sandbox:  # type: ignore[arg-type]
        return sandbox.run(job)


def test_wall_clock() -> None:
    result = run(Job("def f(x):\n    while x: pass\n    return x", ("0", "1", "0")), timeout_s=0.5)
    assert result.status is JobStatus.TIMEOUT
    assert "clock" in (result.error or "")
    assert [call.value for call in result.calls] == ["0"]  # what was finished before is kept
    assert 0.5 <= result.seconds < 1.0


def test_wall_clock_of_one_job(sandbox: Sandbox) -> None:
    result = sandbox.run(Job("def f():\n    while True: pass", ("",), timeout_s=0.2))
    assert result.status is JobStatus.TIMEOUT
    assert result.seconds < 0.7


def test_processor_time() -> None:
    result = run(Job("def f():\n    while True: pass", ("",)), timeout_s=30, cpu_s=1)
    assert result.status is JobStatus.TIMEOUT
    assert "processor" in (result.error or "")


def test_memory() -> None:
    program = "def f(n):\n    return len(bytearray(n << 20))"
    within, beyond = Job(program, ("50",)), Job(program, ("150",))
    assert run(within, memory_mb=100).status is JobStatus.OK
    assert run(beyond, memory_mb=100).status is JobStatus.MEMORY


def test_a_program_that_recovers_from_the_limit_on_memory_is_ok() -> None:
    body = "try:\n        return len(bytearray(1 << 40))\n    except MemoryError:\n        return 'recovered'"
    program = "def f():\n    " + body
    assert run(Job(program, ("",))).calls[0].value == "'recovered'"


def test_output_of_one_call() -> None:
    program = "def f(n):\n    return 'x' * n"
    assert run(Job(program, ("900",)), output_bytes=1000).status is JobStatus.OK
    assert run(Job(program, ("1100",)), output_bytes=1000).status is JobStatus.OUTPUT_LIMIT


def test_output_of_all_calls_together() -> None:
    result = run(Job("def f(n):\n    return 'x' * n", ("400",) * 3), output_bytes=1000)
    assert result.status is JobStatus.OUTPUT_LIMIT
    assert len(result.calls) == 2


def test_source() -> None:
    result = run(Job("def f():\n    return 1\n" + "#" * 1000, ("",)), source_bytes=1000)
    assert result.status is JobStatus.REJECTED
    assert "1000" in (result.error or "")


def test_source_counts_calls_and_expected_values_as_bytes() -> None:
    program = "def f(x): return x"
    assert run(Job(program, ("'é'" * 10,)), source_bytes=55).status is JobStatus.REJECTED
    assert run(Job(program, ("1",), ("'" + "x" * 40 + "'",)), source_bytes=50).status is JobStatus.REJECTED


def test_nesting_of_source() -> None:
    program = "def f():\n    return " + "[" * 40 + "]" * 40
    assert run(Job(program, ("",)), nesting=100).status is JobStatus.OK
    result = run(Job(program, ("",)), nesting=30)
    assert result.status is JobStatus.REJECTED
    assert "30" in (result.error or "")


def test_nesting_of_values() -> None:
    program = "def f(n):\n    x = []\n    for _ in range(n): x = [x]\n    return x"
    result = run(Job(program, ("20", "40")), nesting=30)
    assert [call.status for call in result.calls] == [CallStatus.OK, CallStatus.NOT_DATA]


@pytest.mark.parametrize("field", ["timeout_s", "memory_mb", "output_bytes", "source_bytes", "nesting"])
def test_limits_are_positive(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        SandboxConfig(**{field: 0})
