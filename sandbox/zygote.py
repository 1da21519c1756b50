"""Wall 2: the small warmed process that forks a fresh child for each job.

It is started by a fresh exec (never forked from the user's big process), imports everything that programs may import,
gives up what it can (sandbox/isolation.py), and then does nothing but read a job, fork, wait, and report. It never
looks into a job or a result, and keeps neither: they lie in memory of their own that is given back before the next
fork, so no child can find in its own memory what an earlier one was told or left. The child is killed by this
process's clock, which hostile code cannot catch.

Started by sandbox/start.py with a socket as standard input and settings as the first argument; sandbox/worker.py
does that.
"""

import gc
import json
import mmap
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from functools import partial

from sandbox import child, guards, isolation, modules
from sandbox.encoding import encode
from sandbox.job import Wall
from sandbox.protocol import (
    BYTES_PER_CHARACTER,
    FRAME,
    LINES_EXTRA,
    ORDER,
    ORDER_EXTRA,
    ORDER_PER_SOURCE,
    REPORT,
    PackedJob,
)

# A bit of everything that programs are made of: what a first use writes to is then written to once, here. The first
# program is compiled as it stands (sandbox/plain.py), the second needs the transformer.
_WARM_UP = (
    """
LIMIT = 10 ** 2

def h(n: int, seen: dict = None) -> list:
    return [n] if n <= 1 else h(n - 1) + [n]

def f(xs, *rest, **options):
    counts, text, grid = {}, "", [[0] * 3 for _ in range(3)]
    for i, x in enumerate(sorted(xs, key=lambda v: str(v), reverse=True)):
        counts[str(x)] = counts.get(str(x), 0) + i
        text += str(x).upper().strip().replace("a", "b") if i % 2 == 0 and x is not None else "-"
        grid[i % 3][0] = max(i, grid[0][-1])
    while len(text) < 5 and not text.startswith("#"):
        text += chr(ord("a") + len(text) // 2)
        if text == "" or "z" in text:
            break
        elif text[-1:].isdigit():
            continue
    pairs = {k: v for k, v in zip(text, range(1, 9))}
    pairs.update({"q": 1}); del pairs["q"]
    low, *others = [y for y in h(4) if y > 0]
    total = 0 if rest else sum(others) / len(others) ** 2
    words = " ".join(text.split(",")).find("b"), any(c.isalpha() for c in text), tuple(map(int, "12")), f"{total:>5}"
    try:
        return {k: [v] for k, v in counts.items() if v >= 0}, total, pairs.get("a"), words, list(reversed(grid))
    except (KeyError, ValueError, IndexError) as error:
        raise TypeError(str(error)) from None
""",
    """
import math, re
from collections import Counter, defaultdict
from typing import Dict, List, Optional

class A:
    def __init__(self, x): self._x = x; self.y = x
    def g(self): return f"{self._x:>3}" + "{}".format(self.y) + "%s" % self.y
    def __eq__(self, other): return self.y == other.y

def f(xs: List[int], *rest, seen: Optional[Dict[str, int]] = None):
    counts = defaultdict(int)
    for x in set(xs):
        counts[str(x)] += 1
    words = re.sub(r"[a-c]+", "", str(xs)), math.sqrt(4) | 0 if rest else None
    return {k: [v, (A(v).g(), A(v) == A(2))] for k, v in counts.items() if v - 1 >= 0}, Counter(str(xs)), words
""",
)
_WARM_UP_CALLS: tuple[str | bytes, ...] = ("[3, 1, 2]", "'ab'", "{'a': 1.5}, None", "[-1, (True, 'x')]")
_WARM_UP_ARGUMENTS = encode((([-1, (True, "x")], {"a": 1.5}), {})).encode()

_SIGCHLD = (signal.SIGCHLD,)
_ENDINGS = (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED)


class _Zygote:
    """One zygote and the only child that it has at a time."""

    def __init__(self, settings: dict[str, object], socket: int) -> None:
        self.socket = socket
        walls = frozenset(Wall(name) for name in settings["walls"])  # type: ignore[attr-defined]
        self.memory_bytes = int(settings["memory_mb"]) << 20  # type: ignore[call-overload]
        output = int(settings["output_bytes"])  # type: ignore[call-overload]
        nesting = int(settings["nesting"])  # type: ignore[call-overload]
        self.limits = child.Limits(output, nesting, Wall.POLICY in walls)
        self.channel = child.Channel(BYTES_PER_CHARACTER * output + LINES_EXTRA)
        self.order = _private_memory(ORDER_PER_SOURCE * int(settings["source_bytes"]) + ORDER_EXTRA)  # type: ignore[call-overload]
        self.wanted = walls
        self.granted = frozenset({Wall.POLICY, Wall.PROCESS}) & walls
        self.filter: Callable[[], None] | None = None
        self.end_for_lack = partial(child.end_for_lack, self.channel)
        self.base = 0
        self.strays = False  # whether a child could leave a process behind, in a PID namespace where it can be found

    # -- setting up ---------------------------------------------------------------------------------------------------

    def isolate(self) -> None:
        """Give up what this process can do without, before its first child. The PID namespace takes a fork."""
        isolation.leave_root()
        granted = isolation.enter_namespaces(self.wanted)
        if Wall.PID in granted:
            _become_init()
        if Wall.MOUNT in granted and not isolation.empty_root():
            granted -= {Wall.MOUNT}
        self.granted |= granted
        isolation.drop_capabilities()

    def raise_walls(self) -> None:
        """What is inherited by every child, and what every child will put up itself."""
        if sys.platform == "linux":
            isolation.forbid_new_privileges()
        if Wall.SECCOMP in self.wanted:
            self.filter = isolation.system_call_filter()
        if Wall.RLIMITS in self.wanted:
            isolation.limit_for_good()

    def check(self) -> list[str]:
        """Try the walls out in children; keep those that hold, and say which do not."""
        notes = []
        if Wall.RLIMITS in self.wanted:
            if self._holds(_breaks_limits, filtered=False):
                self.granted |= {Wall.RLIMITS}
            else:
                notes.append("limits on files and processes do not hold")
            if not self._holds(_breaks_memory, filtered=False):
                notes.append("the limit on memory does not hold on this system")
        if self.filter is not None:
            if self._holds(_breaks_filter, limited=False):
                self.granted |= {Wall.SECCOMP}
            else:
                notes.append("the system call filter cannot be put up")
                self.filter = None
        self.strays = Wall.PID in self.granted and Wall.SECCOMP not in self.granted
        return notes

    def _holds(self, attempt: Callable[[int], bool], *, limited: bool = True, filtered: bool = True) -> bool:
        """Whether the attempt fails in a child behind the named walls."""
        pid = os.fork()
        if pid == 0:
            try:
                if limited:
                    isolation.limit_lineage(self.base + self.memory_bytes)
                    isolation.limit_child(5)
                if filtered and self.filter is not None:
                    self.filter()
                os._exit(1 if attempt(self.memory_bytes) else 0)
            finally:
                os._exit(2)
        return os.waitpid(pid, 0)[1] == 0

    def warm(self) -> None:
        """Run jobs here, so that what the first uses of anything cost is paid once."""
        limits = child.Limits(1 << 16, self.limits.nesting, policy=True)
        for program in _WARM_UP:
            for calls in (_WARM_UP_CALLS, (_WARM_UP_ARGUMENTS,)):
                child.run_job(PackedJob(program, calls, repeats=2).packed(), self.channel, limits)
                self.channel.used = 0
        modules.imported.clear()
        self.base = isolation.address_space()

    # -- serving ------------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Answer jobs until the other side is gone.

        All in one function and with few objects: each page that this loop writes to after a fork, if only to count a
        reference, is copied.
        """
        gc.collect()
        gc.freeze()
        gc.disable()
        if Wall.RLIMITS in self.granted:
            isolation.limit_lineage(self.base + self.memory_bytes)
        socket, order, results = self.socket, self.order, self.channel.memory
        fork, clock, wait = os.fork, time.monotonic, os.waitpid
        _forget(results, _SHARED)
        while length := _read(socket, order):
            serial, timeout_s, cpu_s = ORDER.unpack_from(order)
            started = clock()
            pid = fork()
            if pid == 0:
                self._be_child(order[ORDER.size : length], cpu_s)
            _forget(order, _PRIVATE)
            timed_out = not _ended(pid, timeout_s)
            if timed_out:
                os.kill(pid, signal.SIGKILL)
            status = wait(pid, 0)[1]
            if self.strays:
                _end_strays()
            _write(socket, REPORT.pack(serial, timed_out, status, clock() - started), self.channel.written())
            _forget(results, _SHARED)

    def _be_child(self, body: bytes, cpu_s: int) -> None:
        try:
            os.closerange(0, 64)
            if Wall.RLIMITS in self.granted:
                isolation.limit_child(cpu_s)
            if self.filter is not None:
                self.filter()
            modules.missing.then = self.end_for_lack
            child.run_job(body, self.channel, self.limits)
        finally:
            os._exit(0)


def _become_init() -> None:
    """Go on as the first process of the new PID namespace; the process that was waits for it and ends as it ended."""
    pid = os.fork()
    if pid:
        os.closerange(0, 64)
        os.waitpid(pid, 0)
        os._exit(0)
    isolation.die_with_parent()


def _ended(pid: int, seconds: float) -> bool:
    """Wait so long for the child; whether it ended. It is left to be reaped."""
    deadline = time.monotonic() + seconds
    if hasattr(signal, "sigtimedwait"):
        while (told := signal.sigtimedwait(_SIGCHLD, seconds)) is not None:
            # One signal may stand for two children, a stray's and ours, or say that ours was stopped.
            if (told.si_pid == pid and told.si_code in _ENDINGS) or _is_zombie(pid):
                return True
            seconds = max(deadline - time.monotonic(), 0.0)
        return _is_zombie(pid)
    pause = 0.0002
    while not _is_zombie(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, 0.005)
    return True


def _is_zombie(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end_strays() -> None:
    """Kill and reap whatever a child left behind in this PID namespace."""
    try:
        os.kill(-1, signal.SIGKILL)
        while True:
            os.waitpid(-1, 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def _breaks_limits(_: int) -> bool:
    for attempt in (os.fork, os.pipe):
        try:
            attempt()
        except OSError:
            continue
        return True
    return False


def _breaks_memory(limit: int) -> bool:
    try:
        bytearray(2 * limit)
    except MemoryError:
        return False
    return True


def _breaks_filter(_: int) -> bool:
    for attempt in (os.getppid, os.fork, os.pipe):
        try:
            result = attempt()
        except OSError:
            continue
        if attempt is not os.getppid or result != -1:
            return True
    return False


def _private_memory(size: int) -> mmap.mmap:
    """Memory that children find as it is at the fork, and that can be given back."""
    flags = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}
    return mmap.mmap(-1, size, **flags)


# How memory is filled with zeros on Linux: by giving its pages back, which costs by the pages that were touched.
_PRIVATE, _SHARED = getattr(mmap, "MADV_DONTNEED", None), getattr(mmap, "MADV_REMOVE", None)


def _forget(memory: mmap.mmap, advice: int | None) -> None:
    """Fill memory with zeros."""
    if advice is None or sys.platform != "linux":
        memory[:] = bytes(len(memory))
    else:
        memory.madvise(advice)


def _read(socket: int, memory: mmap.mmap) -> int:
    """Put the next message into memory. Its length, or 0 at the end or where it is no message of ours."""
    head = os.read(socket, FRAME.size)
    if len(head) < FRAME.size:
        return 0
    (length,) = FRAME.unpack(head)
    if not ORDER.size <= length <= len(memory):
        return 0
    with memoryview(memory) as view:
        done = 0
        while done < length:
            count = os.readv(socket, [view[done:length]])
            if not count:
                return 0
            done += count
    return int(length)


def _write(socket: int, *parts: bytes | memoryview) -> None:
    """Send one message, without a copy of its parts in this process's memory."""
    rest: list[bytes | memoryview] = [FRAME.pack(sum(map(len, parts))), *parts]
    while rest:
        count = os.writev(socket, rest)
        while rest and count >= len(rest[0]):
            count -= len(rest.pop(0))
        if count:
            rest[0] = memoryview(rest[0])[count:]


def main() -> None:
    """Set up by the JSON settings in the first argument, report the walls, and serve."""
    settings = json.loads(sys.argv[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    sys.setrecursionlimit(1000)
    modules.load(whole=bool(settings["whole_library"]))
    zygote = _Zygote(settings, os.dup(0))
    zygote.warm()
    guards.close_world()
    zygote.isolate()
    zygote.raise_walls()
    notes = zygote.check()
    os.closerange(0, 3)  # what goes wrong from here on goes wrong in silence: errors name files, and go nowhere
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _write(zygote.socket, json.dumps({"walls": sorted(zygote.granted), "notes": notes, "memory_kb": memory}).encode())
    zygote.serve()
