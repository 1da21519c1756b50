"""`python -m sandbox`: one answer a line, in order, whatever the lines hold."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


def serve(lines: bytes, *options: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", *options],
        input=lines,
        capture_output=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_contract() -> None:
    program = "def f(a, b):\n    return a + b"
    job = {"id": 1, "program": program, "calls": ["1, 2", "'x', 'y'"], "repeats": 2, "timeout_s": 5}
    (answer,) = serve(json.dumps(job).encode())
    assert answer.pop("seconds") > 0
    calls = [{"status": "ok", "value": "3"}, {"status": "ok", "value": "'xy'"}]
    assert answer == {"id": 1, "status": "ok", "calls": calls}


def test_every_line_gets_its_answer_in_order() -> None:
    program = "def f(x):\n    while x == 0: pass\n    return 1 // x"
    good = {"program": program, "calls": ["1"]}
    lines: list[tuple[bytes, str]] = [
        (json.dumps({"id": "a", **good}).encode(), "ok"),
        (b"nonsense", "invalid"),
        (b"[1, 2]", "invalid"),
        (b'"text"', "invalid"),
        (b"\xff\xfe", "invalid"),
        (b"[" * 100_000, "invalid"),
        (json.dumps({"id": 1, "program": program}).encode(), "invalid"),
        (json.dumps({"id": 2, "calls": ["1"]}).encode(), "invalid"),
        (json.dumps({"id": 3, "program": 5, "calls": ["1"]}).encode(), "invalid"),
        (json.dumps({"id": 4, "program": program, "calls": "1"}).encode(), "invalid"),
        (json.dumps({"id": 5, "program": program, "calls": [1]}).encode(), "invalid"),
        (json.dumps({"id": 6, **good, "repeats": 0}).encode(), "invalid"),
        (json.dumps({"id": 7, **good, "repeats": "2"}).encode(), "invalid"),
        (json.dumps({"id": 8, **good, "timeout_s": -1}).encode(), "invalid"),
        (json.dumps({"id": 9, **good, "timeout_s": float("inf")}).encode(), "invalid"),
        (json.dumps({"id": 10, **good, "expected": ["1", "2"]}).encode(), "invalid"),
        (json.dumps({"id": 11, "program": program, "calls": ["0"], "timeout_s": 0.3}).encode(), "timeout"),
        (json.dumps({"id": 12, "program": "import socket", "calls": []}).encode(), "rejected"),
        (json.dumps({"id": 13, "program": "1/0", "calls": []}).encode(), "error"),
        (json.dumps({"id": None, "program": None, "calls": ["[1]"], "expected": ["[1.0]"]}).encode(), "ok"),
        (json.dumps({"id": {"any": ["thing"]}, **good}).encode(), "ok"),
    ]
    answers = serve(b"\n".join(line for line, _ in lines) + b"\n\n")
    assert [answer["status"] for answer in answers] == [status for _, status in lines]
    assert [a["id"] for a in answers[6:16]] == list(range(1, 11))
    assert all(answer["error"] for answer in answers if answer["status"] == "invalid")
    assert answers[-2]["calls"] == [{"status": "ok", "value": "[1]", "equal": True}]
    assert answers[-1]["id"] == {"any": ["thing"]}


def test_answers_come_before_the_input_ends() -> None:
    job = json.dumps({"id": 1, "program": "def f(x): return x", "calls": ["1"]}).encode() + b"\n"
    command = [sys.executable, "-m", "sandbox", "--workers", "1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(3):
            process.stdin.write(job)
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["status"] == "ok"
        process.stdin.close()
        assert process.wait(30) == 0


LINE = b'{"program": null, "calls": ["1"]}\n'


@pytest.mark.parametrize("lines", [3, 2000])
def test_it_ends_when_its_reader_goes_away_although_more_may_come(lines: int) -> None:
    command = [sys.executable, "-m", "sandbox", "--workers", "1"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(LINE)
        assert process.stdout.readline()
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # it may have ended before it read them all
            process.stdin.write(LINE * lines)
        assert process.wait(30) == 1  # the input is still open
        assert process.stderr.read() == b"sandbox: whoever read the answers went away before the last one\n"


def test_calls_may_share_one_program() -> None:
    job = {"program": "n = []\ndef f(x):\n    n.append(x)\n    return len(n)", "calls": ["1", "1"]}
    together, apart = serve(b"\n".join(json.dumps({**job, "reload": reload}).encode() for reload in (False, True)))
    assert [call["value"] for call in together["calls"]] == ["1", "2"]
    assert [call["value"] for call in apart["calls"]] == ["1", "1"]
