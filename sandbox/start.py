"""The first thing a zygote runs: what has to happen before the library is imported."""

import importlib.util
import os
import sys


def main() -> None:
    """Keep every fork cheap, then become a zygote.

    random reseeds and threading rebuilds its locks in each forked child, which triples what a bare fork costs. Programs
    get neither randomness nor threads, so nothing in a child depends on it. Of RestrictedPython the transformer alone
    is imported: the rest would only be copied from fork to fork.
    """
    os.register_at_fork = lambda **_: None
    spec = importlib.util.find_spec("RestrictedPython")
    assert spec is not None  # sandbox/worker.py has found it
    sys.modules["RestrictedPython"] = importlib.util.module_from_spec(spec)  # the package, without what it would import
    from sandbox import zygote

    zygote.main()
