"""Functions are judged by values that are data: every plain type counts, and nothing that a candidate forges does."""

from collections.abc import Iterator

import pytest

from azr.evaluation.judging.called_values import InputFor
from azr.evaluation.judging.check import Check, Tools
from azr.evaluation.judging.function_outputs import FunctionOutputs, close_numbers, tolerant
from azr.evaluation.judging.recorded_tests import RecordedTests
from azr.evaluation.judging.standard_io import MethodOutputs, StandardIO
from sandbox import Arguments, Sandbox, SandboxConfig, Wall
from tasks.triplet import Verdict

RIGHT, WRONG = Verdict.RIGHT, Verdict.WRONG


def verdicts(check: Check, tools: Tools, *completions: str) -> list[Verdict]:
    return [judgement.verdict for judgement in check.judge(tools, completions)]


PLAIN = [
    "collections.Counter('aab')",
    "collections.defaultdict(int, {'a': 1})",
    "collections.OrderedDict([('b', 1), ('a', 2)])",
    "collections.deque([1, 2], 3)",
    "fractions.Fraction(1, 3)",
    "decimal.Decimal('1.50')",
    "datetime.date(2024, 2, 29)",
    "datetime.timedelta(hours=5)",
    "{1, 2}",
    "frozenset({(1, 'a')})",
    "range(3)",
    "b'x'",
    "complex(1, -2)",
    "float('inf')",
    "[float('nan'), 1]",
    "{'k': [None, True, (1.5,)]}",
]
MODULES = "import collections, datetime, decimal, fractions\n"


@pytest.mark.parametrize("value", PLAIN)
def test_every_plain_value_is_compared(value: str, tools: Tools) -> None:
    header = f"{MODULES}def give(x):\n    '''A value.'''\n"
    compared = FunctionOutputs("t/0", header, "give", f"{header}    return {value}\n", ("1",))
    assert verdicts(compared, tools, f"    return {value}\n", "    return 'other'\n") == [RIGHT, WRONG]
    asserted = value.replace("float('nan')", "0.5")  # no test can ask for nan with ==
    test = f"def check(candidate):\n    assert candidate(1) == {asserted}\n    assert candidate(x=2) == {asserted}\n"
    recorded = RecordedTests("t/0", header, "give", f"    return {asserted}\n", test)
    assert verdicts(recorded, tools, f"    return {asserted}\n", "    return 'other'\n") == [RIGHT, WRONG]


HEADER = 'def double(x):\n    """Twice x."""\n'
CHECK = (
    "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(3) == 6\n"
    "    assert candidate([1]) == [1, 1]\n"
)
RECORDED = RecordedTests("t/1", HEADER, "double", "    return 2 * x\n", CHECK)
COMPARED = FunctionOutputs("t/1", HEADER, "double", HEADER + "    return 2 * x\n", ("2", "3", "[1]"))
BOTH = pytest.mark.parametrize("check", [RECORDED, COMPARED], ids=["recorded", "compared"])

ONCE = [
    ("calls = 0\ndef double(x):\n    global calls\n    calls += 1\n    return 2 * x if calls < 2 else None\n", WRONG),
    ("def double(x, seen=[]):\n    seen.append(x)\n    return sum(seen) * 2 if x != [1] else [1, 1]\n", WRONG),
    ("numbers = iter([4, 6])\ndef double(x):\n    return next(numbers) if x != [1] else [1, 1]\n", RIGHT),
    ("numbers = (n for n in [2])\ndef double(x):\n    return x * next(numbers)\n", WRONG),
    ("from functools import cache\n@cache\ndef two(n):\n    return 2\ndef double(x):\n    return x * two(1)\n", RIGHT),
    ("memo = {}\ndef double(x):\n    return memo.setdefault(str(x), 2 * x)\n", RIGHT),
    ("def double(x):\n    return x + x if isinstance(x, int) else x.extend(x) or x\n", RIGHT),  # arguments are its own
    ("def f(x):\n    return 2 * x\ndef double(x):\n    return f(x)\n", RIGHT),  # f is the program's name, not ours
    ("judged = candidate = check = None\ndef double(x):\n    return 2 * x\n", RIGHT),
    ("table = [0] * 3_000_000\nfor i in range(3_000_000):\n    table[i] = 2 * i\n"
     "def double(x):\n    return table[x] if isinstance(x, int) else 2 * x\n", RIGHT),
    ("def double(x):\n    return 2 * x\nassert double(1) == 3\n", WRONG),
    ("return\ndef double(x):\n    return 2 * x\n", WRONG),
    ("def double(x, x):\n    return 2 * x\n", WRONG),
    ("from __future__ import braces\ndef double(x):\n    return 2 * x\n", WRONG),
    ("nonlocal y\ndef double(x):\n    return 2 * x\n", WRONG),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize(("program", "expected"), ONCE)
def test_a_program_is_loaded_once_for_all_inputs(check: Check, program: str, expected: Verdict, tools: Tools) -> None:
    assert verdicts(check, tools, program) == [expected]


def test_a_slow_start_is_paid_once(tools: Tools) -> None:
    """Half a second of setting up, forty inputs: loaded anew for each, it would take twenty seconds."""
    program = "total = 0\nfor i in range(5_000_000):\n    total += i\ndef double(x):\n    return 2 * x\n"
    check = FunctionOutputs("t/2", HEADER, "double", HEADER + "    return 2 * x\n", tuple(map(str, range(40))))
    assert verdicts(check, tools, program) == [RIGHT]


INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("out", "expected", "atol", "accepted"),
    [
        (1.0, INF, 0.0, False),
        (-INF, INF, 0.0, False),
        (INF, INF, 0.0, True),
        (1e308, INF, 1e-4, False),
        (INF, 1.0, 1e-4, False),
        (NAN, NAN, 0.0, True),
        (1.0, NAN, 0.0, False),
        (NAN, 1.0, 1e-4, False),
        ([1.0, 2.0], [1.0, INF], 0.0, False),
        ([1.0, INF], [1.0, INF], 0.0, True),
        (1.0 + 5e-7, 1.0, 0.0, True),
        (1.0 + 5e-6, 1.0, 0.0, False),
        (1, 1.0, 0.0, True),
        (1, 1.0000001, 0.0, False),  # another type
        ((1.0000001,), [1.0], 0.0, False),
        ([[1.0000001], [2.0]], [[1.0], [2.0]], 1e-3, True),
        ([["a"], [2.0]], [["b"], [2.0]], 1e-3, False),
        (["1.0", 2.0], [1.0, 2.0], 1e-3, False),
        (10**400, 1.0, 1e-3, False),
        ("a", "b", 1e-3, False),
        ({"a": 1.0000001}, {"a": 1.0}, 1e-3, False),
        ([], [], 0.0, True),
        (True, 1, 0.0, True),
    ],
)
def test_evalplus_rule(out: object, expected: object, atol: float, accepted: bool) -> None:
    assert tolerant(Arguments(), out, expected, atol) is accepted


def test_numbers_beyond_all_floats_are_not_close() -> None:
    assert not close_numbers(10**400, 1.5, 1e-3)
    assert close_numbers(10**400, 10**400, 0.0)


# -- an escaped child -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def no_policy(tools: Tools) -> Iterator[Tools]:
    """A sandbox whose policy is switched off on purpose: programs own their child."""
    walls = frozenset(Wall) - {Wall.POLICY}
    config = SandboxConfig(workers=1, walls=walls, minimum=frozenset({Wall.PROCESS, Wall.RLIMITS}))
    with Sandbox(config) as sandbox:
        yield Tools(sandbox, tools.grader)


ESCAPE = """
import gc, json, os, sys
def owner():
    return next(o for o in gc.get_objects() if type(o).__name__ == "_Run")
def forge(*lines):
    channel = owner().channel
    for line in lines:
        channel.write(line.encode() + b"\\n")
    channel.write(b'["job","ok",null,false,false]\\n')
    os._exit(0)
"""
FORGERIES = [
    "class Yes:\n    __eq__ = __lt__ = __gt__ = lambda self, other: True\n    __hash__ = None\nVALUE = Yes()",
    "class Yes(int):\n    __eq__ = lambda self, other: True\n    __hash__ = int.__hash__\nVALUE = Yes(5)",
    'import sandbox.child\nsandbox.child.encode = lambda *a, **k: \'{"e":"__import__(chr(111))"}\'\nVALUE = 1',
    "import sandbox.child\nsandbox.child.encode = lambda *a, **k: 'true,true]'\nVALUE = 1",
    "import sandbox.child\nsandbox.child.equal = lambda *a: True\nVALUE = 1",
    "import sandbox.child\nsandbox.child.encode = lambda *a, **k: '\"4) or True or (\"'\nVALUE = 1",
    "forge(*['[\"ok\",true]'] * 3)",
    'forge(*[\'["ok",{"x":"True"}]\'] * 3)',
    "forge(*['[\"ok\",\"__import__('os')\"]'] * 3)",
    "forge(*['[\"ok\",1,null,true]'] * 3)",
    'forge(*[\'{"status": "ok", "value": "4", "equal": true}\'] * 3)',
    "forge()",
    "forge(*['[\"ok\",NaN]'] * 3)",
]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_an_escaped_child_is_not_judged_right(forgery: str, no_policy: Tools) -> None:
    body = "    return globals().get('VALUE')\n"
    function = f"{ESCAPE}{forgery}\ndef double(x):\n{body}"
    assert verdicts(COMPARED, no_policy, function) == [WRONG]
    assert verdicts(RECORDED, no_policy, function) == [WRONG]
    method = f"{ESCAPE}{forgery}\nclass Solution:\n    def double(self, x):\n    {body}"
    assert verdicts(MethodOutputs("double", ("2", "3"), ("4", "6")), no_policy, method) == [WRONG]
    script = f"{ESCAPE}{forgery}\nprint(globals().get('VALUE'))\n"
    assert verdicts(StandardIO(("2", "3"), ("4", "6")), no_policy, script) == [WRONG]


def test_an_answer_runs_nothing_even_without_a_policy(no_policy: Tools) -> None:
    """An input is data or a calculation that is made where no program is."""
    check = InputFor("def f(x):\n    return x", "'found'")
    cheats = [
        "__import__('os').environ",
        "(f := lambda x: 'found')",
        "type('Y', (str,), {'__eq__': lambda a, b: True})()",
    ]
    assert RIGHT not in verdicts(check, no_policy, *cheats)
    assert verdicts(check, no_policy, "'found'", "''.join(['fo', 'und'])") == [RIGHT, RIGHT]


def test_what_is_expected_is_nowhere_in_a_child(no_policy: Tools) -> None:
    """The candidate searches its whole memory for a marked value that only the reference makes."""
    header = 'def give(n):\n    """A mark."""\n'
    reference = f"{header}    return 'mark-' + str(n * 7919 + 104729)\n"
    search = (
        f"{ESCAPE}\nimport re\ndef give(n):\n"
        "    found = {s for s in gc.get_objects() if isinstance(s, str)}\n"
        "    memory = owner().channel.memory\n    memory.seek(0)\n"
        "    marks = re.findall(rb'mark-[0-9]{3,}', memory.read())\n"
        "    for holder in gc.get_objects():\n"
        "        for part in gc.get_referents(holder):\n"
        "            if type(part) is str:\n"
        "                marks += re.findall(rb'mark-[0-9]{3,}', part.encode(errors='replace'))\n"
        "    marks = [mark for mark in marks if not mark.startswith(b'mark-[')]\n"
        "    return marks[0].decode() if marks else ''\n"
    )
    check = FunctionOutputs("t/3", header, "give", reference, ("1", "2"))
    assert verdicts(check, no_policy, "    return 'mark-' + str(n * 7919 + 104729)\n") == [RIGHT]
    assert verdicts(check, no_policy, search) == [WRONG]
