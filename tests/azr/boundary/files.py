"""Small files of results for the tests, made by rule."""

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """JSON lines; packed where the name says so."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text, encoding="utf-8")
    return path


def counts_file(path: Path, counts: Mapping[str, tuple[int, int]]) -> Path:
    """Lines of counts: (samples, right) by problem."""
    return write_lines(path, ({"task_id": name, "n": n, "right": right} for name, (n, right) in counts.items()))


def samples_file(path: Path, rights: Mapping[str, int], n: int, said: str = "it is") -> Path:
    """`n` samples of each problem, of which the first `rights` are right; every text is its own."""
    return write_lines(
        path,
        (
            {
                "task_id": name,
                "completion": f"{said} {name}, try {i}",
                "verdict": "right" if i < right else "wrong",
            }
            for name, right in rights.items()
            for i in range(n)
        ),
    )
