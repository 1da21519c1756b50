"""Attacks and cheats that worked once (../shared/cases/redteam.jsonl), each run as it is written down there.

A job is run in a sandbox of its own; a snippet with `sandbox` at hand, and what it prints is looked at. What should
have come out is said in words there; here it is a rule for each kind, and for each snippet by its name.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import CallStatus, Job, JobResult, JobStatus, Sandbox, SandboxConfig

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("AZR_DATA", ROOT.parent / "shared" / "data"))
CASES = DATA.parent / "cases" / "redteam.jsonl"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in CASES.open()] if CASES.is_file() else []
JOBS = [row for row in ROWS if "job" in row]
SNIPPETS = [row for row in ROWS if "snippet" in row]
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not ROWS, reason="no cases beside the benchmark files: name their folder in AZR_DATA"),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxConfig(workers=1)) as opened:
        yield opened


# -- jobs -------------------------------------------------------------------------------------------------------------


def _job(fields: dict[str, Any]) -> Job:
    expected = fields.get("expected")
    return Job(fields["program"], tuple(fields["calls"]), tuple(expected) if expected else None)


def _refused(result: JobResult) -> bool:
    """Whether nothing came out: the source was refused, or it ended in an exception."""
    if result.status in (JobStatus.REJECTED, JobStatus.ERROR):
        return True
    return bool(result.calls) and all(call.status is CallStatus.ERROR for call in result.calls)


@pytest.mark.parametrize("row", JOBS, ids=lambda row: f"{row['kind']}: {row['name']}")
def test_a_job_that_cheated(row: dict[str, Any]) -> None:
    with Sandbox(SandboxConfig(workers=1)) as own:
        before = row.get("jobs_before", [])
        for fields in before if isinstance(before, list) else [before]:
            own.run(_job(fields))
        result = own.run(_job(row["job"]))
    assert result.status is not JobStatus.CRASHED
    assert all(call.equal is not True for call in result.calls)
    if _refused(result):
        return
    if row["kind"] == "state leak" and " ; " in row["should"]:
        assert [call.value for call in result.calls] == row["should"].split(" ; ")
    else:
        assert row["kind"] == "denial of service", result


# -- snippets ---------------------------------------------------------------------------------------------------------


def _printed(snippet: str, sandbox: Sandbox) -> str:
    """What a snippet prints, and how it ends where that is an exception."""
    out = io.StringIO()
    source = snippet.replace("FOLDER", str(DATA / "mbpp_plus" / "MbppPlus.jsonl"))
    with contextlib.redirect_stdout(out):
        try:
            exec(compile(source, "<snippet>", "exec"), {"sandbox": sandbox})
        except Exception as error:
            print(f"RAISED {type(error).__name__}: {error}")
    return out.getvalue()


def _nothing_right(printed: str) -> bool:
    return "right" not in printed and "RIGHT" not in printed and "RAISED" not in printed


def _both_right(printed: str) -> bool:
    return printed.count("Verdict.RIGHT") == 2


def _only_true_for_one(printed: str) -> bool:
    """`True` is a literal, and equal to 1; the five others leave the work to the judge."""
    return printed.split("\n")[:6] == ["['wrong']"] * 5 + ["['right']"]


def _within(seconds: float, *words: str) -> Callable[[str], bool]:
    return lambda printed: (
        all(word in printed for word in words) and float(re.findall(r"([\d.]+) s", printed)[0]) < seconds
    )


def _lacks(text: str) -> Callable[[str], bool]:
    return lambda printed: text not in printed


def _every_line_rejected(printed: str) -> bool:
    lines = [line for line in printed.splitlines() if line.startswith(("Triplet", "Rejection"))]
    return bool(lines) and all(line.startswith("Rejection") for line in lines)


def _first_rejected(reason: str) -> Callable[[str], bool]:
    return lambda printed: printed.startswith(f"Rejection(reason='{reason}'")


# By the beginning of a row's name. Where the words give the verdicts themselves, they are compared.
RULES: dict[str, Callable[[str], bool]] = {
    "abduction: the answer": _nothing_right,
    "abduction: one answer changes": lambda out: "['wrong', 'right']\n" in out and "['wrong', 'wrong', 'wrong']" in out,
    "CRUXEval-I: the same two tricks": _nothing_right,
    "deduction: the answer leaves": _only_true_for_one,
    "induction: right by forging": _nothing_right,
    "EvalPlus and HumanEval: a forged value": _nothing_right,
    "EvalPlus: any finite float": _nothing_right,
    "right answers judged wrong": _both_right,
    "LiveCodeBench judge raises": _nothing_right,
    "math: boxes that never close": _within(1.0),
    "program_text: 200 parses": _within(1.0),
    "deduction: each literal that is too big": _within(2.0, "['right', 'wrong']"),
    "tidy keeps every comment": _lacks("returns 1369"),
    "tidy changes what a program returns": _lacks("'secret'\""),
    "inputs keep comments": lambda out: "('37',)" in out and "Call: f(37)'" in out,
    "inputs that are no values": lambda out: out.startswith("Rejection") and "g(" not in out.split("\n", 1)[1],
    "induction: inputs that differ in layout": _first_rejected("too_few_inputs"),
    "constant functions": _first_rejected("constant"),
    "not deterministic but accepted": _every_line_rejected,
}


@pytest.mark.parametrize("row", SNIPPETS, ids=lambda row: f"{row['kind']}: {row['name']}")
def test_a_snippet_that_cheated(sandbox: Sandbox, row: dict[str, Any]) -> None:
    if row["name"].startswith("python -m sandbox hangs"):
        _test_pipeline(row["snippet"])
        return
    (rule,) = [rule for name, rule in RULES.items() if row["name"].startswith(name)]
    printed = _printed(row["snippet"], sandbox)
    assert rule(printed), printed


def _test_pipeline(line: str) -> None:
    """A line for bash that ends by printing the exit code of the sandbox behind a reader that went away."""
    command = line.replace(".venv/bin/python", sys.executable)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    code = done.stdout.split()[-1]
    assert code not in ("0", "124"), done
    assert "Traceback" not in done.stderr
