"""Looks for ways out of the sandbox that nobody has thought of, with canaries that must never come out.

    python benchmarks/sandbox_hunt.py [--programs N] [--seconds S] [--seed K] [--workers N] [--json]

First a walk over the objects that programs reach (benchmarks/hunt/walk.py), then programs grown from a grammar
(benchmarks/hunt/programs.py), run in the real sandbox, many small ones a job. What comes out, values and errors, is
searched for a file's content, for what other calls and jobs were told and what was expected of them, for where the
sandbox's own code lies, for the time, and for the text of objects that no program may hold; as it stands, reversed, as
hexadecimal and as a list of numbers. Each call also says what it finds of the library's state, which has to be the
same in every call. A run that finds anything ends with code 1. The same seed gives the same programs.
"""

import argparse
import collections
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hunt.programs import Grammar, Trial, module

from sandbox import CallResult, Job, JobResult, JobStatus, Sandbox, SandboxConfig

ROOT = Path(__file__).resolve().parent.parent

TOGETHER = 64  # trials a job
RELOADED = 0.15  # of the jobs, whose calls each find the program and the library fresh: slower, and they see notes
PARTS = 12  # of the library's state; a call looks at one (benchmarks/hunt/prelude.txt)
TIMEOUT_S = 5.0
SHOWN = 10  # findings that are made short and printed
_TOKEN, _EXPECTED, _FILE = "Zq7x", "Ex9x", "Fi5x"
_TOKENS = re.compile(_TOKEN + "[0-9a-f]{8}")
_HELD = re.compile(  # what the texts of forbidden objects look like
    r"<frame at|<code object|<cell at|<module '[\w.]+' (?:from|\()|FOUND|<_io\.(?:FileIO|TextIOW|Buffered)"
    r"|<built-in method (?:format|format_map) of|<method '(?:format|format_map)' of 'str'"
    r"|<(?:built-in )?method '?(?:now|utcnow|today)'? of"
    r"|<built-in function (?:open|exec|eval|compile|__import__|globals|locals|vars|getattr|setattr|delattr|dir|input"
    r"|print|breakpoint|__build_class__)>"
    r"| of array\.array object"
    r"|<class '(?:abc\.ABCMeta|enum\.EnumType|typing\.\w+Meta|_struct\.Struct|memoryview)'>"
    r"|'__builtins__': \{'__name__': 'builtins'"
)
_INSTANT = re.compile(r"\b\d{4,10}\.\d{3,}\b")
_NUMBERS = re.compile(r"\d{2,3}(?:, \d{2,3}){3,}")
_HEXADECIMAL = re.compile(r"(?:[0-9a-f]{2}){8,}")


@dataclass(frozen=True)
class Finding:
    """What came out and must not have, and the bundle of the one trial that brought it."""

    what: str
    bundle: "Bundle"

    def __str__(self) -> str:
        return f"FOUND {self.what}\nby, with token {self.bundle.tokens[0]}:\n" + "\n".join(self.bundle.trials[0])


@dataclass
class Tally:
    """A hunt so far."""

    programs: int = 0
    seconds: float = 0.0
    ends: collections.Counter[str] = field(default_factory=collections.Counter)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True)
class Bundle:
    """One job: trials with their tokens."""

    trials: list[Trial]
    tokens: list[str]
    rare: bool
    reload: bool
    expected: str
    file: str

    def job(self) -> Job:
        """What the sandbox is given."""
        calls = tuple(f"{number}, {token!r}" for number, token in enumerate(self.tokens))
        program = module(self.trials, rare=self.rare, file=self.file)
        return Job(program, calls, (repr(self.expected),) * len(calls), timeout_s=TIMEOUT_S, reload=self.reload)

    def alone(self, number: int) -> "Bundle":
        """The bundle of one of its trials, which leaves nothing behind or is caught at it."""
        return replace(self, trials=[self.trials[number]], tokens=[self.tokens[number]], reload=True)

    def halves(self) -> list["Bundle"]:
        """The bundle in two."""
        middle = len(self.trials) // 2
        return [
            replace(self, trials=self.trials[part], tokens=self.tokens[part])
            for part in (slice(middle), slice(middle, None))
        ]

    def watched(self) -> "Bundle":
        """The bundle and calls behind it that run no trial: they look at every part of the library's state."""
        return replace(self, tokens=self.tokens + [f"{_TOKEN}{number:08x}" for number in range(PARTS)])


class Canaries:
    """Judges what comes out of a call."""

    def __init__(self, sandbox: Sandbox, file: str) -> None:
        self.sandbox = sandbox
        self.places = [str(ROOT), sys.prefix, sys.base_prefix, "site-packages", "C.UTF-8", f'"{_FILE}']
        self.state = {rare: _untouched(sandbox, rare=rare, file=file) for rare in (False, True)}

    def found(self, result: CallResult, number: int, bundle: "Bundle") -> str | None:
        """What must not have come out, or None. Calls that share one load of the program may tell of each other."""
        own = [bundle.tokens[number]] if bundle.reload else bundle.tokens
        if result.data is None:
            return self._told(result.error or "", own)
        before, texts = result.data
        if bundle.reload and before != self.state[bundle.rare][number % PARTS]:
            return f"the library's state is {before} and was {self.state[bundle.rare][number % PARTS]}"
        return self._told("\n".join(texts), own)

    def caught(self, bundle: Bundle) -> bool:
        """Whether a bundle brings something out when it runs by itself, or leaves something behind."""
        watched = bundle.watched()
        result = self.sandbox.run(watched.job())
        return result.status is JobStatus.CRASHED or any(
            self.found(call, number, watched) is not None for number, call in enumerate(result.calls)
        )

    def _told(self, text: str, own: list[str]) -> str | None:
        if held := _HELD.search(text):
            return text[max(held.start() - 20, 0) : held.end() + 80]
        if place := next((place for place in self.places if place in text), None):
            return f"the text {place!r}"
        if now := next(filter(_is_now, _INSTANT.findall(text)), None):
            return f"the time {now}"
        if time.strftime("datetime.date(%Y, ") in text or time.strftime("datetime.datetime(%Y, ") in text:
            return "today's date"
        for reading in _readings(text):
            strangers = [told for told in _TOKENS.findall(reading) if told not in own]
            if strangers or _EXPECTED in reading or _FILE in reading:
                return f"a secret of others: {reading[:200]}"
        return None


def _readings(text: str) -> Iterator[str]:
    """The text, and what it says where it is read backwards, as hexadecimal or as numbers of characters."""
    yield text
    yield text[::-1]
    for digits in _HEXADECIMAL.findall(text):
        yield bytes.fromhex(digits).decode("latin-1")
    for numbers in _NUMBERS.findall(text):
        yield "".join(chr(int(number)) for number in numbers.split(", "))


def _is_now(text: str) -> bool:
    """Whether a number is one of this machine's clocks, within an hour."""
    return any(abs(float(text) - clock()) < 3600 for clock in (time.time, time.monotonic))


def _untouched(sandbox: Sandbox, *, rare: bool, file: str) -> list[Any]:
    """The library's state as calls find it that no trial came before, by its parts."""
    calls = tuple(f"{number}, '{_TOKEN}00000000'" for number in range(PARTS))
    program = module([], rare=rare, file=file)
    results = [sandbox.run(Job(program, (call,), timeout_s=TIMEOUT_S)) for call in calls]
    return [result.calls[0].data[0] for result in results]


def hunt(
    sandbox: Sandbox, *, programs: int, seconds: float, seed: int, report: Callable[[Tally], None] | None = None
) -> Tally:
    """Run so many trials, or for so long. `report` is told now and then how it goes."""
    tally = Tally()
    started = time.monotonic()
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as secret:
        secret.write(f"{_FILE}{seed:08x}")
        secret.flush()
        canaries = Canaries(sandbox, secret.name)
        waiting: collections.deque[Bundle] = collections.deque()

        def jobs() -> Iterator[Job]:
            for bundle in _bundles(seed, programs, secret.name):
                if time.monotonic() - started > seconds:
                    return
                waiting.append(bundle)
                yield bundle.job()

        for count, result in enumerate(sandbox.map(jobs())):
            _judge(sandbox, canaries, waiting.popleft(), result, tally)
            tally.seconds = time.monotonic() - started
            if report and count % 50 == 49:
                report(tally)
        tally.findings[:SHOWN] = [_shortest(canaries, finding) for finding in tally.findings[:SHOWN]]
    return tally


def _bundles(seed: int, programs: int, file: str) -> Iterator[Bundle]:
    chance = random.Random(seed)
    grammar = Grammar(chance)
    while programs > 0:
        trials = grammar.trials(min(TOGETHER, programs))
        tokens = [f"{_TOKEN}{chance.getrandbits(32):08x}" for _ in trials]
        reload = chance.random() < RELOADED
        yield Bundle(trials, tokens, grammar.rare, reload, f"{_EXPECTED}{chance.getrandbits(32):08x}", file)
        programs -= len(trials)


def _judge(sandbox: Sandbox, canaries: Canaries, bundle: Bundle, result: JobResult, tally: Tally) -> None:
    """Count a job's calls. A job that ended early is taken apart, so that no trial's end hides another's."""
    if result.status is not JobStatus.OK and len(bundle.trials) > 1:
        for half in bundle.halves():
            _judge(sandbox, canaries, half, sandbox.run(half.job()), tally)
        return
    for number, call in enumerate(result.calls):
        tally.ends[str(call.status)] += 1
        if what := canaries.found(call, number, bundle):
            suspects = [number, *range(number)]  # what a call finds an earlier one may have left
            guilty = next((n for n in suspects if canaries.caught(bundle.alone(n))), number)
            tally.findings.append(Finding(what, bundle.alone(guilty)))
    if result.status is not JobStatus.OK:
        tally.ends[str(result.status)] += len(bundle.trials) - len(result.calls)
        if result.status is JobStatus.CRASHED:
            tally.findings.append(Finding(f"the child died: {result.error}", bundle))
    tally.programs += len(bundle.trials)


def _shortest(canaries: Canaries, finding: Finding) -> Finding:
    """The finding with as few steps as still bring it."""
    bundle = finding.bundle
    for step in range(len(bundle.trials[0]) - 1, -1, -1):
        (trial,) = bundle.trials
        shorter = replace(bundle, trials=[trial[:step] + trial[step + 1 :]])
        if canaries.caught(shorter):
            bundle = shorter
    return replace(finding, bundle=bundle)


def walk(called_depth: int = 1) -> tuple[int, list[str]]:
    """How many objects the walk saw, and the paths to what no program may reach."""
    command = [sys.executable, str(ROOT / "benchmarks" / "hunt" / "walk.py"), str(called_depth)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    count, *paths = done.stdout.splitlines()
    return int(count), paths


def main() -> None:
    """Hunt, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=1_000_000, help="at most so many")
    parser.add_argument("--seconds", type=float, default=600.0, help="at most so long")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--depth", type=int, default=1, help="the walk's steps with calls; 2 takes minutes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    def report(tally: Tally) -> None:
        print(f"{tally.programs} programs, {len(tally.findings)} findings", file=sys.stderr, flush=True)
        for finding in tally.findings[-1:]:
            print(finding, file=sys.stderr, flush=True)

    seen, paths = walk(options.depth)
    with Sandbox(SandboxConfig(workers=options.workers, memory_mb=256)) as sandbox:
        tally = hunt(sandbox, programs=options.programs, seconds=options.seconds, seed=options.seed, report=report)
    if options.json:
        print(json.dumps({"seed": options.seed, "objects": seen, "paths": paths, **asdict(tally)}))
    else:
        print(f"walk: {seen} objects, {len(paths)} of them forbidden")
        print("\n".join(paths))
        print(f"seed {options.seed}: {tally.programs} programs, {tally.programs / tally.seconds:.0f} a second")
        print(", ".join(f"{end} {count} ({count / tally.programs:.0%})" for end, count in tally.ends.most_common()))
        print("\n\n".join(map(str, tally.findings[:SHOWN])))
        print(f"{len(tally.findings)} findings")
    sys.exit(1 if paths or tally.findings else 0)


if __name__ == "__main__":
    main()
