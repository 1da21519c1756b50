"""A sandbox for hostile Python: programs in, values out, behind five walls (docs/sandbox.md).

Stands alone: it imports nothing of azr or tasks. `python -m sandbox` speaks JSON lines.
"""

from typing import TYPE_CHECKING, Any

from sandbox.arguments import Arguments, StandardInput
from sandbox.equality import equal
from sandbox.job import (
    CallResult,
    CallStatus,
    Job,
    JobResult,
    JobStatus,
    SandboxConfig,
    SandboxError,
    SandboxUnavailableError,
    Wall,
)

if TYPE_CHECKING:
    from sandbox.arithmetic import compute_arguments, compute_value
    from sandbox.executor import Capabilities, Sandbox, capabilities
    from sandbox.literals import read_arguments, read_value

__all__ = [
    "Arguments",
    "CallResult",
    "CallStatus",
    "Capabilities",
    "Job",
    "JobResult",
    "JobStatus",
    "Sandbox",
    "SandboxConfig",
    "SandboxError",
    "SandboxUnavailableError",
    "StandardInput",
    "Wall",
    "capabilities",
    "compute_arguments",
    "compute_value",
    "equal",
    "read_arguments",
    "read_value",
]


def __getattr__(name: str) -> Any:
    """The user's side, on first use: a zygote imports this package too, and every fork of it pays for its size."""
    if name in ("Capabilities", "Sandbox", "capabilities"):
        from sandbox import executor

        return getattr(executor, name)
    if name in ("read_arguments", "read_value"):
        from sandbox import literals

        return getattr(literals, name)
    if name in ("compute_arguments", "compute_value"):
        from sandbox import arithmetic

        return getattr(arithmetic, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
