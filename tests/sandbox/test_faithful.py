"""Programs that people and models wrote give the value that plain CPython gives, or are listed here with the reason."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox import CallStatus, Job, JobResult, JobStatus, Sandbox, SandboxConfig

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = Path(os.environ.get("AZR_DATA", ROOT.parent / "shared" / "data"))
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="no benchmark files: name their folder in AZR_DATA"),
]
MAX_CALLS = 12  # of one program

RANDOM = "reads randomness (secrets.randbelow)"
SYMPY = "needs sympy, which is not in the sandbox"
REFUSED = {
    "azr_triplets/3b_coder_seed_io:116": SYMPY,
    "azr_triplets/3b_coder_code_f_seed_io:164": SYMPY,
    "azr_triplets/3b_coder_code_f_seed_io:242": SYMPY,
    "azr_triplets/7b_coder_seed_io:175": RANDOM,
    "azr_triplets/7b_coder_code_f_seed_io:47": RANDOM,
    "azr_triplets/7b_coder_code_f_seed_io:175": RANDOM,
    "azr_triplets/7b_coder_code_f_seed_io:201": RANDOM,
}


@dataclass(frozen=True)
class Case:
    id: str
    program: str
    calls: tuple[str, ...]


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    raw = path.read_bytes()
    yield from map(json.loads, (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines())


def cruxeval() -> Iterator[Case]:
    for task in _lines(DATA / "cruxeval" / "cruxeval.jsonl"):
        yield Case(f"cruxeval/{task['id']}", task["code"], (task["input"],))


def azr_triplets() -> Iterator[Case]:
    for path in sorted((DATA / "azr_triplets").glob("*.jsonl")):
        for number, task in enumerate(_lines(path)):
            program = "\n".join([*task["imports"], task["snippet"]])
            yield Case(f"azr_triplets/{path.stem}:{number}", program, tuple(task.get("inputs") or [task["input"]]))


def mbpp_plus() -> Iterator[Case]:
    for task in _lines(DATA / "mbpp_plus" / "MbppPlus.jsonl"):
        inputs = (task["base_input"] + (task["plus_input"] or []))[:MAX_CALLS]
        calls = tuple(", ".join(map(repr, arguments)) for arguments in inputs)
        yield Case(task["task_id"], f"{task['canonical_solution']}\nf = {task['entry_point']}", calls)


def humaneval() -> Iterator[Case]:
    tasks = list(_lines(DATA / "humaneval" / "HumanEval.jsonl.gz"))
    solutions = [f"{t['prompt']}{t['canonical_solution']}\nf = candidate = {t['entry_point']}\n" for t in tasks]
    recorded = _ask_cpython([(s + t["test"], None) for s, t in zip(solutions, tasks, strict=True)])
    for task, solution, calls in zip(tasks, solutions, recorded, strict=True):
        yield Case(task["task_id"], solution, tuple(calls[:MAX_CALLS]))


def _ask_cpython(questions: list[tuple[str, list[str] | None]]) -> list[list]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("plain_cpython.py"))],
        input="\n".join(map(json.dumps, questions)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)},
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _outcomes(result: JobResult, calls: int) -> list[list[str | None]]:
    if result.status is JobStatus.ERROR:  # the body raised: in plain CPython, so does every call
        return [["error", result.error]] * calls
    if result.status is JobStatus.OUTPUT_LIMIT:
        return [["output_limit", None]] * calls
    assert result.status is JobStatus.OK, result
    return [
        [str(c.status), {CallStatus.OK: c.value, CallStatus.ERROR: c.error}.get(c.status)]  # the reason is ours
        for c in result.calls
    ]


def _is_refused_where_it_differs(result: JobResult, expected: list[list[str | None]]) -> bool:
    """Whether the policy stops some call of a program, and every other gives what CPython gives."""
    outcomes = _outcomes(result, len(expected))
    refused = [(error or "").startswith("PolicyError") for _, error in outcomes]
    return any(refused) and all(
        stopped or outcome == wanted for stopped, outcome, wanted in zip(refused, outcomes, expected, strict=True)
    )


@pytest.mark.parametrize("corpus", [cruxeval, azr_triplets, mbpp_plus, humaneval], ids=lambda corpus: corpus.__name__)
def test_every_program_gives_what_cpython_gives(corpus) -> None:
    cases = list(corpus())
    plain = _ask_cpython([(case.program, list(case.calls)) for case in cases])
    different = []
    with Sandbox(SandboxConfig(timeout_s=60, output_bytes=1 << 24, memory_mb=1024)) as sandbox:
        results = sandbox.map(Job(case.program, case.calls) for case in cases)
        for case, expected, result in zip(cases, plain, results, strict=True):
            if case.id in REFUSED:
                assert _is_refused_where_it_differs(result, expected), (case.id, result)
            elif result.status not in (JobStatus.OK, JobStatus.ERROR, JobStatus.OUTPUT_LIMIT):
                different.append((case.id, result.status, result.error))
            elif (outcomes := _outcomes(result, len(case.calls))) != expected:
                pairs = zip(outcomes, expected, strict=True)
                different.append((case.id, *next(pair for pair in pairs if pair[0] != pair[1])))
    assert different == []


def test_cruxeval_s_own_outputs_are_reproduced() -> None:
    tasks = list(_lines(DATA / "cruxeval" / "cruxeval.jsonl"))
    with Sandbox(SandboxConfig()) as sandbox:
        jobs = [Job(t["code"], (t["input"],), (t["output"],), repeats=2) for t in tasks]
        wrong = [t["id"] for t, r in zip(tasks, sandbox.map(jobs), strict=True) if [c.equal for c in r.calls] != [True]]
    assert wrong == []


def test_the_list_of_refusals_is_short() -> None:
    assert len(REFUSED) < 10
