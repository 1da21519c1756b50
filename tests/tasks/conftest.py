"""One real sandbox for all tests of the package."""

from collections.abc import Iterator

import pytest

from sandbox import Sandbox, SandboxConfig


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(SandboxConfig(workers=1, timeout_s=1)) as opened:
        yield opened
