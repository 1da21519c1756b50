"""One sandbox for all tests that only ask it questions, and a way to make others."""

from collections.abc import Iterator

import pytest

from sandbox import Sandbox, SandboxConfig


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """All walls up, limits of one second and 256 MiB."""
    with Sandbox(SandboxConfig(workers=2, timeout_s=1, memory_mb=256)) as opened:
        yield opened
