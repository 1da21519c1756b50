"""A short form of benchmarks/sandbox_soak.py: random jobs leave nothing behind."""

import importlib.util
import sys
from pathlib import Path

PATH = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "sandbox_soak.py"
TASKS = [
    {
        "code": "def f(xs):\n    total = 0\n    for x in xs:\n        total += x\n    return total",
        "input": "[1, 2]",
        "output": "3",
    },
    {"code": "def f(s):\n    return ''.join(sorted(set(s)))", "input": "'hello'", "output": "'ehlo'"},
    {
        "code": "def f(n):\n    i = 0\n    while i * i < n:\n        i += 1\n    return {i: [n]}",
        "input": "9",
        "output": "{3: [9]}",
    },
    {"code": "import re\ndef f(s):\n    return re.findall('a+', s) * 2", "input": "'aab'", "output": "['aa', 'aa']"},
]


def test_random_jobs_leave_nothing_behind(monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", [str(PATH.parent), *sys.path])  # the script takes its folder out again
    spec = importlib.util.spec_from_file_location("sandbox_soak", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "sandbox_soak", module)
    spec.loader.exec_module(module)
    before, after, ends = module.soak(TASKS, 600)
    assert module.complaints(before, after) == []
    assert sum(ends.values()) == 600
    assert {"ok", "error"} <= set(ends)
    assert "crashed" not in ends
