"""What a child gains that has escaped on purpose: the policy is off, so programs are plain Python with all of that.

It owns its process, finds the channel in the frames below its own, and may write there what it likes. It cannot get a
wrong answer judged right, read what another job was told, or leave anything for the next one.
"""

from collections.abc import Iterator

import pytest

from azr.evaluation.judging.called_values import InputFor, OutputOf
from azr.evaluation.judging.check import Tools
from sandbox import Arguments, Job, JobStatus, Sandbox, SandboxConfig, Wall
from tasks import abduction, deduction, induction
from tasks.triplet import TaskType, Triplet, Verdict

WRONG = Verdict.WRONG


@pytest.fixture(scope="module")
def open_sandbox() -> Iterator[Sandbox]:
    """All walls but the policy that this machine grants; one worker, so that every job has the same zygote."""
    walls = frozenset(Wall) - {Wall.POLICY}
    with Sandbox(SandboxConfig(workers=1, walls=walls, minimum=frozenset({Wall.PROCESS}), timeout_s=20)) as opened:
        yield opened


# Finds the channel, writes a report of its own and ends the process before the honest one is written.
ESCAPE = """
import os, sys, struct
def memory():
    frame = sys._getframe()
    while "channel" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["channel"].memory
def report(*lines):
    data = b"".join(line.encode() + b"\\n" for line in (*lines, '["job", "ok", null, false, false]'))
    memory()[8 : 8 + len(data)] = data
    struct.pack_into("=Q", memory(), 0, len(data))
    os._exit(0)
"""

FORGED_LINES = {
    "a verdict": '["ok", 0, true]',
    "a verdict in an object": '{"status": "ok", "value": "0", "equal": true}',
    "code for a value": '["ok", "Anything()"]',
    "nan for everything": '["ok", NaN]',
    "a status": '["equal", true]',
    "an unknown tag": '["ok", {"equal": [true]}]',
    "nothing": "",
}


def _forger(line: str, calls: int) -> str:
    return f"{ESCAPE}\ndef f(*args, **keywords):\n    report(*{[line] * calls!r})\n"


def test_an_escaped_child_owns_its_value(open_sandbox: Sandbox) -> None:
    """Which it would have to know. Else the tests below would say nothing: this is how reports are forged."""
    task = Triplet(TaskType.ABDUCTION, _forger('["ok", 7]', 1), ("1",), ("7",))
    assert abduction.verify(open_sandbox, task, ["1"]) == [Verdict.RIGHT]


@pytest.mark.parametrize("name", FORGED_LINES)
def test_induction_is_not_forged(open_sandbox: Sandbox, name: str) -> None:
    task = Triplet(TaskType.INDUCTION, "def f(n): return n * 2", tuple("12345"), ("2", "4", "6", "8", "10"), "Double.")
    answers = [_forger(FORGED_LINES[name], count) for count in (1, 3, 5)]
    assert induction.verify(open_sandbox, task, [*answers, task.program]) == [WRONG] * 3 + [Verdict.RIGHT]


@pytest.mark.parametrize("name", FORGED_LINES)
def test_abduction_and_its_benchmark_are_not_forged(open_sandbox: Sandbox, name: str) -> None:
    """Answers are data; it is the proposer's program that escapes, and what it returns is judged all the same."""
    program = _forger(FORGED_LINES[name], 1)
    task = Triplet(TaskType.ABDUCTION, program, ("1",), ("7",))
    assert abduction.verify(open_sandbox, task, ["1", "2"]) == [WRONG, WRONG]
    judged = InputFor(program, "7").judge(Tools(open_sandbox, None), ["[ANSWER]1[/ANSWER]"])  # type: ignore[arg-type]
    assert [judgement.verdict for judgement in judged] == [WRONG]


ESCAPING_ANSWERS = [
    "__import__('os')._exit(0)",
    "(lambda: 0)()",
    "[c for c in ().__class__.__base__.__subclasses__()]",
    "__import__('sys')._getframe(1).f_locals",
    "(f := lambda *a: 7)",
]


@pytest.mark.parametrize("answer", ESCAPING_ANSWERS)
def test_an_answer_that_is_data_has_no_code_to_escape_with(open_sandbox: Sandbox, answer: str) -> None:
    assert deduction.verify(open_sandbox, Triplet(TaskType.DEDUCTION, "", ("",), ("7",)), [answer]) == [WRONG]
    task = Triplet(TaskType.ABDUCTION, "def f(x): return x", ("7",), ("7",))
    assert abduction.verify(open_sandbox, task, [answer, "7"]) == [WRONG, Verdict.RIGHT]


def test_an_output_that_is_code_is_never_run(open_sandbox: Sandbox) -> None:
    escape = ESCAPE + "report('[\"ok\", 0, true]')"
    answer = f"exec({escape!r}, {{}})"
    judged = OutputOf("7").judge(Tools(open_sandbox, None), [f"[ANSWER]{answer}[/ANSWER]"])  # type: ignore[arg-type]
    assert [judgement.verdict for judgement in judged] == [Verdict.UNPARSED]


# Reads all memory of its own for a text that it is told with each character moved on by one, so that looking for it
# puts it nowhere.
SEARCH = """
MOVED = bytes((i + 1) % 256 for i in range(256))
def f(moved):
    needle, found = moved.encode(), 0
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps.read().splitlines():
            area, rights = line.split()[:2]
            if rights.startswith("rw"):
                start, end = (int(bound, 16) for bound in area.split("-"))
                memory.seek(start)
                found += memory.read(end - start).translate(MOVED).count(needle)
    return found
"""


def _found(sandbox: Sandbox, text: str, expected: bool = False, program: str = SEARCH) -> int:
    """How often the text lies in the memory of a child; where it is `expected`, that is what the call should give."""
    moved = "".join(chr(ord(c) + 1) for c in text)
    result = sandbox.run(Job(program, (Arguments((moved,)),), (repr(text),) if expected else None))
    assert result.status is JobStatus.OK, result
    assert type(result.calls[0].data) is int, result
    return int(result.calls[0].data)


@pytest.fixture(scope="module")
def bare_sandbox() -> Iterator[Sandbox]:
    """No wall but the process, so that a program may read its own memory."""
    walls = frozenset({Wall.PROCESS})
    with Sandbox(SandboxConfig(workers=1, walls=walls, minimum=walls, timeout_s=60)) as opened:
        yield opened


SECRET = "".join(["there", "-it-", "is"] * 3)


def test_the_search_finds_what_is_there(bare_sandbox: Sandbox) -> None:
    assert _found(bare_sandbox, SECRET, program=f"held = {SECRET!r}\n{SEARCH}") > 0


def test_what_was_expected_is_nowhere_in_a_child(bare_sandbox: Sandbox) -> None:
    assert _found(bare_sandbox, SECRET, expected=True) == 0


def test_the_job_before_is_nowhere_in_a_child(bare_sandbox: Sandbox) -> None:
    """Neither its program, its calls and arguments, nor what it returned or how it failed."""
    bare_sandbox.run(Job(f"x = {SECRET!r}\ndef f(y): return [y, {SECRET!r} + y]", (repr(SECRET),)))
    bare_sandbox.run(Job("def f(y): return y", (Arguments((SECRET,)), Arguments((SECRET * 9_000,)))))
    bare_sandbox.run(Job(f"def f(y): raise ValueError({SECRET!r})", ("1",)))
    assert _found(bare_sandbox, SECRET) == 0


def test_nothing_is_left_in_the_channel(open_sandbox: Sandbox) -> None:
    """What an escaped child writes anywhere in the shared memory is gone before the next one is forked."""
    size = open_sandbox.config.output_bytes
    write = f"{ESCAPE}\ndef f():\n    m = memory()\n    m[8 + {size}:] = b'x' * (len(m) - 8 - {size})\n    return 1"
    read = f"{ESCAPE}\ndef f():\n    m = memory()\n    return [len(m), len(m[:].strip(bytes(1)))]"
    assert open_sandbox.run(Job(write, ("",))).calls[0].value == "1"
    length, used = open_sandbox.run(Job(read, ("",))).calls[0].data
    assert length > size
    assert used == 0


def test_a_child_that_leaves_a_false_length_leaves_nothing(open_sandbox: Sandbox) -> None:
    fill = f"{ESCAPE}\ndef f():\n    m = memory()\n    m[:] = b'\\xff' * len(m)\n    os._exit(0)"
    assert open_sandbox.run(Job(fill, ("",))).status is JobStatus.CRASHED
    assert open_sandbox.run(Job("def f(): return 2", ("",))).calls[0].value == "2"
