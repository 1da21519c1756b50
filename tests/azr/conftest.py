"""What the tests of runs and pages share: a tiny model, a sandbox, a browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import BrowserContext, sync_playwright

from sandbox import Sandbox, SandboxConfig
from tests.azr.browser import CHROMIUM, FLAGS
from tests.azr.players import tiny_model_folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model as a folder that `model.name` can name. Torch keeps to one thread: more only wait for each other."""
    torch.set_num_threads(1)
    return tiny_model_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One worker, and little patience."""
    with Sandbox(SandboxConfig(workers=1, timeout_s=2.0)) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A headless Chromium without a network; tests that want it are marked `needs_browser`."""
    with sync_playwright() as playwright:
        profile = tmp_path_factory.mktemp("profile")
        context = playwright.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=FLAGS)
        yield context
        context.close()
