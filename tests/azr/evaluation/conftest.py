"""Small data of the published shapes, in words of our own, and the tools that judge."""

import base64
import gzip
import json
import os
import pickle
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from azr.evaluation.data import DataPlaces
from azr.evaluation.judging.check import Tools, open_tools

Row = dict[str, Any]
DATA = Path(os.environ.get("AZR_DATA") or Path(__file__).parents[4] / "shared" / "data")


@pytest.fixture(scope="session")
def tools() -> Iterator[Tools]:
    """One sandbox and one grader for all tests."""
    with open_tools(workers=2) as opened:
        yield opened


@pytest.fixture(scope="session")
def public_data() -> DataPlaces:
    """The public benchmark files."""
    if not DATA.is_dir():
        pytest.skip("the public benchmark files are not here: set AZR_DATA to their folder")
    return DataPlaces(folders=(DATA,))


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with five problems of HumanEval+ and of LiveCodeBench each, in their release shapes."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "humaneval_plus").mkdir()
    with gzip.open(folder / "humaneval_plus" / "HumanEvalPlus.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in humaneval_plus_rows())
    (folder / "livecodebench").mkdir()
    for number, rows in enumerate((livecodebench_rows()[:3], livecodebench_rows()[3:]), start=1):
        write_rows(folder / "livecodebench" / f"test{number}.jsonl", rows)
    return folder


def write_rows(path: Path, rows: Iterable[Row]) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def humaneval_plus_rows() -> list[Row]:
    """Rows as in HumanEvalPlus.jsonl."""

    def row(number: int, header: str, body: str, base: list[Any], plus: list[Any], atol: float = 0) -> Row:
        name = header.split("def ", 1)[1].split("(", 1)[0]
        return {
            "task_id": f"HumanEval/{number}",
            "prompt": header,
            "entry_point": name,
            "canonical_solution": body,
            "base_input": base,
            "plus_input": plus,
            "atol": atol,
            "contract": "",
        }

    return [
        row(
            0,
            'def mean(xs):\n    """The mean of a list."""\n',
            "    return sum(xs) / len(xs)\n",
            [[[1, 2]]],
            [[[0.1, 0.2]]],
        ),
        row(
            1,
            'def shout(s):\n    """Upper case and a mark."""\n',
            "    return s.upper() + '!'\n",
            [["a"]],
            [[""], ["ß"]],
        ),
        row(
            32,
            'def find_zero(xs):\n    """A root of the line xs[0] + xs[1] * x."""\n',
            "    return -xs[0] / xs[1]\n",
            [[[1, 2]]],
            [[[-6, 3]]],
            atol=1e-4,
        ),
        row(
            3,
            'def evens(n):\n    """Even numbers below n."""\n',
            "    return list(range(0, n, 2))\n",
            [[5]],
            [[0], [-3]],
        ),
        row(
            4,
            'import math\n\n\ndef root(x):\n    """The square root."""\n',
            "    return math.sqrt(x)\n",
            [[4]],
            [[2], [0]],
        ),
    ]


def livecodebench_rows() -> list[Row]:
    """Rows as in LiveCodeBench's test.jsonl; private tests both as JSON and packed."""

    def row(number: int, question: str, tests: list[tuple[str, str]], starter: str = "", method: str = "") -> Row:
        kind = "functional" if method else "stdin"
        cases = [{"input": given, "output": wanted, "testtype": kind} for given, wanted in tests]
        private = json.dumps(cases[1:])
        if number % 2:
            private = base64.b64encode(zlib.compress(pickle.dumps(private))).decode()
        return {
            "question_id": f"q{number}",
            "question_content": question,
            "starter_code": starter,
            "public_test_cases": json.dumps(cases[:1]),
            "private_test_cases": private,
            "metadata": json.dumps({"func_name": method} if method else {}),
        }

    starter = "class Solution:\n    def largest(self, values: List[int]) -> int:\n"
    return [
        row(0, "Print the sum of the numbers on one line.", [("1 2 3\n", "6\n"), ("5\n", "5"), ("-1 1\n", "0\n")]),
        row(1, "Read n, then n words; print them in reverse.", [("2\na\nb\n", "b a\n"), ("1\nx\n", "x\n")]),
        row(2, "Return the largest value.", [("[1, 5, 2]", "5"), ("[-1]", "-1")], starter, "largest"),
        row(3, "Return the largest value.", [("[0]", "0"), ("[7, 7]", "7")], starter, "largest"),
        row(4, "Print half of the number.", [("3\n", "1.5\n"), ("8\n", "4\n")]),
    ]
