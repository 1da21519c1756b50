"""The attack corpus in attacks/*.txt, and attacks on the reading of source that are too large for a file.

An entry begins with a line `### name | expected TEXT | calls A ; B | is OUTCOME or OUTCOME`; the program follows. An
outcome is a job's status, or `ok/` and each call's status, with `= value` where a value is allowed to come out.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import CallStatus, Job, JobResult, JobStatus, Sandbox, SandboxConfig, Wall

KINDS = sorted((Path(__file__).parent / "attacks").glob("*.txt"))
COMPUTE_KINDS = {"bombs", "loops"}  # what the policy does not claim to stop: the limits do
COMPUTE_LIMIT_S = 0.5
GRACE_S = 0.5  # beyond the limit, until the result is back


@dataclass(frozen=True)
class Attack:
    kind: str
    name: str
    job: Job
    outcomes: tuple[str, ...]


def _attacks() -> Iterator[Attack]:
    for path in KINDS:
        for entry in re.split(r"^### ", path.read_text(), flags=re.MULTILINE)[1:]:
            head, _, program = entry.partition("\n")
            name, *fields = (part.strip() for part in head.split(" | "))
            field = dict(part.split(" ", 1) for part in fields)
            calls = tuple(field.get("calls", "").split(" ; "))
            expected = (field["expected"],) * len(calls) if "expected" in field else None
            limit = COMPUTE_LIMIT_S if path.stem in COMPUTE_KINDS else None
            yield Attack(
                path.stem, name, Job(program, calls, expected, timeout_s=limit), tuple(field["is"].split(" or "))
            )


ATTACKS = list(_attacks())


def _outcome(result: JobResult) -> str:
    if result.status is not JobStatus.OK:
        return str(result.status)
    calls = [f"ok/{c.status}" + (f" = {c.value}" if c.status is CallStatus.OK else "") for c in result.calls]
    return " ; ".join(calls)


def test_the_corpus_is_large() -> None:
    assert len(ATTACKS) >= 150
    assert len({(attack.kind, attack.name) for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.kind}: {attack.name}")
def test_attack_gains_nothing(sandbox: Sandbox, attack: Attack) -> None:
    started = time.monotonic()
    result = sandbox.run(attack.job)
    assert time.monotonic() - started < (attack.job.timeout_s or sandbox.config.timeout_s) + GRACE_S
    assert _outcome(result) in attack.outcomes, result
    assert "ESCAPED" not in str(result)
    if attack.job.expected is not None:
        honest = "a bool for an int is equal by value"
        assert [call.equal for call in result.calls] == [attack.name == honest] * len(result.calls)


def test_the_policy_alone_stops_what_reaches_for_the_interpreter() -> None:
    attacks = [attack for attack in ATTACKS if attack.kind not in COMPUTE_KINDS]
    walls = frozenset({Wall.POLICY, Wall.PROCESS})
    with Sandbox(SandboxConfig(workers=2, timeout_s=1, walls=walls, minimum=walls)) as alone:
        for attack, result in zip(attacks, alone.map(attack.job for attack in attacks), strict=True):
            assert _outcome(result) in attack.outcomes, (attack.name, result)


def test_the_pool_outlives_the_corpus() -> None:
    with Sandbox(SandboxConfig(workers=1, timeout_s=0.3)) as pool:
        before = pool.run(Job("def f(x): return x", ("1",)))
        list(pool.map(attack.job for attack in ATTACKS[::5]))
        after = pool.run(Job("def f(x): return x", ("1",)))
    assert before.calls == after.calls
    assert after.status is JobStatus.OK


DEPTH = 100_000
SOURCES = {
    "brackets": ("def f(): return " + "(" * DEPTH + ")" * DEPTH, {"rejected", "error"}),
    "brackets within the parser's limit": ("def f(): return " + "(" * 190 + "1" + ")" * 190, {"ok"}),
    "lists within the parser's limit": ("def f(): return len(" + "[" * 190 + "]" * 190 + ")", {"ok", "rejected"}),
    "minus signs": ("def f(): return " + "-" * DEPTH + "1", {"rejected", "error", "crashed", "memory"}),
    "a chain of additions": ("def f(): return " + "+".join(["1"] * 5000), {"rejected"}),
    "a chain of attributes": ("def f(x=1): return x" + ".real" * 5000, {"rejected"}),
    "a chain of calls": ("def f(x=1): return x" + "()" * 5000, {"rejected"}),
    "nots": ("def f(): return " + "not " * 5000 + "1", {"rejected", "error", "crashed", "memory"}),
    "lambdas": ("f = " + "lambda: " * 5000 + "1", {"rejected", "error", "crashed", "memory"}),
    "conditionals": ("def f(): return " + "1 if 1 else " * 5000 + "1", {"rejected", "error", "crashed", "memory"}),
    "blocks": ("\n".join(" " * i + "if 1:" for i in range(99)) + "\n" + " " * 99 + "f = 1", {"ok", "rejected"}),
    "too many blocks": ("\n".join(" " * i + "if 1:" for i in range(200)) + "\n" + " " * 200 + "f = 1", {"error"}),
    "format specs": ("def f(): return " + "f'{1:" * 3 + "1" + "}'" * 3, {"error", "ok", "rejected"}),
    "a null byte": ("def f(): return 1\0", {"error"}),
    "a lone surrogate": ("def f(): return '\ud800'", {"error"}),
    "a lone surrogate's escape": ("def f(): return len('\\ud800')", {"ok"}),
    "a form feed and carriage returns": ("\f\rdef f():\r  return 1\r", {"ok", "error"}),
    "another encoding declared": ("# -*- coding: utf-7 -*-\ndef f(): return 1", {"ok", "error"}),
    "megabytes": ("x = 1\n" * 10**6, {"rejected"}),
    "a long line within the limit": ("def f(): return " + "1," * 20_000, {"ok", "rejected", "output_limit"}),
    "a huge integer": ("def f(): return " + "9" * 5000, {"error"}),
    "a huge hexadecimal": ("def f(): return 0x" + "f" * 100_000 + " > 1", {"ok"}),
    "many names": ("def f(): return 1\n" + "\n".join(f"a{i} = {i}" for i in range(10_000)), {"ok"}),
    "nothing": ("", {"ok"}),
}


@pytest.mark.parametrize("name", SOURCES)
def test_source_that_attacks_its_reader(sandbox: Sandbox, name: str) -> None:
    source, outcomes = SOURCES[name]
    started = time.monotonic()
    result = sandbox.run(Job(source, ("",)))
    assert time.monotonic() - started < sandbox.config.timeout_s + GRACE_S
    assert str(result.status) in outcomes, result


@pytest.mark.parametrize(
    "call",
    [
        "1) + f(2",
        "1), f(2",
        "1)(2",
        "1).real, (1",
        "1) if 1 else f(2",
        "1 for x in [1]), (2",
        "1\n)\nimport os\n(1",
        "1 # )",
        "\0",
        "\ud800",
        "(" * DEPTH,
        "x := 1",
        "__import__('os')",
        "().__class__.__base__",
        "(lambda: 1).__globals__",
        "yield",
        "await 1",
        "open('/etc/passwd')",
    ],
)
def test_a_call_is_one_call(sandbox: Sandbox, call: str) -> None:
    program = "def f(x, *rest):\n    return [x, *rest]"
    result = sandbox.run(Job(program, (call, "7")))
    if result.status is JobStatus.OK:  # else the limit on the source's size or depth
        honest = {"1 # )": "[1]", "x := 1": "[1]"}
        assert result.calls[0].value == honest.get(call)
        assert result.calls[1].value == "[7]"


NO_LITERALS = """
f(1) | [x for x in [1]] | __import__('os') | ().__class__ | open | lambda: 1 | 10**10**10 | 'a' * 10**10 | bytes(10**10)
list(range(10**10)) | set(range(10**9)) | 1 << 10**9 | Counter(range(10**9)) | (1).real | defaultdict(print)
deque(range(10**9)) | str(object) | int('9' * 10000) | ... | f'{1}' | [1][0] | 1 < 2 | 1 2 | dict(**1) | [*1] | {**1}
1/0 | -'a' | Decimal('x')
"""
TEXTS = [text.strip() for line in NO_LITERALS.strip().split("\n") for text in line.split(" | ")]


@pytest.mark.parametrize("text", [*TEXTS, "", "\0", "\ud800", "(" * DEPTH], ids=lambda text: ascii(text[:20]))
def test_only_plain_data_is_a_literal(sandbox: Sandbox, text: str) -> None:
    result = sandbox.run(Job(None, (text, "1"), ("1", "1")))
    if result.status is JobStatus.OK:
        assert result.calls[0].status in (CallStatus.ERROR, CallStatus.NOT_DATA)
        assert result.calls[0].equal is False
        assert result.calls[1].equal is True
    else:
        assert result.status is JobStatus.REJECTED
