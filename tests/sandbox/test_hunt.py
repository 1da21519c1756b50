"""The machine that looks for ways out (benchmarks/sandbox_hunt.py): it finds what is there, and here finds nothing."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sandbox import CallResult, CallStatus, Sandbox, SandboxConfig, Wall

ROOT = Path(__file__).resolve().parent.parent.parent
PATH = ROOT / "benchmarks" / "sandbox_hunt.py"


@pytest.fixture(scope="module")
def machine() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(PATH.parent), *sys.path])  # a script finds what lies beside it
        spec = importlib.util.spec_from_file_location("sandbox_hunt", PATH)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "sandbox_hunt", module)
        spec.loader.exec_module(module)
        yield module


def _without_policy() -> Sandbox:
    walls = frozenset({Wall.PROCESS})
    return Sandbox(SandboxConfig(workers=2, timeout_s=5, walls=walls, minimum=frozenset()))


@pytest.fixture(scope="module")
def canaries(machine: ModuleType, sandbox: Sandbox) -> Any:
    return machine.Canaries(sandbox, "no file")


def test_a_short_hunt_finds_nothing(machine: ModuleType, sandbox: Sandbox) -> None:
    tally = machine.hunt(sandbox, programs=1500, seconds=60, seed=1)
    assert [str(finding) for finding in tally.findings] == []
    assert tally.programs > 300
    assert sum(tally.ends.values()) == tally.programs
    assert tally.ends["ok"] > tally.programs / 2  # most run to their end, or the hunt would show nothing


def test_the_same_seed_gives_the_same_programs(machine: ModuleType) -> None:
    one, again, other = ([bundle.job() for bundle in machine._bundles(seed, 200, "file")] for seed in (5, 5, 6))
    assert one == again
    assert one != other


def test_without_the_policy_the_hunt_finds_ways_out(machine: ModuleType) -> None:
    with _without_policy() as bare:
        tally = machine.hunt(bare, programs=300, seconds=60, seed=2)
    assert tally.findings
    assert all(finding.bundle.trials[0] for finding in tally.findings)


@pytest.mark.parametrize(
    "text",
    [
        "<frame at 0x7f12, file '<program>', line 1, code f>",
        "<code object f at 0x7f12>",
        "<module 'os' from '/usr/lib/python3.11/os.py'>",
        "<module 'time' (built-in)>",
        "<built-in function open>",
        "<built-in method format of str object at 0x7f12>",
        "<method 'format_map' of 'str' objects>",
        "<built-in method now of type object at 0x7f12>",
        "<class 'enum.EnumType'>",
        "FOUND a metaclass",
        "[Zq7x0000000b]",
        "b0000000x7qZ",
        "5a7137783030303030303062",
        "[90, 113, 55, 120, 48, 48, 48, 48, 48, 48, 48, 98]",
        "Ex9x00000000",
        "['Fi5x00000001']",
        f"a file called {ROOT}/sandbox/child.py",
    ],
)
def test_what_must_not_come_out_is_seen_in_values_and_errors(machine: ModuleType, canaries: Any, text: str) -> None:
    bundle = machine.Bundle([()], ["Zq7x0000000a"], rare=False, reload=True, expected="Ex9x00000000", file="no file")
    before = canaries.state[False][0]
    assert canaries.found(CallResult(CallStatus.OK, "", data=[before, ["harmless", text]]), 0, bundle)
    assert canaries.found(CallResult(CallStatus.ERROR, error=f"ValueError: {text}"), 0, bundle)
    own = CallResult(
        CallStatus.OK, "", data=[before, ["Zq7x0000000a", "a0000000x7qZ", "<class 'type'>", "<module 'math'>"]]
    )
    assert canaries.found(own, 0, bundle) is None


def test_what_a_call_leaves_behind_is_seen(machine: ModuleType) -> None:
    with _without_policy() as bare:
        canaries = machine.Canaries(bare, "no file")
        for step, seen in (
            ("json.dumps.note = Counter.note = token", True),
            ("Template.pattern = re.compile('a')", True),
            ("pass", False),
        ):
            bundle = machine.Bundle([(step,)], ["Zq7x0000000a"], False, True, expected="Ex9x0", file="no file")
            assert canaries.caught(bundle) is seen, step


def test_the_walk_reaches_nothing_forbidden(machine: ModuleType) -> None:
    seen, paths = machine.walk(0)
    assert paths == []
    assert seen > 2000
