"""A sandbox for hostile Python: programs in, values out, behind four walls (docs/sandbox.md).

Stands alone: it imports nothing of azr or tasks. `python -m sandbox` speaks JSON lines.
"""

from typing import TYPE_CHECKING, Any

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
    from sandbox.executor import Capabilities, Sandbox, capabilities

__all__ = [
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
    "Wall",
    "capabilities",
]


def __getattr__(name: str) -> Any:
    """The user's side, on first use: a zygote imports this package too, and every fork of it pays for its size."""
    if name in ("Capabilities", "Sandbox", "capabilities"):
        from sandbox import executor

        return getattr(executor, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
