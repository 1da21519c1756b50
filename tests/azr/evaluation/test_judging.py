"""Code is judged by what it does, and hostile code does not get to say what that is."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azr.evaluation.benchmark import Problem
from azr.evaluation.benchmarks import BENCHMARKS
from azr.evaluation.benchmarks.evalplus_rows import inputs_of, restored
from azr.evaluation.data import DataPlaces, load_problems, load_rows
from azr.evaluation.judging.check import Check, Tools
from azr.evaluation.judging.function_outputs import FunctionOutputs, ReferenceFailedError
from azr.evaluation.judging.recorded_tests import RecordedTests
from azr.evaluation.judging.standard_io import MethodOutputs, StandardIO
from tasks.triplet import Verdict

from .conftest import humaneval_plus_rows, livecodebench_rows

RIGHT, WRONG, UNPARSED = Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED
Solution = Callable[[dict[str, Any]], str]

HEADER = 'def double(x):\n    """Twice x."""\n'
CHECK = "def check(candidate):\n    assert candidate(2) == 4\n    assert abs(candidate(0.5) - 1.0) < 1e-6\n"
RECORDED = RecordedTests("t/0", HEADER, "double", "    return 2 * x\n", CHECK)
COMPARED = FunctionOutputs("t/0", HEADER, "double", HEADER + "    return 2 * x\n", ("2", "0.5", "'ab'"))

HOSTILE = [
    "class Yes:\n    def __eq__(self, other):\n        return True\n"
    "    def __sub__(self, other):\n        return self\n"
    "    def __abs__(self):\n        return 0\n    def __lt__(self, other):\n        return True\n"
    "def double(x):\n    return Yes()\n",
    "def check(candidate):\n    pass\ndef double(x):\n    return 0\n",
    "abs = lambda x: 0\ndef double(x):\n    return 4\n",
    "def double(x):\n    raise SystemExit(0)\n",
    "raise SystemExit(0)\ndef double(x):\n    return 0\n",
    "def f(*args):\n    return True\ndef double(x):\n    return None\n",
    "def double(x):\n    global close, accepts\n    close = accepts = lambda *a: True\n    return 0\n",
    "isinstance = lambda *a: True\ntype = lambda *a: float\ndef double(x):\n    return 1e308 * 10\n",
    "import sys\ndef double(x):\n    sys.exit(0)\n",
    "def double(x):\n    while True:\n        pass\n",
]


def verdicts(check: Check, tools: Tools, *completions: str) -> list[Verdict]:
    return [judgement.verdict for judgement in check.judge(tools, completions)]


@pytest.mark.parametrize("check", [RECORDED, COMPARED], ids=["recorded", "compared"])
def test_right_and_wrong_functions(check: Check, tools: Tools) -> None:
    completions = [
        "    return x + x\n",
        "```python\ndef double(x):\n    return x * 2\n```",
        "    return x\n",
        "No idea.",
    ]
    assert verdicts(check, tools, *completions) == [RIGHT, RIGHT, WRONG, UNPARSED]


@pytest.mark.parametrize("check", [RECORDED, COMPARED], ids=["recorded", "compared"])
@pytest.mark.parametrize("program", HOSTILE[:-1])
def test_hostile_functions_are_wrong(check: Check, program: str, tools: Tools) -> None:
    assert verdicts(check, tools, program) == [WRONG]


def test_an_endless_function_is_wrong_and_says_why(tools: Tools) -> None:
    (judgement,) = RECORDED.judge(tools, [HOSTILE[-1]])
    assert judgement.verdict is WRONG
    assert judgement.detail.startswith("timeout")


def test_a_broken_reference_is_no_verdict(tools: Tools) -> None:
    broken = RecordedTests("t/1", HEADER, "double", "    return 3 * x\n", CHECK)
    with pytest.raises(ReferenceFailedError, match="t/1"):
        broken.judge(tools, ["    return 2 * x\n"])


def test_tests_that_draw_their_inputs_draw_the_same_ones_for_all(tools: Tools) -> None:
    test = (
        "def check(candidate):\n    import random\n    from random import randint as draw\n"
        "    rng = random.Random(3)\n    for _ in range(20):\n"
        "        x = draw(0, 10**6) + rng.choice([1, 2])\n        assert candidate(x) == 2 * x\n"
    )
    check = RecordedTests("t/2", HEADER, "double", "    return 2 * x\n", test)
    assert verdicts(check, tools, "    return x + x\n", "    return 4\n") == [RIGHT, WRONG]


@pytest.mark.parametrize(
    ("body", "atol", "verdict"),
    [
        ("    return x / 3 + 1e-8\n", 0.0, RIGHT),  # a float is expected: 1e-6 is understood
        ("    return x / 3 + 1e-5\n", 0.0, WRONG),
        ("    return x / 3 + 1e-5\n", 1e-4, RIGHT),
        ("    return str(x / 3)\n", 1e-4, WRONG),
        ("    return [x / 3]\n", 1e-4, WRONG),
    ],
)
def test_evalplus_tolerance(body: str, atol: float, verdict: Verdict, tools: Tools) -> None:
    reference = "def third(x):\n    return x / 3\n"
    check = FunctionOutputs("t/3", "def third(x):\n", "third", reference, ("1.0", "7.0"), atol)
    assert verdicts(check, tools, body) == [verdict]


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        ("    return [x / 3 + 1e-9, 0.0]\n", RIGHT),
        ("    return (x / 3 + 1e-9, 0.0)\n", WRONG),  # close, but another type
        ("    return (x / 3, 0)\n", WRONG),
        ("    return [x / 3, 0]\n", RIGHT),  # equal by ==
        ("    return [x / 3]\n", WRONG),
        ("    return [x / 3, float('nan')]\n", WRONG),
    ],
)
def test_evalplus_tolerance_in_lists(body: str, verdict: Verdict, tools: Tools) -> None:
    reference = "def pair(x):\n    return [x / 3, 0.0]\n"
    check = FunctionOutputs("t/4", "def pair(x):\n", "pair", reference, ("1.0",))
    assert verdicts(check, tools, body) == [verdict]


def test_json_loses_tuples_and_shapes_bring_them_back() -> None:
    assert restored([[1, 2], [3]], "t") == [(1, 2), (3,)]
    assert restored([[[1], [2]], 3], "lt .") == [[(1,), (2,)], 3]
    assert restored([[[1], 2]], "tt") == [((1,), 2)]
    assert restored([[[1, [2]]]], "t*") == [((1, (2,)),)]
    assert restored([{"a": [1]}, 4, [5]], "dt .") == [{"a": (1,)}, 4, [5]]
    assert restored(["0.5", "1j"], "f c") == [0.5, 1j]


def test_the_hubs_rows_have_their_inputs_in_a_program() -> None:
    program = (
        "def assertion(out, exp, atol):\n    assert out == exp\n\n"
        "def check(candidate):\n    inputs = [[[1.5, 2], 'a'], [[float('inf')], 'b']]\n    results = [1, 2]\n"
        "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n        assertion(candidate(*inp), exp, 1e-06)\n"
    )
    inputs = inputs_of({"test": program, "entry_point": "go"})
    assert inputs.texts == ("*[[1.5, 2], 'a']", "*[[float('inf')], 'b']")
    assert (inputs.atol, inputs.entry_point) == (1e-6, "go")
    with pytest.raises(ValueError, match="no list of inputs"):
        inputs_of({"test": "pass"})


def _as_json(value: Any) -> Any:
    """The value with a list for every tuple, as JSON has it."""
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return {key: _as_json(item) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.mark.data
def test_restored_inputs_are_those_of_the_assertions(public_data: DataPlaces) -> None:
    """MBPP's own assertions show the argument types that EvalPlus' JSON has lost."""
    import ast

    benchmark, compared, different = BENCHMARKS["mbpp+"], 0, set()
    for row, problem in zip(load_rows(benchmark, public_data), load_problems(benchmark, public_data), strict=True):
        assert isinstance(problem.check, FunctionOutputs)
        calls = [
            node
            for node in ast.walk(ast.parse(row["assertion"]))
            if isinstance(node, ast.Call) and ast.unparse(node.func) == row["entry_point"]
        ]
        known = [ast.literal_eval(f"({text},)") for text in problem.check.inputs[: len(row["base_input"])]]
        for call in calls[: len(row["base_input"])]:
            try:
                arguments = tuple(ast.literal_eval(argument) for argument in call.args)
            except ValueError:  # an argument that is computed
                continue
            same = [given for given in known if _as_json(given) == _as_json(arguments)]
            if same:  # EvalPlus changed some of MBPP's examples
                compared += 1
                different |= {row["task_id"]} if arguments not in same else set()
    # There EvalPlus itself passes lists, or one level of tuples, where MBPP's example has more.
    assert different == {"Mbpp/98", "Mbpp/104", "Mbpp/140", "Mbpp/145", "Mbpp/596"}
    assert compared > 900


# -- small files of the shapes that are not published beside the others -----------------------------------------------


def test_humaneval_plus_from_a_file(small_data: Path, tools: Tools) -> None:
    problems = load_problems(BENCHMARKS["humaneval+"], DataPlaces(folders=(small_data,)))
    assert len(problems) == 5
    for problem, row in zip(problems, humaneval_plus_rows(), strict=True):
        assert verdicts(problem.check, tools, row["canonical_solution"], "    return 'no'\n") == [RIGHT, WRONG]


def test_any_root_is_right_where_a_root_is_asked_for(small_data: Path, tools: Tools) -> None:
    problems = {p.task_id: p for p in load_problems(BENCHMARKS["humaneval+"], DataPlaces(folders=(small_data,)))}
    near = "    return -xs[0] / xs[1] + 1e-5\n"
    assert verdicts(problems["HumanEval/32"].check, tools, near, "    return 0\n") == [RIGHT, WRONG]


SOLUTIONS = [
    "print(sum(map(int, input().split())))",
    "import sys\n\ndef main():\n    words = sys.stdin.read().split()[1:]\n    print(*words[::-1])\n\n"
    "if __name__ == '__main__':\n    main()",
    "class Solution:\n    def largest(self, values: List[int]) -> int:\n        return max(values)",
    "class Solution:\n    def largest(self, values):\n        return sorted(values)[-1]",
    "x = int(input())\nprint(x / 2)",
]


def test_livecodebench_from_files(small_data: Path, tools: Tools) -> None:
    problems = load_problems(BENCHMARKS["livecodebench"], DataPlaces(folders=(small_data,)))
    assert [problem.task_id for problem in problems] == [row["question_id"] for row in livecodebench_rows()]
    for problem, solution in zip(problems, SOLUTIONS, strict=True):
        completions = [f"```python\n{solution}\n```", "```python\nprint('no')\nclass Solution:\n    largest = len\n```"]
        assert verdicts(problem.check, tools, *completions) == [RIGHT, WRONG], problem.task_id


def test_a_pickle_that_names_anything_is_refused(tmp_path: Path) -> None:
    import base64
    import pickle
    import zlib

    from azr.errors import UserError

    row = livecodebench_rows()[0] | {
        "private_test_cases": base64.b64encode(zlib.compress(pickle.dumps(Path("x")))).decode()
    }
    path = tmp_path / "lcb.jsonl"
    path.write_text(json.dumps(row))
    with pytest.raises(UserError, match="pickle that wants"):
        load_problems(BENCHMARKS["livecodebench"], DataPlaces(named=(("livecodebench", path),)))


SUM = StandardIO(("3\n1 2 3\n", "2\n4 5"), ("6\n", "9"))


@pytest.mark.parametrize(
    ("program", "verdict"),
    [
        ("input()\nprint(sum(map(int, input().split())))", RIGHT),
        ("import sys\ninput = sys.stdin.readline\nn = int(input())\nprint(sum(map(int, input().split())))", RIGHT),
        ("import sys\nprint(sum(map(int, sys.stdin.buffer.read().split()[1:])))", RIGHT),
        ("print(sum(map(int, open(0).read().split()[1:])))", RIGHT),
        ("from sys import stdin, exit\nx: int = 0\nfor line in list(stdin)[1:]:\n"
         "    x += sum(map(int, line.split()))\nprint(x, end='')\nexit()\nprint('more')", RIGHT),
        ("total = 0\ndef add():\n    global total\n    input()\n"
         "    for x in input().split():\n        total += int(x)\nadd()\nprint(total)", RIGHT),
        ("from math import *\nn, *rest = open(0).read().split()\nprint(floor(sum(map(float, rest))))", RIGHT),
        ("import sys\ninput()\nsys.stdout.write(str(sum(map(int, input().split()))) + '\\n')", RIGHT),
        ("f = input()\nprint(sum(map(int, input().split())))", RIGHT),
        ("print(6)", WRONG),
        ("input(); input(); input()", WRONG),
        ("system_standin.stdout.parts = ['6']", WRONG),
        ("raise SystemExit", WRONG),
        ("import os\nprint(os.read(0, 99))", WRONG),
        ("x = (", UNPARSED),
    ],
)  # fmt: skip
def test_programs_that_read_and_print(program: str, verdict: Verdict, tools: Tools) -> None:
    assert verdicts(SUM, tools, f"```python\n{program}\n```") == [verdict]


def test_methods_may_give_a_tuple_for_a_list(tools: Tools) -> None:
    check = MethodOutputs("pair", ("1",), ("[1, 1]",))
    good = "class Solution:\n    def pair(self, x):\n        return x, x\n"
    assert verdicts(check, tools, good, good.replace("x, x", "x, 2")) == [RIGHT, WRONG]


# -- the public files --------------------------------------------------------------------------------------------------


def solutions(name: str, places: DataPlaces, solution: Solution) -> list[tuple[Problem, str]]:
    rows, problems = load_rows(BENCHMARKS[name], places), load_problems(BENCHMARKS[name], places)
    return [(problem, solution(dict(row))) for problem, row in zip(problems, rows, strict=True)]


def assert_all_right(pairs: list[tuple[Problem, str]], tools: Tools) -> None:
    failed = [p.task_id for p, completion in pairs if verdicts(p.check, tools, completion) != [RIGHT]]
    assert failed == []


@pytest.mark.data
def test_humanevals_own_solutions_are_right(public_data: DataPlaces, tools: Tools) -> None:
    assert_all_right(solutions("humaneval", public_data, lambda row: row["canonical_solution"]), tools)


@pytest.mark.data
def test_humanevals_empty_bodies_are_wrong(public_data: DataPlaces, tools: Tools) -> None:
    pairs = solutions("humaneval", public_data, lambda _: "    return None\n")
    assert [p.task_id for p, text in pairs if verdicts(p.check, tools, text) != [WRONG]] == []


@pytest.mark.data
def test_some_of_mbpps_own_solutions_are_right(public_data: DataPlaces, tools: Tools) -> None:
    pairs = solutions("mbpp+", public_data, lambda row: row["canonical_solution"])
    special = {f"Mbpp/{n}" for n in (2, 7, 82, 111, 124, 252, 278, 558, 581, 596, 615, 722, 769)}
    assert_all_right([pair for i, pair in enumerate(pairs) if i % 12 == 0 or pair[0].task_id in special], tools)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_all_of_mbpps_own_solutions_are_right(public_data: DataPlaces, tools: Tools) -> None:
    assert_all_right(solutions("mbpp+", public_data, lambda row: row["canonical_solution"]), tools)


@pytest.mark.data
def test_cruxevals_outputs_are_right_and_others_wrong(public_data: DataPlaces, tools: Tools) -> None:
    rows = list(load_rows(BENCHMARKS["cruxeval-o"], public_data))
    problems = load_problems(BENCHMARKS["cruxeval-o"], public_data)
    assert len(problems) == 800
    for problem, row in zip(problems, rows, strict=True):
        line = f"assert f({row['input']}) == {row['output']}"
        completions = [
            row["output"],
            line,
            f"```python\n{line}\n```",
            f"<answer>{row['output']}</answer>",
            "'no such value'",
        ]
        assert verdicts(problem.check, tools, *completions) == [RIGHT] * 4 + [WRONG], problem.task_id


@pytest.mark.data
def test_cruxevals_inputs_are_right_and_others_wrong(public_data: DataPlaces, tools: Tools) -> None:
    rows = list(load_rows(BENCHMARKS["cruxeval-i"], public_data))
    problems = load_problems(BENCHMARKS["cruxeval-i"], public_data)
    assert len(problems) == 800
    for problem, row in zip(problems, rows, strict=True):
        line = f"assert f({row['input']}) == {row['output']}"
        too_many = "None, None, None, None, None, None, None, None"
        completions = [row["input"], line, f"```python\n{line}\n```", f"<answer>f({row['input']})</answer>", too_many]
        assert verdicts(problem.check, tools, *completions) == [RIGHT] * 4 + [WRONG], problem.task_id


@pytest.mark.data
def test_the_public_files_are_whole(public_data: DataPlaces) -> None:
    for benchmark in BENCHMARKS.values():
        if benchmark.name not in ("humaneval+", "livecodebench", "mathvista", "mathvision"):  # not among them
            problems = load_problems(benchmark, public_data)
            assert len({problem.task_id for problem in problems}) == benchmark.size, benchmark.name


def test_gzip_is_read(small_data: Path) -> None:
    (file,) = DataPlaces(folders=(small_data,)).files(BENCHMARKS["humaneval+"])
    with gzip.open(file, "rt") as lines:
        assert len(list(lines)) == 5
