"""No chain of unguarded attributes leads from what programs are given to the interpreter."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_nothing_dangerous_is_reachable_by_attributes() -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("reachable.py"))],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == [""]
    assert int(done.stderr) > 2000  # objects seen
