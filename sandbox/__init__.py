"""A sandbox for hostile Python: programs in, values out, behind four walls (docs/sandbox.md).

Stands alone: it imports nothing of azr or tasks. `python -m sandbox` speaks JSON lines.
"""

from sandbox.executor import Capabilities, Sandbox, capabilities
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
