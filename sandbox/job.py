"""What goes into the sandbox and what comes out: jobs, results, limits, and the walls that stand between."""

import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sandbox.arguments import Arguments, StandardInput
from sandbox.protocol import FUNCTION, RECURSION_LIMIT


class JobStatus(StrEnum):
    """How a job as a whole ended."""

    OK = "ok"
    REJECTED = "rejected"  # the policy, or the limit on source or nesting, refused the source
    ERROR = "error"  # the source is not Python, or the module body raised
    TIMEOUT = "timeout"  # wall clock or processor time
    MEMORY = "memory"
    OUTPUT_LIMIT = "output_limit"
    CRASHED = "crashed"  # the child died by something else: a signal, a stack overflow


class CallStatus(StrEnum):
    """How one call ended."""

    OK = "ok"
    ERROR = "error"
    NOT_DATA = "not_data"  # the value is not plain data (sandbox/values.py)
    NONDETERMINISTIC = "nondeterministic"  # the repeats disagree


class Wall(StrEnum):
    """What stands between hostile code and the machine (docs/sandbox.md). `walls` in the config turns them on."""

    POLICY = "policy"
    PROCESS = "process"
    RLIMITS = "rlimits"
    SECCOMP = "seccomp"  # with no_new_privs
    USER = "user"  # namespaces from here on
    PID = "pid"
    NET = "net"
    IPC = "ipc"
    MOUNT = "mount"  # an empty file system


MAX_TIMEOUT_S = 1e6  # eleven days: what the kernel's clocks and every counter on the way can hold

MINIMUM = frozenset({Wall.POLICY, Wall.PROCESS, Wall.RLIMITS})


@dataclass(frozen=True, slots=True)
class Job:
    """A program and calls of its function f, or, where `program` is None, values.

    `calls[i]` is an argument list: as source text, which is code and is run as f(<calls[i]>), or as `Arguments`, which
    are data. Each call finds the program freshly loaded and its arguments fresh; with `reload` false the program is
    loaded once, and its calls see what those before them left. Without a program each call is the text of a value,
    which is read and not run (sandbox/arithmetic.py). `expected[i]` is the text of the value that call i is compared
    with; it stays outside the child. `repeats` runs must give equal values. `timeout_s` overrides the config's.

    With `StandardInput` the program is a script: run as __main__, it reads the text and its value is what it prints.
    `function` is what arguments are given to, an expression in the program's names. `recursion_limit` is the depth that
    the program finds allowed; sys.setrecursionlimit may ask for as much, and for as much as any program.

    Raises ValueError for another number of expected values, no run, a time out of range, arguments that no program is
    there to take, scripts among other calls, another function for source text, or repeats without reload.
    """

    program: str | None
    calls: tuple[str | Arguments | StandardInput, ...] = ()
    expected: tuple[str, ...] | None = None
    repeats: int = 1
    timeout_s: float | None = None
    reload: bool = True
    function: str = FUNCTION
    recursion_limit: int = RECURSION_LIMIT

    def __post_init__(self) -> None:
        if self.expected is not None and len(self.expected) != len(self.calls):
            raise ValueError(f"{len(self.calls)} calls but {len(self.expected)} expected values")
        if self.repeats < 1:
            raise ValueError("repeats must be at least 1")
        if self.timeout_s is not None and not 0 < self.timeout_s <= MAX_TIMEOUT_S:
            raise ValueError(f"timeout_s must be a positive number, {MAX_TIMEOUT_S:.0f} at most")
        if self.program is None and not all(isinstance(call, str) for call in self.calls):
            raise ValueError("values without a program are text")
        if len({isinstance(call, StandardInput) for call in self.calls}) > 1:
            raise ValueError("a program is a script for all its calls or for none")
        if self.function != FUNCTION and not all(isinstance(call, Arguments) for call in self.calls):
            raise ValueError("source text and scripts call no function but f")
        if self.repeats > 1 and not self.reload:
            raise ValueError("a program that is loaded once cannot repeat its calls")


@dataclass(frozen=True, slots=True)
class CallResult:
    """Where the status is ok, `data` is the value and `value` its canonical text.

    `equal` is set where the job expected a value.
    """

    status: CallStatus
    value: str | None = None
    error: str | None = None
    equal: bool | None = None
    data: Any = field(default=None, compare=False, repr=False)  # its text says it all


@dataclass(frozen=True, slots=True)
class JobResult:
    """`calls` holds the calls that finished, in order, all where the status is ok. `seconds` is the child's wall clock.

    A value that is by itself longer than the limit on output is an `error`, calls behind it go on, and the job's
    status is output_limit.
    """

    status: JobStatus
    calls: tuple[CallResult, ...] = ()
    error: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """The limits of one job, each with its own outcome, and the pool's size.

    workers: children at work at once; 0 takes one for each processor core.
    timeout_s: wall clock of a job (timeout).
    cpu_s: processor time of a job, whole seconds (timeout); 0 takes the wall clock's, rounded up.
    memory_mb: address space beyond what the child starts with (memory).
    output_bytes: text of all values of a job together (output_limit).
    source_bytes: program, calls and expected values together, as UTF-8 (rejected).
    nesting: levels of the source's syntax tree (rejected); containers in containers in a value (not_data).
    walls: what to put up. minimum: what must hold on this machine, or the sandbox refuses to start.
    """

    workers: int = 0
    timeout_s: float = 5.0
    cpu_s: int = 0
    memory_mb: int = 512
    output_bytes: int = 1 << 20
    source_bytes: int = 1 << 18
    nesting: int = 200
    walls: frozenset[Wall] = field(default=frozenset(Wall))
    minimum: frozenset[Wall] = field(default=MINIMUM)

    def __post_init__(self) -> None:
        for name in ("timeout_s", "memory_mb", "output_bytes", "source_bytes", "nesting"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive")
        if self.timeout_s > MAX_TIMEOUT_S or self.cpu_s > MAX_TIMEOUT_S:
            raise ValueError(f"timeout_s and cpu_s must be {MAX_TIMEOUT_S:.0f} at most")
        if self.workers < 0 or self.cpu_s < 0:
            raise ValueError("workers and cpu_s must not be negative")

    @property
    def pool_size(self) -> int:
        """The number of workers that `workers` stands for."""
        return self.workers or os.cpu_count() or 1


class SandboxError(Exception):
    """The sandbox itself cannot work: it could not start, or its processes keep dying."""


class SandboxUnavailableError(SandboxError):
    """This machine does not grant the minimum of walls."""
