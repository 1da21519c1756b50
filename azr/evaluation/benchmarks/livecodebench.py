"""LiveCodeBench, code generation (Jain et al. 2024, arXiv 2403.07974), release 5: 880 contest problems."""

import base64
import io
import json
import pickle
import zlib
from typing import NoReturn

from azr.evaluation.benchmark import Area, Benchmark, HubSource, Problem, Row
from azr.evaluation.judging.standard_io import MethodOutputs, StandardIO
from azr.evaluation.prompts import contest_problem
from sandbox.values import canonical


class _TextUnpickler(pickle.Unpickler):
    """Reads a pickle of plain text; one that names a class or function is refused."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise ValueError(f"the private tests are a pickle that wants {module}.{name}")


def _tests(text: str) -> list[dict[str, str]]:
    """The tests of a field: JSON, or JSON in a pickle, compressed, in base 64."""
    if not text.lstrip().startswith("["):
        text = _TextUnpickler(io.BytesIO(zlib.decompress(base64.b64decode(text)))).load()
    tests: list[dict[str, str]] = json.loads(text)
    return tests


def _source(value: str) -> str:
    return canonical(json.loads(value), limit=1 << 26)


def _problem(_: int, row: Row) -> Problem:
    tests = _tests(row["public_test_cases"]) + _tests(row["private_test_cases"])
    prompts = contest_problem(row["question_content"], row["starter_code"])
    check: StandardIO | MethodOutputs
    if tests[0]["testtype"] == "stdin":
        check = StandardIO(tuple(test["input"] for test in tests), tuple(test["output"] for test in tests))
    else:
        inputs = tuple(", ".join(map(_source, test["input"].rstrip("\n").split("\n"))) for test in tests)
        method = json.loads(row["metadata"])["func_name"]
        check = MethodOutputs(method, inputs, tuple(_source(test["output"]) for test in tests))
    return Problem(row["question_id"], prompts, check)


LIVECODEBENCH = Benchmark(
    name="livecodebench",
    title="LiveCodeBench",
    area=Area.CODE,
    size=880,
    files=("livecodebench/*.jsonl*",),
    hub=HubSource(
        "livecodebench/code_generation_lite",
        files=("test.jsonl", "test2.jsonl", "test3.jsonl", "test4.jsonl", "test5.jsonl"),
    ),
    problem=_problem,
)
