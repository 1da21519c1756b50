"""The pool: order, threads, replacement of what dies, and the questions that the task types ask."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import CallStatus, Job, JobStatus, Sandbox, SandboxConfig, SandboxError

DOUBLE = "def f(x):\n    return 2 * x"


def test_results_come_in_the_order_of_the_jobs(sandbox: Sandbox) -> None:
    jobs = [Job(f"def f():\n    for _ in range({(7 - i % 7) * 1000}): pass\n    return {i}", ("",)) for i in range(60)]
    assert [result.calls[0].value for result in sandbox.map(jobs)] == [str(i) for i in range(60)]


def test_map_is_a_stream(sandbox: Sandbox) -> None:
    def endless() -> Iterator[Job]:
        while True:
            yield Job(DOUBLE, ("1",))

    results = sandbox.map(endless())
    assert [next(results).status for _ in range(50)] == [JobStatus.OK] * 50


def test_many_threads_share_one_sandbox(sandbox: Sandbox) -> None:
    def ask(i: int) -> str | None:
        return sandbox.evaluate(DOUBLE, [str(i)]).calls[0].value

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(100))) == [str(2 * i) for i in range(100)]


def test_a_zygote_that_dies_is_replaced() -> None:
    with Sandbox(SandboxConfig(workers=1)) as sandbox:
        assert sandbox.evaluate(DOUBLE, ["1"]).status is JobStatus.OK
        _kill_children()
        assert sandbox.evaluate(DOUBLE, ["1"]).calls[0].value == "2"


ECHO = "def f(x):\n    for _ in range(20000): pass\n    return x"
PADDING = "\n# " + 70_000 * "x"  # more than is sent to a zygote at work


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_gets_its_own_result_whatever_its_size(workers: int) -> None:
    with Sandbox(SandboxConfig(workers=workers)) as sandbox:
        jobs = [Job(ECHO + PADDING * (i % 3 == 1), (f"{i}",)) for i in range(40)]
        assert [result.calls[0].value for result in sandbox.map(jobs)] == [str(i) for i in range(40)]


def test_a_large_job_between_others_with_large_results_does_not_block() -> None:
    with Sandbox(SandboxConfig(workers=1)) as sandbox:
        jobs = [Job(ECHO, ("1",)), Job(ECHO + PADDING * 3, ("2",)), Job(DOUBLE, ("'C' * 400_000",)), Job(ECHO, ("4",))]
        values = [result.calls[0].value for result in sandbox.map(jobs)]
        assert values == ["1", "2", repr("C" * 800_000), "4"]


@pytest.mark.parametrize("moment", ["idle", "at work"])
def test_when_a_zygote_dies_the_jobs_behind_it_get_their_own_results(moment: str) -> None:
    slow = "import math\ndef f(x):\n    for _ in range(10**7): pass\n    return x"
    with Sandbox(SandboxConfig(workers=1)) as sandbox:
        sandbox.evaluate(DOUBLE, ["1"])
        if moment == "idle":
            _kill_children()
        futures = [sandbox.submit(Job(slow if i == 0 else ECHO, (f"{i}",))) for i in range(6)]
        if moment == "at work":
            time.sleep(0.1)
            _kill_children()
        started = time.monotonic()
        assert [future.result().calls[0].value for future in futures] == [str(i) for i in range(6)]
        assert time.monotonic() - started < sandbox.config.timeout_s  # none waited for the dead


def test_closing_while_jobs_are_taken_ends() -> None:
    for _ in range(5):
        sandbox = Sandbox(SandboxConfig(workers=2)).__enter__()
        futures = [sandbox.submit(Job(DOUBLE, ("1",))) for _ in range(100)]
        sandbox.close()
        assert all(future.done() for future in futures)


def _kill_children() -> None:
    for child in _children():
        os.kill(child, signal.SIGKILL)


def test_no_process_is_left_when_the_sandbox_closes() -> None:
    before = set(_children())
    with Sandbox(SandboxConfig(workers=2)) as sandbox:
        sandbox.evaluate("def f(x):\n    return list({x, 'b'})", ["'a'"], repeats=2)  # starts a second zygote
        assert set(_children()) - before
    assert set(_children()) == before


def test_closing_finishes_what_has_begun_and_fails_the_rest() -> None:
    sandbox = Sandbox(SandboxConfig(workers=1, timeout_s=1)).__enter__()
    futures = [sandbox.submit(Job("def f():\n    while True: pass", ("",))) for _ in range(6)]
    while not futures[0].running():
        pass
    sandbox.close()
    assert futures[0].result().status is JobStatus.TIMEOUT
    with pytest.raises(SandboxError, match="closed"):
        futures[-1].result()


def test_a_closed_sandbox_says_so() -> None:
    with pytest.raises(SandboxError, match="with statement"):
        Sandbox().run(Job(DOUBLE, ("1",)))


def test_opening_twice_says_so() -> None:
    with Sandbox(SandboxConfig(workers=1)) as sandbox, pytest.raises(SandboxError, match="already"):
        sandbox.__enter__()


def test_a_forked_thread_heavy_parent_is_no_danger() -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(20)]
    for thread in threads:
        thread.start()
    with Sandbox(SandboxConfig(workers=1)) as sandbox:
        assert sandbox.evaluate(DOUBLE, ["1"]).calls[0].value == "2"
    stop.set()
    for thread in threads:
        thread.join()


def test_the_thread_that_opens_it_may_end() -> None:
    sandbox = Sandbox(SandboxConfig(workers=1))
    opener = threading.Thread(target=sandbox.__enter__)
    opener.start()
    opener.join()
    zygotes = _children()
    assert sandbox.evaluate(DOUBLE, ["1"]).calls[0].value == "2"
    assert _children() == zygotes  # none had to be replaced
    sandbox.close()


def _children() -> list[int]:
    tasks = Path(f"/proc/{os.getpid()}/task")
    return sorted(int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split())


# -- the questions ----------------------------------------------------------------------------------------------------


def test_accepts(sandbox: Sandbox) -> None:
    program = "def f(x):\n    return sorted(x)"
    assert sandbox.accepts(program, ["[2, 1]", "(1, 2)", "[1]", "1", "]["], "[1, 2]") == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_accepts_judges_each_answer_although_others_loop_or_take_all_memory(sandbox: Sandbox) -> None:
    program = "def f(x):\n    while x == 2: pass\n    return len(bytearray(1 << 40)) if x == 3 else x"
    assert sandbox.accepts(program, ["1", "2", "1", "3", "1"], "1") == [True, False, True, False, True]


def test_accepts_judges_more_answers_than_a_job_has_room_for() -> None:
    with Sandbox(SandboxConfig(workers=1, source_bytes=300)) as sandbox:
        answers = ["'" + "a" * n + "'" for n in (100, 3, 100, 400, 2)]
        assert sandbox.accepts("def f(x):\n    return len(x)", answers, "100") == [True, False, True, False, False]


def test_a_slow_answer_is_not_charged_for_those_before_it(sandbox: Sandbox) -> None:
    program = "def f(n, i):\n    x = 0\n    while x < 2_000_000: x += n\n    return n"
    alone = sandbox.evaluate(program, ["1, 0"])
    assert alone.status is JobStatus.OK
    together = int(3 / alone.seconds) + 1  # as many as take three times the limit
    assert sandbox.accepts(program, [f"1, {i}" for i in range(together)], "1") == [True] * together


def test_a_refused_program_accepts_nothing(sandbox: Sandbox) -> None:
    assert sandbox.accepts("import os\ndef f(x): return os", ["1", "2"], "1") == [False, False]
    assert sandbox.accepts("1 / 0", ["1", "2"], "1") == [False, False]


def test_accepts_nothing(sandbox: Sandbox) -> None:
    assert sandbox.accepts("def f(x): return x", [], "1") == []


def test_an_answer_cannot_change_the_program_for_the_next(sandbox: Sandbox) -> None:
    program = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)"
    assert sandbox.accepts(program, ["1", "2", "seen.extend([1, 2])"], "1") == [True, True, False]
    assert sandbox.accepts("def f(x):\n    return x", ["(f := 3)", "5"], "5") == [False, True]


def test_values_equal(sandbox: Sandbox) -> None:
    values = ["1", "[1, 2]", "'a'", "dict(a=1)", "float('nan')", "{1, 2}", "f(1)", "nothing", "1 +", "True"]
    expected = ["1.0", "[2, 1]", '"a"', "{'a': 1}", "float('nan')", "{2, 1}", "1", "1", "1", "1"]
    right = [True, False, True, True, True, True, False, False, False, True]
    assert sandbox.values_equal(values, expected) == right


def test_reproduces(sandbox: Sandbox) -> None:
    assert sandbox.reproduces(DOUBLE, [("1", "2"), ("'a'", "'aa'")])
    assert not sandbox.reproduces(DOUBLE, [("1", "2"), ("2", "5")])
    assert not sandbox.reproduces(DOUBLE, [("1", "2"), ("None", "None")])
    assert not sandbox.reproduces("def f(x) return", [("1", "2")])


@pytest.mark.parametrize(
    ("program", "deterministic"),
    [
        ("def f(x):\n    return sorted({x, 'b', 'c'})", True),
        ("def f(x):\n    return {x, 'b', 'c'}", True),
        ("def f(x):\n    return {c: 1 for c in 'banana'}", True),
        ("def f(x):\n    return list({x, 'b', 'c', 'd', 'e'})", False),
        ("def f(x):\n    return ''.join(set('abcdefgh'))", False),
        ("def f(x):\n    return [c for c in frozenset('abcdefgh')]", False),
        ("def f(x):\n    return list({c: 1 for c in 'abcdef'}.keys() & 'fedcba')", False),
        ("def f(x):\n    return hash('abc')", False),
        ("def f(x):\n    return x.__hash__()", False),
        ("def f(x):\n    return list(eval(\"{'a', 'b', 'c', 'd', 'e'}\"))", False),
        ("import ast\ndef f(x):\n    return list(ast.literal_eval(\"{'a', 'b', 'c', 'd', 'e'}\"))", False),
        ("def f(x):\n    k = dict.fromkeys('abcdef').keys()\n    return list(k & list('fedcba'))", False),
        ("def f(x):\n    k = dict.fromkeys('abcdef').keys()\n    k -= {1}\n    return list(k)", False),
        ("def f(x):\n    return id(x)", False),
        ("def f(x):\n    return str(object())", False),
        ("class A: pass\ndef f(x):\n    return f'{A()}'", False),
        ("def f(x):\n    return object()", False),
        ("def f(x):\n    raise ValueError", False),
        ("state = []\ndef f(x):\n    state.append(1)\n    return len(state)", True),
    ],
)
def test_deterministic(sandbox: Sandbox, program: str, deterministic: bool) -> None:
    """Runs differ in hash seed and addresses, so an order that only one seed gives is found out."""
    assert sandbox.deterministic(program, ["'a'"], runs=2) is deterministic


def test_each_call_gets_fresh_arguments_and_a_fresh_program(sandbox: Sandbox) -> None:
    body = "x.append(0)\n    seen.append(1)\n    log.append(1)\n    return [x, seen, log]"
    program = "log = []\ndef f(x, seen=[]):\n    " + body
    result = sandbox.evaluate(program, ["[1]", "[1]"], repeats=3)
    assert [call.value for call in result.calls] == ["[[1, 0], [1], [1]]"] * 2


def test_no_call_sees_what_another_left_in_the_library(sandbox: Sandbox) -> None:
    program = "import keyword\ndef f(x):\n    keyword.kwlist.append(x)\n    return len(keyword.kwlist)"
    first, second = sandbox.evaluate(program, ["'a'", "'b'"]).calls
    assert first.value == second.value is not None
    for write in ("dedent.n = x", "dedent.__dict__['n'] = x", "setattr(dedent, 'n', x)"):
        result = sandbox.evaluate(f"from textwrap import dedent\ndef f(x):\n    {write}\n    return 1", ["1"])
        assert (result.calls[0].error or "").startswith("PolicyError"), write


def test_a_body_that_raises_is_the_job_s_error(sandbox: Sandbox) -> None:
    result = sandbox.evaluate("x = 1 / 0\ndef f(): return 1", [""])
    assert (result.status, result.error) == (JobStatus.ERROR, "ZeroDivisionError: division by zero")


def test_a_program_without_f(sandbox: Sandbox) -> None:
    result = sandbox.evaluate("def g(): return 1", [""])
    assert result.calls[0].status is CallStatus.ERROR
    assert result.calls[0].error == "NameError: name 'f' is not defined"


def test_jobs_are_checked_when_made() -> None:
    with pytest.raises(ValueError, match="expected"):
        Job(DOUBLE, ("1",), ("1", "2"))
    with pytest.raises(ValueError, match="repeats"):
        Job(DOUBLE, ("1",), repeats=0)
    for timeout_s in (0, -1, 3e6, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="timeout_s"):
            Job(DOUBLE, ("1",), timeout_s=timeout_s)
