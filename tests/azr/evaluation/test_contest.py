"""Contest programs run as scripts: with their streams, their exits and a namespace of their own."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azr.evaluation.judging.check import Tools
from azr.evaluation.judging.standard_io import MethodOutputs, StandardIO, same_text
from tasks.triplet import Verdict

RIGHT, WRONG, UNPARSED = Verdict.RIGHT, Verdict.WRONG, Verdict.UNPARSED
TOTAL = "print(sum(map(int, {}.split())))\n"  # what follows reads "3" and a line of numbers
PAIRS = StandardIO(("3\n1 2 3\n", "2\n40 2\n"), ("6\n", "42\n"))


def verdict(check: StandardIO | MethodOutputs, tools: Tools, program: str) -> Verdict:
    (judgement,) = check.judge(tools, [f"```python\n{program}\n```"])
    return judgement.verdict


@pytest.mark.parametrize(
    "program",
    [
        "n = input()\n" + TOTAL.format("input()"),
        "import sys\nsys.stdin.readline()\n" + TOTAL.format("sys.stdin.read()"),
        "import sys\nn = int(sys.stdin.buffer.readline())\n" + TOTAL.format("sys.stdin.readline()"),
        "import sys\nn, line = sys.stdin.buffer.read().decode().splitlines()\n" + TOTAL.format("line"),
        "import sys\nn = sys.stdin.read(1)\nsys.stdin.read(1)\n" + TOTAL.format("sys.stdin.readline(99)"),
        "import sys\nn, line = sys.stdin\n" + TOTAL.format("line"),
        "import sys\nnext(sys.stdin)\n" + TOTAL.format("next(sys.stdin)"),
        "import sys\n_, *lines = map(str.rstrip, sys.stdin.readlines())\n" + TOTAL.format("lines[0]"),
        "with open(0) as file:\n    n, line = file\n" + TOTAL.format("line"),
        "n, line = open(0, 'rb').readlines()\n" + TOTAL.format("line"),
        "n, line = open('/dev/stdin').read().splitlines()\n" + TOTAL.format("line"),
        "from sys import *\nn = stdin.readline()\nstdout.write(str(sum(map(int, stdin.readline().split()))))",
        "from sys import stdin, stdout as out\nn = stdin.readline()\n"
        "out.write('%d\\n' % sum(map(int, stdin.readline().split())))",
        "import sys\ninput = lambda: sys.stdin.readline().rstrip()\nn = input()\n" + TOTAL.format("input()"),
        "import sys, io\nsys.stdin = io.StringIO(sys.stdin.read())\nn = input()\n" + TOTAL.format("input()"),
        "import sys\ninput()\nsys.stdout.buffer.write(b'%d' % sum(map(int, input().split())))",
        "import sys\ninput()\nprint('to no one', file=sys.stderr)\n" + TOTAL.format("input()"),
        "input()\n" + TOTAL.format("input()") + "exit()\nprint('more')",
        "input()\n" + TOTAL.format("input()") + "quit(1)",
        "import sys\ninput()\n" + TOTAL.format("input()") + "sys.exit('done')",
        "input()\n" + TOTAL.format("input()") + "raise SystemExit",
        "def main():\n    input()\n    " + TOTAL.format("input()") + "    raise SystemExit(0)\n"
        "try:\n    main()\nexcept Exception as error:\n    print(error)",
        "input()\n" + TOTAL.format("input()") + "try:\n    input()\nexcept EOFError:\n    pass",
        "if __name__ == '__main__':\n    input()\n    " + TOTAL.format("input()"),
        "'''Adds.'''\nfrom __future__ import annotations\ninput()\nassert __doc__ == 'Adds.'\n"
        + TOTAL.format("input()"),
        "import sys\nsys.setrecursionlimit(10**6)\ndef g(n):\n    return n and 1 + g(n - 1)\n"
        "assert g(40_000) == 40_000\n"
        "input()\n" + TOTAL.format("input()"),
        "def g(n):\n    return n and 1 + g(n - 1)\nassert g(40_000) == 40_000\ninput()\n" + TOTAL.format("input()"),
        "@lru_cache(None)\ndef g(n):\n    return n and 1 + g(n - 1)\nassert g(20_000) == 20_000\n"
        "input()\n" + TOTAL.format("input()"),
        "import sys\nassert sys.version_info >= (3, 8) and sys.maxsize > 2**32 and sys.argv and sys.platform\n"
        "input()\n" + TOTAL.format("input()"),
        "import sys\nsys.set_int_max_str_digits(0)\nassert len(str(10**5000)) == 5001\ninput()\n"
        + TOTAL.format("input()"),
        "q = deque([Counter('a'), gcd(4, 6), pairwise('ab'), inf, json.dumps(1), datetime.date(2020, 1, 2)])\n"
        "heappush([], 1); bisect_left([1], 1); reduce(add, [1, 2]); zip_longest([1], [2]); deepcopy([1]); abs(-1)\n"
        "assert pow(2, 3, 5) == 3\ninput()\n" + TOTAL.format("input()"),
        "x = statistics.mean([1, 2])\ninput()\n" + TOTAL.format("input()"),
        "n: int = int(input())\ntotal: int\n" + TOTAL.format("input()"),
    ],
)  # fmt: skip
def test_a_program_reads_and_prints(program: str, tools: Tools) -> None:
    assert verdict(PAIRS, tools, program) is RIGHT


@pytest.mark.parametrize(
    "name",
    ["text", "f", "system", "stdin", "program", "output", "file", "main", "g", "Input", "script", "exit", "table"],
)
def test_a_program_may_use_any_name(name: str, tools: Tools) -> None:
    for binding in (
        f"{name} = input()\nprint(sum(map(int, input().split())))",
        f"for {name} in [input()]:\n    print(sum(map(int, input().split())))",
        f"def {name}():\n    return sum(map(int, input().split()))\ninput()\nprint({name}())",
        f"class {name}:\n    total = 0\ninput()\n{name}.total = sum(map(int, input().split()))\nprint({name}.total)",
        f"def run():\n    global {name}\n    {name} = input()\nrun()\nprint(sum(map(int, input().split())))",
    ):
        assert verdict(PAIRS, tools, binding) is RIGHT, binding


@pytest.mark.parametrize(
    "program",
    [
        "print(6)",
        "input()\nprint(sum(map(int, input().split())) + 1)",
        "input('n? ')\n" + TOTAL.format("input()"),  # a prompt is printed
        "return",
        "input()\n" + TOTAL.format("input()") + "return",
        "def f(a, a):\n    pass\ninput()\n" + TOTAL.format("input()"),
        "nonlocal x\ninput()\n" + TOTAL.format("input()"),
        "from __future__ import braces\ninput()\n" + TOTAL.format("input()"),
        "input()\n" + TOTAL.format("input()") + "raise ValueError",
        "input()\n" + TOTAL.format("input()") + "input()",
        "import sys\nsys.exit()",
        "import sys\nsys.stdout.write(6)",
        "import sys\nprint(1, file=sys.stdout, colour='red')",
        "open('input.txt')",
        "def g(n):\n    return g(n + 1)\ng(0)",
        "global x\nx = input()\nprint(",
        "print('6' if input() == '3' else '41')",
        "await input()",
        "yield 6",
    ],
)
def test_a_program_that_fails_or_errs_is_wrong(program: str, tools: Tools) -> None:
    assert verdict(PAIRS, tools, program) in (WRONG, UNPARSED)


@pytest.mark.parametrize(
    ("stdin", "length"),
    [("a\x0bb\u2028c\x1cd\u0085e\n", 9), ("a\rb\n", 3), ("äöü€", 4), ("a\n", 1), ("\n", 0), (" \n", 1)],
)
def test_lines_end_at_line_feeds_alone(stdin: str, length: int, tools: Tools) -> None:
    check = StandardIO((stdin,), (f"{length}\n",))
    assert verdict(check, tools, "print(len(input()))") is RIGHT
    assert verdict(check, tools, "import sys\nprint(len(sys.stdin.readline().rstrip('\\n')))") is RIGHT
    assert verdict(check, tools, "import sys\nprint(len(sys.stdin.buffer.readline().decode().rstrip('\\n')))") is RIGHT


def test_every_test_finds_a_fresh_program(tools: Tools) -> None:
    program = "seen = []\nseen.append(input())\ninput()\nprint(len(seen))"
    assert verdict(StandardIO(("1\n2\n",) * 3, ("1",) * 3), tools, program) is RIGHT


@pytest.mark.parametrize(
    ("printed", "wanted", "same"),
    [
        ("1 2\n", "1 2", True),
        ("1 2 \n\n", "1 2\n", True),
        ("1.0 2.50\n", "1 2.5", True),
        ("1\n2", "1 2", False),
        ("a\u2028b", "a\nb", False),
        ("nan", "nan", True),
        ("sNaN", "1", False),
        ("1e400", "1e401", False),
        ("x 1.0", "x 1", False),
        ("", "", True),
        ("", "0", False),
    ],
)
def test_texts_agree_by_lines_or_numbers(printed: str, wanted: str, same: bool) -> None:
    assert same_text(printed, wanted) is same


METHOD = MethodOutputs("run", ("1", "2"), ("2", "3"))


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("class Solution:\n    def run(self, x):\n        return x + 1", RIGHT),
        ("class Solution:\n    def run(self, x):\n        return True + x", RIGHT),
        ("class Solution:\n    calls = 0\n    def run(self, x):\n        self.calls += 1\n"
         "        return x + 1 if self.calls == 1 else 0", WRONG),
        ("def f(x):\n    return x + 1\nclass Solution:\n    def run(self, x):\n        return f(x)", RIGHT),
        ("list = tuple = None\nclass Solution:\n    def run(self, x):\n        return x + 1", RIGHT),
        ("class Solution:\n    def run(self, x):\n        return None", WRONG),
        ("class Solution:\n    def walk(self, x):\n        return x + 1", WRONG),
        ("class Solution:\n    def __init__(self, needed):\n        pass\n    def run(self, x):\n"
         "        return x + 1", WRONG),
        ("class Solution:\n    @cache\n    def run(self, x):\n"
         "        return x + 1 if x < 2 else self.run(x - 1) + 1", RIGHT),
        ("class Solution:\n    def run(self, x: List[int]) -> Optional[int]:\n        def g(n): return n and g(n - 1)\n"
         "        return x + 1 + g(20000)", RIGHT),
        ("class Yes:\n    def __eq__(self, other):\n        return True\nclass Solution:\n    def run(self, x):\n"
         "        return Yes()", WRONG),
        ("import sys\nclass Solution:\n    def run(self, x):\n        sys.exit()", WRONG),
    ],
)  # fmt: skip
def test_a_method_is_called_on_one_object(program: str, expected: Verdict, tools: Tools) -> None:
    assert verdict(METHOD, tools, program) is expected


PIECES = st.sampled_from(
    ["return", "print(6)", "input()", "def f(a, a): pass", "nonlocal x", "from __future__ import x", "class Solution:",
     "    def run(self, x):", "        return x + 1", "exit()", "raise SystemExit", "x = " + "1+" * 400 + "1",
     "global x", "import sys", "sys.stdin = None", "sys.stdout = None", "del print", "print = None", "print(print)",
     "yield 1", "while True: break", "sys.setrecursionlimit(5)", "'\ud800'", "\x00", "# \u2028",
     "lambda: (yield)", "@f", "(" * 300,
     "class A(metaclass=A): pass", "from sys import *", "import nowhere", "async def f(): await g()", "print(end=3)",
     "x: int = (yield)", "match x:\n case 1: pass", "sys.stdout.write('6\\n' * 9)", "open(0).close()", "__doc__ = 1"]
)  # fmt: skip


@settings(deadline=None, max_examples=120)
@given(st.lists(PIECES, max_size=12).map("\n".join))
def test_any_program_is_judged(tools: Tools, program: str) -> None:
    for check in (PAIRS, METHOD):
        started = time.perf_counter()
        check.judge(tools, [program, f"```python\n{program}\n```"])
        assert time.perf_counter() - started < 10.0
