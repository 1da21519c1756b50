"""Programs as scripts, functions of other names, and the depth that a job allows."""

import pytest

from sandbox import Arguments, CallStatus, Job, JobResult, Sandbox, StandardInput


def printed(sandbox: Sandbox, program: str, *texts: str, depth: int = 1000) -> list[object]:
    result: JobResult = sandbox.run(Job(program, tuple(map(StandardInput, texts)), recursion_limit=depth))
    return [call.data if call.status is CallStatus.OK else call.error for call in result.calls]


def test_a_script_reads_and_prints_once_for_each_text(sandbox: Sandbox) -> None:
    program = "import sys\nseen = [line.strip() for line in sys.stdin]\nprint(*seen, sep='-')\nprint(__name__, end='')"
    assert printed(sandbox, program, "a\nb\n", "", "é\n") == ["a-b\n__main__", "\n__main__", "é\n__main__"]


def test_a_script_ends_as_it_likes(sandbox: Sandbox) -> None:
    assert printed(sandbox, "print(1)\nexit()\nprint(2)", "") == ["1\n"]
    assert printed(sandbox, "print(1)\nraise SystemExit(3)", "") == ["1\n"]
    assert printed(sandbox, "print(1)\nraise KeyError(3)", "") == ["KeyError: 3"]


def test_text_and_bytes_are_read_from_one_place(sandbox: Sandbox) -> None:
    program = (
        "import sys\nfirst = input()\nsecond = sys.stdin.buffer.readline()\nthird = sys.stdin.read(2)\n"
        "rest = sys.stdin.buffer.read()\nprint([first, second, third, rest, sys.stdin.read()])"
    )
    expected = ["é", "ü\n".encode(), "öä", b"\nx", ""]
    assert printed(sandbox, program, "é\nü\nöä\nx") == [f"{expected}\n"]


def test_other_programs_have_no_streams(sandbox: Sandbox) -> None:
    program = "def f():\n    try:\n        return input()\n    except EOFError:\n        return 'none'"
    assert sandbox.run(Job(program, (Arguments(),))).calls[0].data == "none"
    result = sandbox.run(Job("import sys\ndef f():\n    return sys.stdin.read()", (Arguments(),)))
    assert result.calls[0].error == "AttributeError: module 'sys' has no attribute 'stdin'"


def test_a_function_is_an_expression_in_the_programs_names(sandbox: Sandbox) -> None:
    program = (
        "class Count:\n    def __init__(self):\n        self.n = 0\n    def up(self, by):\n        self.n += by\n"
        "        return self.n\n"
    )
    calls = (Arguments((2,)), Arguments((), {"by": 3}))
    once = sandbox.run(Job(program, calls, function="Count().up", reload=False))
    assert [call.data for call in once.calls] == [2, 5]
    anew = sandbox.run(Job(program, calls, function="Count().up"))
    assert [call.data for call in anew.calls] == [2, 3]
    missing = sandbox.run(Job(program, calls, function="Other().up", reload=False))
    assert [call.error for call in missing.calls] == ["NameError: name 'Other' is not defined"] * 2


def test_a_job_allows_its_own_depth(sandbox: Sandbox) -> None:
    program = "def g(n):\n    return n and 1 + g(n - 1)\nprint(g(int(input())))"
    assert printed(sandbox, program, "900", depth=1000) == ["900\n"]
    assert "RecursionError" in str(printed(sandbox, program, "2000", depth=1000))
    assert printed(sandbox, program, "40000", depth=50_000) == ["40000\n"]
    raised = f"import sys\nsys.setrecursionlimit(3000)\n{program}"
    assert printed(sandbox, raised, "2000", depth=1000) == ["2000\n"]
    assert "RecursionError" in str(printed(sandbox, raised, "4000", depth=50_000))


def test_jobs_that_cannot_be_meant() -> None:
    with pytest.raises(ValueError, match="script for all"):
        Job("", (StandardInput(""), "1"))
    with pytest.raises(ValueError, match="no function but f"):
        Job("", ("1",), function="g")
