"""How far long work has come, where no bar can be drawn."""

import io

import pytest
from rich.console import Console

from azr.evaluation import report


def test_a_log_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 30.0, 61.0, 90.0, 125.0])
    monkeypatch.setattr(report.time, "monotonic", lambda: next(clock))
    written = io.StringIO()
    with report.progress_bar(Console(file=written), "asked", total=100, there=40) as advance:
        for done in (40, 10, 10, 20):  # 40 were there: 40 in two minutes, so that 20 more take another
            advance(done)
    assert written.getvalue().splitlines() == [
        "asked: 50 of 100, some 5 min left",
        "asked: 80 of 100, some 1 min left",
    ]
