"""Each wall by itself: the policy is off, so the programs are plain Python, and only the wall under test stands.

Every attack is also run without the wall, where it must succeed: else the test would prove nothing.
"""

import importlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import (
    CallStatus,
    Job,
    JobResult,
    JobStatus,
    Sandbox,
    SandboxConfig,
    SandboxUnavailableError,
    Wall,
    capabilities,
)

GRANTED = capabilities().walls
ROOT = Path(__file__).resolve().parent.parent.parent


_OPEN: dict[SandboxConfig, Sandbox] = {}


@pytest.fixture(scope="module", autouse=True)
def _close_sandboxes() -> Iterator[None]:
    yield
    for sandbox in _OPEN.values():
        sandbox.close()
    _OPEN.clear()


def run_behind(*walls: Wall, program: str, call: str = "", memory_mb: int = 512, cpu_s: int = 0) -> JobResult:
    """One program behind these walls and no others."""
    missing = set(walls) - GRANTED
    if missing:
        pytest.skip(f"this machine does not grant {sorted(missing)}")
    up = frozenset({Wall.PROCESS, *walls})
    config = SandboxConfig(workers=1, timeout_s=20, walls=up, minimum=up, memory_mb=memory_mb, cpu_s=cpu_s)
    if config not in _OPEN:
        _OPEN[config] = Sandbox(config).__enter__()
    return _OPEN[config].run(Job(program, (call,)))


def value(result: JobResult) -> str | None:
    assert result.status is JobStatus.OK, result
    return result.calls[0].value if result.calls[0].status is CallStatus.OK else result.calls[0].error


# -- the kernel's filter ----------------------------------------------------------------------------------------------

SYSTEM_CALLS = {
    "fork": "os._exit(0) if os.fork() == 0 else os.wait() and 0",
    "pipe": "os.pipe() and 0",
    "open": "os.open('/dev/null', 0) * 0",
    "write to a file": "os.open('/tmp', os.O_TMPFILE | os.O_RDWR, 0o600) * 0",
    "list a folder": "os.listdir('/') and 0",
    "look at a file": "os.stat('/') and 0",
    "execute": "os.posix_spawn('/bin/true', ['true'], {}) * 0",
    "signal another": "os.kill(os.getppid() or 1, 0) or 0",
    "change the working folder": "os.chdir('/') or 0",
    "read the environment of the system": "os.uname() and 0",
    "map executable memory": "mmap.mmap(-1, 4096, prot=7) and 0",
    "event files": "os.eventfd(0) * 0",
    "anonymous files": "os.memfd_create('x') * 0",
    "change limits": "resource.setrlimit(resource.RLIMIT_CPU, (3, 3)) or 0",
    "change the scheduling": "os.nice(1) * 0",
}


@pytest.mark.parametrize("name", SYSTEM_CALLS)
def test_the_filter_alone_refuses_system_calls(name: str) -> None:
    program = f"import os, mmap, resource\ndef f():\n    return {SYSTEM_CALLS[name]}"
    if name != "signal another":
        assert value(run_behind(program=program)) == "0"
    refused = value(run_behind(Wall.SECCOMP, program=program))
    assert refused is not None
    assert refused.startswith(("PermissionError", "OSError: [Errno 1]", "ValueError: not allowed", "0" * 9)), refused


def test_the_filter_leaves_computing_alone() -> None:
    program = "import time\ndef f():\n    return sum(bytearray(1 << 24)) + int(time.monotonic() > 0)"
    assert value(run_behind(Wall.SECCOMP, program=program)) == "1"


# -- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "attempt", ["os._exit(0) if os.fork() == 0 else os.wait() and 0", "os.open('/dev/null', 0) * 0"]
)
def test_limits_alone_stop_processes_and_files(attempt: str) -> None:
    program = f"import os\ndef f():\n    return {attempt}"
    assert value(run_behind(program=program)) == "0"
    refused = value(run_behind(Wall.RLIMITS, program=program))
    assert refused is not None
    assert refused.startswith(("BlockingIOError", "OSError: [Errno 24]")), refused


def test_limits_alone_stop_memory() -> None:
    program = "def f():\n    return len(bytearray(300 << 20))"
    assert value(run_behind(program=program)) == str(300 << 20)
    assert run_behind(Wall.RLIMITS, program=program, memory_mb=200).status is JobStatus.MEMORY


def test_limits_alone_stop_processor_time_even_where_the_signal_is_ignored() -> None:
    program = "import signal\ndef f():\n    signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n    while True: pass"
    result = run_behind(Wall.RLIMITS, program=program, cpu_s=1)
    assert result.status is JobStatus.TIMEOUT
    assert result.error == "the limit on processor time"


def test_limits_cannot_be_raised_again() -> None:
    program = "import resource\ndef f():\n    resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9))"
    assert (value(run_behind(Wall.RLIMITS, program=program)) or "").startswith(("ValueError", "PermissionError"))


# -- namespaces -------------------------------------------------------------------------------------------------------

NAMESPACES = {Wall.USER: "user", Wall.PID: "pid", Wall.NET: "net", Wall.IPC: "ipc", Wall.MOUNT: "mnt"}


@pytest.mark.parametrize("wall", [Wall.USER, Wall.PID, Wall.NET, Wall.IPC])
def test_a_namespace_is_another_one(wall: Wall) -> None:
    program = f"import os\ndef f():\n    return os.readlink('/proc/self/ns/{NAMESPACES[wall]}')"
    ours = repr(os.readlink(f"/proc/self/ns/{NAMESPACES[wall]}"))
    assert value(run_behind(program=program)) == ours
    if wall is Wall.PID:  # the old /proc does not know the process
        program = "import os\ndef f():\n    return os.getpid() < 1000"
        assert value(run_behind(Wall.USER, Wall.PID, program=program)) == "True"
        return
    assert value(run_behind(*{Wall.USER, wall}, program=program)) != ours


@pytest.fixture
def server() -> Iterator[int]:
    """A port of the loopback on which something answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def answer() -> None:
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


CONNECT = """
import ctypes, struct
def f(port):
    libc = ctypes.CDLL(None)  # the socket module may lie where nobody may read
    address = struct.pack("=H", 2) + struct.pack("!H", port) + bytes([127, 0, 0, 1]) + bytes(8)
    return libc.connect(libc.socket(2, 1, 0), address, 16)
"""


def test_the_network_namespace_alone_cuts_the_network_off(server: int) -> None:
    assert value(run_behind(program=CONNECT, call=str(server))) == "0"
    assert value(run_behind(Wall.USER, Wall.NET, program=CONNECT, call=str(server))) == "-1"


def test_the_mount_namespace_alone_hides_every_file() -> None:
    program = "import os\ndef f():\n    return [os.listdir('/'), os.path.exists('/proc'), os.path.exists('/..')]"
    assert value(run_behind(program=program)) != "[[], False, True]"
    assert value(run_behind(Wall.USER, Wall.MOUNT, program=program)) == "[[], False, True]"


def test_the_empty_file_system_takes_no_file() -> None:
    program = "def f():\n    return open('/x', 'w').write('x')"
    refused = value(run_behind(Wall.USER, Wall.MOUNT, program=program))
    assert "Read-only" in (refused or "") or "denied" in (refused or ""), refused


def test_the_pid_namespace_alone_hides_other_processes() -> None:
    program = "import os\ndef f(pid):\n    os.kill(pid, 0)"
    without = value(run_behind(Wall.USER, program=program, call=str(os.getpid()))) or ""
    assert without == "None" or without.startswith("PermissionError")
    behind = value(run_behind(Wall.USER, Wall.PID, program=program, call=str(os.getpid()))) or ""
    assert behind.startswith("ProcessLookupError"), behind


def test_the_pid_namespace_alone_ends_what_a_child_leaves_behind() -> None:
    program = "import os, time\ndef f():\n    if os.fork() == 0:\n        time.sleep(60)\n    return 1"
    assert value(run_behind(Wall.USER, Wall.PID, program="def f(): return 1")) == "1"
    before = set(_descendants(os.getpid()))
    for _ in range(5):
        assert value(run_behind(Wall.USER, Wall.PID, program=program)) == "1"
    assert set(_descendants(os.getpid())) == before


def _descendants(pid: int) -> list[int]:
    children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    threads = [t for t in Path(f"/proc/{pid}/task").iterdir() if t.name != str(pid)]
    for thread in threads:
        children += [int(p) for p in (thread / "children").read_text().split()]
    mine = [child for child in children if b"sandbox.start" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return mine + [below for child in mine for below in _descendants(child)]


def test_no_capability_is_left() -> None:
    program = (
        "def f():\n    lines = open('/proc/self/status').read().split('\\n')\n"
        "    return [l.split()[1] for l in lines if l.startswith(('CapEff', 'CapPrm', 'NoNewPrivs'))]"
    )
    assert value(run_behind(Wall.USER, program=program)) == repr(["0" * 16, "0" * 16, "1"])


# -- the process and the channel --------------------------------------------------------------------------------------


def test_nothing_survives_a_job() -> None:
    spoil = "import builtins, math\nbuiltins.len = math.sqrt = lambda *a, **k: 42\ndef f():\n    return 1"
    walls = frozenset({Wall.PROCESS})
    with Sandbox(SandboxConfig(workers=1, walls=walls, minimum=walls)) as sandbox:
        sandbox.run(Job(spoil, ("",)))
        honest = sandbox.run(Job("import math\ndef f():\n    return [len([]), math.sqrt(4)]", ("",)))
    assert honest.calls[0].value == "[0, 2.0]"


def test_the_clock_cannot_be_caught() -> None:
    program = (
        "import signal\ndef f():\n"
        "    for s in signal.valid_signals() - {9, 19}:\n        signal.signal(s, lambda *a: None)\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n    while True: pass"
    )
    with Sandbox(
        SandboxConfig(workers=1, timeout_s=0.5, walls=frozenset({Wall.PROCESS}), minimum=frozenset())
    ) as sandbox:
        result = sandbox.run(Job(program, ("",)))
    assert result.status is JobStatus.TIMEOUT
    assert result.seconds < 1


def test_the_environment_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "hunter2")
    assert value(run_behind(program="import os\ndef f():\n    return 'A_SECRET' in os.environ")) == "False"


def test_no_descriptor_is_open_in_a_child() -> None:
    program = "import os\ndef f():\n    return [n for n in range(100) if os.path.exists(f'/proc/self/fd/{n}')]"
    assert value(run_behind(program=program)) == "[]"


_END = b'["job", "ok", null, false, false]\n'
FORGERIES = {
    "not JSON": b"\xff\xfe garbage\n",
    "a number": b"1\n",
    "an empty list": b"[]\n",
    "a list for a status": b'[["ok"], 1]\n' + _END,
    "an unknown status": b'["fine", 1]\n' + _END,
    "ok without a value": b'["ok"]\n' + _END,
    "a verdict of its own": b'["ok", 1, true]\n' + _END,
    "an object": b'{"status": "ok", "value": 1, "equal": true}\n' + _END,
    "a value with an unknown tag": b'["ok", {"x": [1]}]\n' + _END,
    "a value with a wrong part": b'["ok", {"F": [1, 0]}]\n' + _END,
    "a key without a hash": b'["ok", {"d": [[1], 2]}]\n' + _END,
    "too many calls": b'["ok", 1]\n' * 3 + _END,
    "too few calls": _END,
    "a list for the job": b'["ok", 1]\n["job", ["ok"], null, false, false]\n',
    "an unknown job status": b'["ok", 1]\n["job", "fine", null, false, false]\n',
    "nesting": b"[" * 100_000 + b"\n",
    "a deep value": b'["ok", ' + b"[" * 400 + b"]" * 400 + b"]\n" + _END,
    "a huge number": b'["ok", ' + b"9" * 100_000 + b"]\n" + _END,
    "nothing": b"",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_report_is_only_data(name: str) -> None:
    """The program finds the channel in the frames below its own and writes what it likes, also a false length."""
    program = (
        "import os, sys, struct\ndef f(data, length):\n    frame = sys._getframe()\n"
        "    while 'channel' not in frame.f_locals:\n        frame = frame.f_back\n"
        "    memory = frame.f_locals['channel'].memory\n    memory[8:8 + len(data)] = data\n"
        "    struct.pack_into('=Q', memory, 0, length)\n    os._exit(0)"
    )
    data = FORGERIES[name]
    for length in (len(data), 2**64 - 1):
        result = run_behind(program=program, call=f"{data!r}, {length}")
        assert result.status is JobStatus.CRASHED, result


def test_a_forged_value_is_never_evaluated(tmp_path: Path) -> None:
    marker = tmp_path / "touched"
    text = f"__import__('pathlib').Path({str(marker)!r}).touch()"
    program = (
        "import os, sys, struct, json\ndef f(text):\n    frame = sys._getframe()\n"
        "    while 'channel' not in frame.f_locals:\n        frame = frame.f_back\n"
        "    memory = frame.f_locals['channel'].memory\n"
        "    data = json.dumps(['ok', text]).encode() + b'\\n[\"job\", \"ok\", null, false, false]\\n'\n"
        "    memory[8:8 + len(data)] = data\n    struct.pack_into('=Q', memory, 0, len(data))\n    os._exit(0)"
    )
    result = run_behind(program=program, call=repr(text))
    assert result.calls[0].data == text  # a string, and nothing else
    assert not marker.exists()


# -- the self-check ---------------------------------------------------------------------------------------------------


def test_below_the_minimum_the_sandbox_refuses_to_start() -> None:
    with (
        pytest.raises(SandboxUnavailableError, match="rlimits"),
        Sandbox(SandboxConfig(walls=frozenset(Wall) - {"rlimits"})),
    ):
        pass


def _check(prefix: list[str], python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, python, "-m", "sandbox", "--check"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )


def test_the_check_names_every_wall() -> None:
    done = _check([])
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[: len(Wall)]] == [str(wall) for wall in Wall]


WITHOUT_NAMESPACES = """
import os, sys, pyseccomp
filter = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
filter.add_rule(pyseccomp.ERRNO(1), "unshare")
filter.load()
os.execv(sys.executable, [sys.executable, "-m", "sandbox", *sys.argv[1:]])
"""


def test_it_works_where_namespaces_are_forbidden() -> None:
    """As in many containers, whose own filter refuses unshare: fewer walls, said aloud, and a working sandbox."""
    try:
        importlib.import_module("pyseccomp")
    except RuntimeError as error:
        pytest.skip(f"{error}: Debian's package is libseccomp2")
    command = [sys.executable, "-c", WITHOUT_NAMESPACES]
    done = subprocess.run([*command, "--check"], capture_output=True, text=True, cwd=ROOT, check=False)
    assert "user      no" in done.stdout, done.stderr
    assert "rlimits   yes" in done.stdout
    assert "seccomp   yes" in done.stdout
    job = '{"id": 1, "program": "def f(x): return x + 1", "calls": ["1"]}'
    answer = subprocess.run(command, input=job, capture_output=True, text=True, cwd=ROOT, check=False)
    assert '"value": "2"' in answer.stdout, answer.stderr


UNPRIVILEGED = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
sys.path[:0] = sys.argv[1:]
from sandbox import Job, Sandbox, SandboxConfig
with Sandbox(SandboxConfig(workers=1)) as sandbox:
    print(os.getuid(), sorted(sandbox.walls), sandbox.run(Job("def f(x): return x + 1", ("1",))).calls[0].value)
"""


def test_it_works_as_an_ordinary_user() -> None:
    if os.getuid() != 0:
        pytest.skip("the tests run as an ordinary user already")
    import multiprocess
    import RestrictedPython

    paths = {str(ROOT), *(str(Path(m.__file__).parent.parent) for m in (multiprocess, RestrictedPython))}
    for python in (sys.executable, "/usr/bin/python3"):
        if _reachable_for_all(Path(python).resolve()):
            break
    else:
        pytest.skip("no interpreter here that an ordinary user may run")
    done = subprocess.run(
        [python, "-c", UNPRIVILEGED, *paths], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("65534 ")
    assert done.stdout.endswith(" 2\n")


def _reachable_for_all(path: Path) -> bool:
    return path.exists() and all(part.stat().st_mode & 0o001 for part in [path, *path.parents])
