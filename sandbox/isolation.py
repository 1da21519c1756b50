"""Wall 3: what the kernel takes away. Namespaces and an empty root for the zygote, limits and a system call filter for
each child.

Everything goes through ctypes and prctl: pyseccomp would need libseccomp.so on the machine, and the filter is short.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Callable

from sandbox.job import Wall

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 4, 38, 22
_SECCOMP_MODE_FILTER = 2
_CLONE = {
    Wall.MOUNT: 0x00020000,
    Wall.IPC: 0x08000000,
    Wall.USER: 0x10000000,
    Wall.PID: 0x20000000,
    Wall.NET: 0x40000000,
}
_MS_REC, _MS_PRIVATE, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_RDONLY, _MS_REMOUNT = 0x4000, 1 << 18, 2, 4, 8, 1, 32
_MNT_DETACH = 2
_NOBODY = 65534


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _prctl(option: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0) -> None:
    _check(_libc().prctl(option, *(ctypes.c_ulong(x) for x in (a, b, c, d))), f"prctl {option}")


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, 9)


# -- namespaces -------------------------------------------------------------------------------------------------------


def leave_root() -> None:
    """Give up root for nobody: limits on processes do not bind root, nor does a user namespace change who it is.

    Root that may not become another user, in a user namespace that knows no other, stays; the self-check decides.
    """
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    except OSError:
        return
    if sys.platform == "linux":
        _prctl(_PR_SET_DUMPABLE, 1)  # else /proc/self belongs to root and the user namespace can't be mapped


def enter_namespaces(wanted: frozenset[Wall]) -> frozenset[Wall]:
    """Leave the machine's namespaces for new ones, as many of the wanted ones as the kernel grants; says which.

    All the others need the user namespace, unless the process is privileged. The PID namespace holds for children.
    """
    if sys.platform != "linux" or Wall.USER not in wanted:
        return frozenset()
    uid, gid = os.geteuid(), os.getegid()
    unshare = _libc().unshare
    if unshare(_CLONE[Wall.USER]) != 0:
        return frozenset()
    try:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{_NOBODY} {uid} 1")
        _write("/proc/self/gid_map", f"{_NOBODY} {gid} 1")
    except OSError:
        return frozenset()
    others = [wall for wall in (Wall.PID, Wall.NET, Wall.IPC, Wall.MOUNT) if wall in wanted]
    return frozenset([Wall.USER] + [wall for wall in others if unshare(_CLONE[wall]) == 0])


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def empty_root() -> bool:
    """In a mount namespace of its own, exchange the file system for an empty, read-only one. Whether that worked."""
    libc = _libc()
    where = b"/proc" if os.path.isdir("/proc") else b"/tmp"
    try:
        _check(libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "mount")
        flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
        _check(libc.mount(b"none", where, b"tmpfs", ctypes.c_ulong(flags), b"size=4k,mode=555"), "mount")
        os.chdir(where)
        _check(libc.syscall(_call_number("pivot_root"), b".", b"."), "pivot_root")
        _check(libc.umount2(b".", _MNT_DETACH), "umount2")
        os.chdir("/")
        _check(libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REMOUNT | _MS_RDONLY | flags), None), "remount")
    except OSError:
        return False
    return os.listdir("/") == []


def drop_capabilities() -> None:
    """Give up every capability, also the ones that a user namespace brought."""
    if sys.platform != "linux":
        return
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check(_libc().capset(header, nothing), "capset")


def forbid_new_privileges() -> None:
    """No exec in this process or its children raises privileges any more; what an unprivileged filter needs."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


# -- limits -----------------------------------------------------------------------------------------------------------


def _lower(kind: int, soft: int, hard: int | None = None) -> None:
    _, ceiling = resource.getrlimit(kind)
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(kind, (soft, hard))


# What calls through C take of it, a cached function's, is some 0.6 kB each. Linux leaves a process room for 128 MiB.
STACK_BYTES = 96 << 20


def limit_for_good() -> None:
    """What no child ever needs: files written, core dumps, locked memory, message queues. And a stack that grows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if (
        soft != resource.RLIM_INFINITY
        and soft < STACK_BYTES
        and (hard == resource.RLIM_INFINITY or hard >= STACK_BYTES)
    ):
        resource.setrlimit(resource.RLIMIT_STACK, (STACK_BYTES, hard))
    for name in ("RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE"):
        if hasattr(resource, name):
            _lower(getattr(resource, name), 0)


def limit_lineage(memory_bytes: int) -> None:
    """For this process and the children to come: address space in bytes, no file opened."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def limit_child(cpu_s: int) -> None:
    """For one child: processor time in seconds, no process started.

    The soft limit on time ends the child by SIGXCPU, which says what happened; the hard one by SIGKILL.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def address_space() -> int:
    """Bytes of address space that this process holds, the base on which a child's limit stands. 0 where unknown."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


# -- system call filter -----------------------------------------------------------------------------------------------

# What CPython needs to compute: memory, time, its own end. No file, socket, process or signal to another process.
_CALLS: dict[str, dict[str, int]] = {
    "x86_64": {
        "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "mremap": 25,
        "madvise": 28, "sched_yield": 24, "getpid": 39, "exit": 60, "gettimeofday": 96, "sigaltstack": 131,
        "gettid": 186, "futex": 202, "restart_syscall": 219, "clock_gettime": 228, "exit_group": 231,
        "getrandom": 318, "rseq": 334,
    },
    "aarch64": {
        "exit": 93, "exit_group": 94, "futex": 98, "clock_gettime": 113, "sched_yield": 124, "restart_syscall": 128,
        "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "gettimeofday": 169,
        "getpid": 172, "gettid": 178, "brk": 214, "munmap": 215, "mremap": 216, "madvise": 233, "getrandom": 278,
        "rseq": 293,
    },
}  # fmt: skip
_MAPPING_CALLS = {"x86_64": (9, 10), "aarch64": (222, 226)}  # mmap and mprotect, allowed without PROT_EXEC
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_PROT_EXEC = 4
_LOAD, _JUMP_EQUAL, _JUMP_NOT_BELOW, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _DENY = 0x7FFF0000, 0x80000000, 0x00050000 | 1  # EPERM
_OFFSET_CALL, _OFFSET_ARCH, _OFFSET_PROTECTION = 0, 4, 32


def _call_number(name: str) -> int:
    if name != "pivot_root" or platform.machine() not in _PIVOT_ROOT:
        raise OSError(f"no number known for {name} on {platform.machine()}")
    return _PIVOT_ROOT[platform.machine()]


def _program(machine: str) -> bytes:
    """The filter as BPF. A call that is not allowed fails with EPERM; one by another machine's numbers kills."""
    calls = sorted(_CALLS[machine].values())
    maps = _MAPPING_CALLS[machine]
    # Layout: head (5), one test a call, one test a mapping call, deny, allow, look at the protection (3).
    code = [
        (_LOAD, 0, 0, _OFFSET_ARCH),
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _OFFSET_CALL),
        (_JUMP_NOT_BELOW, len(calls) + len(maps), 0, _X32_BIT),
    ]
    deny = len(code) + len(calls) + len(maps)
    for number in calls:
        code.append((_JUMP_EQUAL, deny + 1 - len(code) - 1, 0, number))
    for number in maps:
        code.append((_JUMP_EQUAL, deny + 2 - len(code) - 1, 0, number))
    code += [
        (_RETURN, 0, 0, _DENY),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _OFFSET_PROTECTION),
        (_JUMP_BITS, 1, 0, _PROT_EXEC),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    ]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def system_call_filter() -> Callable[[], None] | None:
    """A function that puts the filter up for good in the process that calls it; None where there is no filter to have.

    Everything is prepared here, so that a child makes one system call.
    """
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _CALLS:
        return None
    program = _program(machine)
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a length and, after padding, the address.
    filter_ = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions)))
    prctl = _libc().prctl
    prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    address = ctypes.addressof(filter_)

    def install(_kept: object = (instructions, filter_)) -> None:
        if prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, address, 0, 0) != 0:
            os._exit(99)

    return install
