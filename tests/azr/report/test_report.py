"""The report is opened in a real headless browser: what a reader sees, operates and hears read out."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from azr.browse.tasks import TaskFilter, list_tasks
from azr.buffer import AttemptRow, Origin, Purpose, TaskBuffer, TaskRow
from azr.cli import app
from azr.errors import UserError
from azr.report.charts import changes, curves
from azr.report.page import render
from azr.report.story import gather
from azr.training.run import Run
from tasks.triplet import TaskType, Triplet, Verdict
from tests.azr.browser import CONTRAST, needs_browser, opened
from tests.azr.finished import STEPS, finished_run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return finished_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="module")
def page_file(run) -> Path:
    said = CliRunner().invoke(app, ["report", str(run.folder), "--json"], catch_exceptions=False).output
    page = Path(json.loads(said)["page"])
    assert page == run.folder / "report.html"
    return page


@needs_browser
def test_every_plot_is_drawn_without_an_error_or_the_network(browser, page_file, run):
    page, trouble = opened(browser, page_file)
    story = gather(run)
    expected = {chart.id for chart in (*curves([story]), *changes([story]))}
    assert {"reward-propose", "probe", "time-0", "difficulty-0", "rejected-0", "constructs-0"} <= expected
    marks = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('[data-plot]')].map(place => [
            place.dataset.plot,
            [...place.querySelectorAll('svg .mark-line path, svg .mark-area path, svg .mark-symbol path')]
                .filter(path => path.getBBox().width > 0).length]))"""
    )
    assert set(marks) == expected
    assert all(count > 0 for count in marks.values()), marks
    assert "NaN" not in page.inner_html("main")
    assert trouble == []
    page.close()


@needs_browser
def test_a_single_step_is_drawn_too(browser, tmp_path):
    file = tmp_path / "one.html"
    file.write_text(render([gather(finished_run(tmp_path / "one", steps=1))]), encoding="utf-8")
    page, trouble = opened(browser, file)
    marks = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('[data-plot]')].map(place => [
            place.dataset.plot,
            [...place.querySelectorAll('svg .mark-rect path, svg .mark-area path, svg .mark-symbol path')]
                .filter(path => path.getBBox().width > 0 && path.getBBox().height > 0).length]))"""
    )
    assert {"time-0", "difficulty-0", "reward-solve"} <= marks.keys()
    assert all(count > 0 for count in marks.values()), marks
    assert trouble == []
    page.close()


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen_and_its_text_stands_out(browser, page_file, width, dark):
    page, trouble = opened(browser, page_file, width, dark)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    faint = page.evaluate(CONTRAST)
    assert faint == []
    plots = page.eval_on_selector_all("[data-plot] svg", "all => all.map(svg => svg.getBoundingClientRect().right)")
    assert max(plots) <= width
    assert trouble == []
    page.close()


@needs_browser
def test_keyboard_reaches_and_opens_everything_and_a_screen_reader_hears_its_name(browser, page_file):
    page, _ = opened(browser, page_file)
    operable = "[...document.querySelectorAll('a[href], summary, [tabindex]')]"
    place = "[...document.querySelectorAll('*')].indexOf"
    wanted = page.evaluate(f"{operable}.filter(one => one.checkVisibility()).map(one => {place}(one))")
    seen = []
    for _ in range(len(wanted)):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(f"{place}(document.activeElement)"))
    assert seen == wanted
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('details').open")
    names = page.evaluate(
        """() => [...document.querySelectorAll("a[href], summary, [tabindex='0'], [role=img]")]
            .map(one => one.getAttribute('aria-label') || one.textContent.trim())"""
    )
    assert all(names)
    summaries = page.eval_on_selector_all("summary", "all => all.map(one => one.textContent)")
    assert len(set(summaries)) == len(summaries)  # "Numbers" alone would name them all
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])")[0] == 1
    page.close()


@needs_browser
def test_pointing_at_a_plot_tells_the_values_there(browser, page_file):
    page, _ = opened(browser, page_file)
    plot = page.locator("[data-plot=reward-propose] svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    for share in (0.5, 0.7, 0.71):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * 0.6)
        page.wait_for_timeout(100)
    said = page.inner_text("#vg-tooltip-element")
    assert "deduction" in said
    assert "step" in said
    page.close()


def test_the_page_is_small_and_says_what_happened(page_file, run):
    html = page_file.read_text(encoding="utf-8")
    assert len(html.encode()) < 5_000_000
    assert f"finished at step {STEPS} of {STEPS}" in html
    assert "10% → 40%" in html  # cruxeval-o, before and after
    assert '<span class="k">while</span>' in html


def test_what_a_model_wrote_stays_text(tmp_path):
    run = finished_run(tmp_path / "run", steps=1)
    hostile = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)>"
    with closing(sqlite3.connect(run.buffer)) as db, db:
        db.execute("UPDATE proposal SET text = ?", (hostile,))
        db.execute("UPDATE task SET program = ?, message = ?", (hostile, hostile))
    html = render([gather(run)])
    assert "<script>document.title" not in html
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html


@needs_browser
def test_two_runs_side_by_side(browser, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = finished_run(tmp_path / "second", steps=4)
    result = CliRunner().invoke(app, ["report", str(run.folder), str(other.folder)], catch_exceptions=False)
    assert result.exit_code == 0
    page, trouble = opened(browser, tmp_path / "report-first-second.html")
    assert page.inner_text("h1") == "first and second"
    label = page.get_attribute("[role=img]:has([data-plot=reward-propose])", "aria-label")
    assert "first: deduction from" in label
    assert "second: deduction from" in label
    settings = page.locator("#run tbody tr").all_inner_texts()
    assert settings == ["name\tfirst\tsecond", "steps\t6\t4"]
    assert trouble == []
    page.close()
    assert not (other.folder / "report.html").exists()


@needs_browser
def test_a_run_that_has_only_begun_has_a_report(browser, tmp_path):
    run = finished_run(tmp_path / "young", steps=0)
    run.metrics.unlink()
    (tmp_path / "young.html").write_text(render([gather(run)]), encoding="utf-8")
    page, trouble = opened(browser, tmp_path / "young.html")
    assert "No step has been trained yet" in page.inner_text("main")
    assert trouble == []
    page.close()


def test_an_empty_buffer_has_a_report(tmp_path):
    run = finished_run(tmp_path / "empty", steps=0)
    run.metrics.unlink()
    run.buffer.unlink()
    TaskBuffer.create(run.buffer).close()
    html = render([gather(run)])
    assert "No task was proposed yet" in html
    assert "Nothing to read yet" in html


def test_a_buffer_of_the_identity_alone_has_no_empty_headings(tmp_path):
    run = finished_run(tmp_path / "identity", steps=0)
    run.buffer.unlink()
    buffer = TaskBuffer.create(run.buffer)
    with buffer.transaction():
        buffer.add_task(
            TaskRow(0, Triplet(TaskType.DEDUCTION, "def f(x):\n    return x", ("1",), ("1",)), Origin.IDENTITY)
        )
    buffer.close()
    html = render([gather(run)])
    assert "No task was proposed yet" in html
    assert "<h3>Deduction</h3>" not in html


def test_a_score_that_was_asked_once_is_no_change(tmp_path):
    html = render([gather(finished_run(tmp_path / "young", steps=0))])
    assert "<dt>cruxeval-o</dt><dd>10%</dd>" in html


def test_all_answers_to_a_task_are_counted(tmp_path):
    run = finished_run(tmp_path / "run", steps=1)
    buffer = TaskBuffer.open(run.buffer)
    with buffer.transaction():
        for task in range(1, 19):  # each has 4 answers
            for _ in range(40):
                buffer.add_attempt(AttemptRow(1, task, Purpose.SOLVE, "", "1", Verdict.WRONG, -0.5, 1, False))
    buffer.close()
    told = re.findall(r'class="verdicts" role="img" aria-label="([^"]+)"', render([gather(run)]))
    assert told
    assert all(sum(map(int, re.findall(r"\d+", words))) == 44 for words in told)


def test_picks_are_what_they_say_and_no_program_comes_twice(run):
    story = gather(run)
    assert story.picks
    for pick in story.picks:
        if pick.why.startswith("Never solved"):
            assert pick.task.summary.solve_rate == 0
        if "learnable" in pick.why:
            assert pick.task.summary.learnability == 0.75
    programs = [pick.task.summary.program for pick in story.picks]
    assert len(programs) == len(set(programs))


def test_difficulty_counts_every_estimated_task_once(run):
    from azr.browse.folders import reading

    with reading(run) as db:
        total = list_tasks(db, TaskFilter(min_solve_rate=0.0)).total
    assert sum(count for _, _, count in gather(run).difficulty) == total


def test_mistakes_are_refused(run, tmp_path):
    for words, message in (
        (["report", str(run.folder), str(run.folder)], "same name"),
        (["report", str(tmp_path)], "not a run"),
        (["report", str(run.folder), "--out", str(tmp_path / "no" / "page.html")], "can't be written"),
    ):
        result = CliRunner().invoke(app, words)
        assert isinstance(result.exception, UserError)
        assert message in str(result.exception)


def test_what_a_run_warned_of_is_listed_and_marked_on_its_curves(tmp_path):
    warned = finished_run(tmp_path / "warned")
    lines = [json.loads(line) for line in warned.metrics.read_text().splitlines()]
    lines[4] |= {"warning/copying": 1.0, "panel/rate": 0.5, "panel/rate/deduction": 0.5}
    lines[0] |= {"panel/rate": 0.1, "panel/rate/deduction": 0.1}
    warned.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    story = gather(warned)
    page = render([story])
    assert "Step 4: more answers repeat the question than at first; try propose.refuse=[copy,constant]" in page
    assert "10% → 50%" in page
    charts = {chart.id: chart for chart in curves([story])}
    assert [(point.step, point.value) for point in charts["panel"].points] == [(0, 0.1), (4, 0.5)]
    assert '{"step": 4, "warning": "copying", "run": "warned"}' in json.dumps(charts["reward-solve"].spec)
    assert "Warnings" not in render([gather(finished_run(tmp_path / "quiet"))])
