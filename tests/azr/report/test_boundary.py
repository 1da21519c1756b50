"""A run audits its own boundary: the probe's counts, look by look, and the figure that the report makes of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from azr.boundary.curves import pass_at_ks
from azr.cli import app
from azr.evaluation.probe_counts import Look, add_look, read_looks, rewind_looks
from azr.report.boundary import boundary_charts
from azr.report.story import gather
from tests.azr.browser import needs_browser, opened
from tests.azr.finished import finished_run


def counts(n, right):
    return {f"q{i}": right for i in range(n)}


@pytest.fixture
def run(tmp_path):
    """Before training all thirty are solved by 4 of 64, after it ten by all and the others by none."""
    made = finished_run(tmp_path / "warm")
    add_look(made.probe, Look(0, 64, {"deduction": counts(30, 4)}))
    add_look(made.probe, Look(2, 64, {"deduction": counts(30, 8)}))
    add_look(made.probe, Look(4, 64, {"deduction": counts(10, 64) | {f"q{i}": 0 for i in range(10, 30)}}))
    return made


def test_looks_are_kept_and_rewound(tmp_path):
    path = tmp_path / "probe.jsonl"
    assert read_looks(path) == []
    rewind_looks(path, 3)
    for step in (0, 2, 4):
        add_look(path, Look(step, 8, {"deduction": {"q": step}}))
    add_look(path, Look(4, 8, {"deduction": {"q": 7}}))  # a step done again after a crash
    assert [look.right["deduction"]["q"] for look in read_looks(path)] == [0, 2, 7]
    with path.open("a") as file:
        file.write('{"step": 6, "sam')
    assert [look.step for look in read_looks(path)] == [0, 2, 4]
    rewind_looks(path, 2)
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [0, 2]


def test_the_report_draws_pass_at_one_to_n_and_says_what_changed(run):
    (chart,) = boundary_charts([gather(run)])
    drawn = {(point.step, point.line): point.value for point in chart.points}
    assert {line for _, line in drawn} == {"pass@1", "pass@4", "pass@16", "pass@64"}
    assert drawn[0, "pass@1"] == pytest.approx(4 / 64)
    assert drawn[0, "pass@64"] == 1
    assert drawn[4, "pass@1"] == drawn[4, "pass@64"] == pytest.approx(1 / 3)
    many = pass_at_ks(np.array([64]), np.array([8]), np.array([16]))
    assert drawn[2, "pass@16"] == pytest.approx(float(many[0, 0]))
    assert "+27.1 points" in chart.caption
    assert "−66.7 points" in chart.caption
    assert "step 4 is ahead at first; step 0 overtakes it at k = " in chart.caption


def test_a_greedy_probe_has_no_boundary(tmp_path):
    run = finished_run(tmp_path / "greedy")
    add_look(run.probe, Look(0, 1, {"deduction": counts(3, 1)}))
    assert boundary_charts([gather(run)]) == []


@needs_browser
def test_the_figure_is_on_the_page(browser, run):
    said = CliRunner().invoke(app, ["report", str(run.folder), "--json"], catch_exceptions=False).output
    page, trouble = opened(browser, Path(json.loads(said)["page"]), 400, True)
    figure = page.locator("#boundary-deduction")
    assert figure.locator("svg .mark-line path").count() == 4
    assert "overtakes" in figure.inner_text()
    assert trouble == []
    page.close()
