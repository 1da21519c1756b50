"""How much memory this process has had at once."""

import re
from pathlib import Path


def peak() -> int:
    """Bytes. Not getrusage's: a process inherits that from whoever started it, and a test's worker may be large."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024
