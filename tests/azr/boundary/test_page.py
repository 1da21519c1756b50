"""The study's page in a real browser: every figure is drawn, fits, is read out and can be taken; marks come and go."""

import csv
import io
import json
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from azr.boundary.guessing import digest
from azr.boundary.page import render
from azr.boundary.study import study
from azr.boundary.tally import read_side
from azr.cli import app
from tests.azr.boundary.files import samples_file, write_lines
from tests.azr.browser import CONTRAST, needs_browser, opened

N = 64
BASE = {f"p{i}": [0, 1, 2, 6, 20, 50][i % 6] for i in range(48)}
RL = {name: min(N, 2 * right) if right > 2 else 0 for name, right in BASE.items()} | {"p0": 1}
FIGURES = {"pass", "difference", "solved", "accuracy", "moves-0", "moves-1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    samples_file(folder / "base.jsonl", BASE, N)
    samples_file(folder / "rl.jsonl", RL, N)
    samples_file(folder / "distilled [v1.5].jsonl", {name: min(N, right + 1) for name, right in BASE.items()}, N)
    return folder


@pytest.fixture(scope="module")
def page_file(folder) -> Path:
    return made(folder, folder / "page.html")


def made(folder: Path, page: Path, *options: object) -> Path:
    sides = (folder / "base.jsonl", folder / "rl.jsonl", folder / "distilled [v1.5].jsonl")
    words = ["boundary", *map(str, sides), "--out", str(page), *map(str, options)]
    CliRunner().invoke(app, words, catch_exceptions=False)
    return page


@needs_browser
def test_every_figure_is_drawn_without_an_error_or_the_network(browser, page_file):
    page, trouble = opened(browser, page_file)
    marks = page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('[data-plot]')].map(place => [
            place.dataset.plot,
            [...place.querySelectorAll('svg .mark-line path, svg .mark-area path, svg .mark-symbol.role-mark path, '
                                       + 'svg .mark-rect path')]
                .filter(path => path.getBBox().width > 0).length]))"""
    )
    assert set(marks) == FIGURES
    assert all(count > 0 for count in marks.values()), marks
    assert marks["pass"] == 6  # three lines and their bands
    assert marks["moves-0"] > 2  # the diagonal, and circles
    assert "NaN" not in page.inner_html("main")
    assert trouble == []
    page.close()


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1200])
def test_it_fits_the_screen_and_its_text_stands_out(browser, page_file, width, dark):
    page, trouble = opened(browser, page_file, width, dark)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert page.evaluate(CONTRAST) == []
    edges = page.eval_on_selector_all("[data-plot] svg", "all => all.map(svg => svg.getBoundingClientRect().right)")
    assert max(edges) <= width
    overlaps = page.evaluate(
        """() => [...document.querySelectorAll('[data-plot] svg .role-axis-label')].flatMap(axis => {
            const boxes = [...axis.querySelectorAll('text')].filter(t => t.getAttribute('opacity') !== '0'
                && !(t.getAttribute('transform') || '').includes('rotate')).map(t => t.getBoundingClientRect());
            return boxes.slice(1).filter((b, i) => b.left < boxes[i].right && boxes[i].left < b.right
                && b.top < boxes[i].bottom && boxes[i].top < b.bottom).map(b => b.left);
        })"""
    )
    assert overlaps == []
    assert trouble == []
    page.close()


@needs_browser
@pytest.mark.parametrize("width", [400, 1200])
def test_several_crossings_lie_apart(browser, tmp_path, width):
    for name, factor in (("base", 1), ("two", 2), ("three", 3), ("four", 4)):
        rights = {task_id: min(N, factor * right) if right > factor else 0 for task_id, right in BASE.items()}
        samples_file(tmp_path / f"{name}.jsonl", rights if factor > 1 else BASE, N)
    read = [read_side(name, tmp_path / f"{name}.jsonl") for name in ("base", "two", "three", "four")]
    (tmp_path / "page.html").write_text(render(study(read, None, 0, {}), {}), encoding="utf-8")
    page, trouble = opened(browser, tmp_path / "page.html", width)
    bars = page.evaluate(
        """() => [...document.querySelectorAll('[data-plot=difference] svg .mark-rule line')]
            .filter(line => line.getAttribute('stroke-width') === '6').map(line => line.getBoundingClientRect())
            .map(box => [box.top, box.bottom])"""
    )
    assert len(bars) == 3
    assert all(above[0] + 6 < below[0] for above, below in pairwise(sorted(bars)))
    assert trouble == []
    page.close()


@needs_browser
def test_every_figure_has_words_and_numbers_and_can_be_taken(browser, page_file):
    page, _ = opened(browser, page_file)
    for name in FIGURES:
        figure = page.locator(f"#{name}")
        words = figure.locator(".words").all_inner_texts()
        assert len(words) == 2
        assert all(len(text) > 40 for text in words)
        assert len(figure.locator("tbody tr").all()) > 0
        assert len(figure.locator(".canvas").get_attribute("aria-label")) > 40
        with page.expect_download() as taken:
            figure.get_by_role("button", name="SVG").click()
        assert taken.value.suggested_filename == f"{name}.svg"
        svg = Path(taken.value.path()).read_text(encoding="utf-8")
        assert svg.startswith("<?xml")
        assert 'xmlns="http://www.w3.org/2000/svg"' in svg
        alone = browser.new_page()
        alone.goto(Path(taken.value.path()).as_uri())
        with page.expect_download() as taken:
            figure.get_by_role("button", name="CSV").click()
        rows = list(csv.reader(io.StringIO(Path(taken.value.path()).read_text(encoding="utf-8"))))
        assert len(rows) > 1
        assert len({len(row) for row in rows}) == 1
        alone.close()
    with page.expect_download() as taken:
        page.locator("#pass").get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(taken.value.path()).read_text(encoding="utf-8"))))
    assert len(rows) == 3 * N
    assert float(rows[0]["value"]) == pytest.approx(sum(BASE.values()) / (48 * N), rel=1e-5)
    page.close()


@needs_browser
def test_keyboard_reaches_everything_and_names_are_read_out(browser, page_file):
    page, _ = opened(browser, page_file)
    operable = "[...document.querySelectorAll('a[href], summary, [tabindex], button, input')]"
    names = page.evaluate(
        f"""() => {operable}.filter(one => one.checkVisibility()).map(one => one.getAttribute('aria-label')
            || one.labels?.[0]?.textContent.trim() || one.textContent.trim())"""
    )
    assert all(names)
    headings = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    page.locator("fieldset.answer input").first.focus()
    page.keyboard.press("Space")
    assert "1 of" in page.inner_text("#progress")
    page.close()


@needs_browser
def test_pointing_at_the_curves_tells_the_values(browser, page_file):
    page, _ = opened(browser, page_file)
    plot = page.locator("[data-plot=pass] svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    for share in (0.5, 0.7, 0.71):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * 0.5)
        page.wait_for_timeout(100)
    said = page.inner_text("#vg-tooltip-element")
    assert all(name in said for name in ("base", "rl", "distilled [v1.5]", "%"))
    page.close()


@needs_browser
def test_marks_are_made_saved_counted_and_loaded_again(browser, folder, page_file, tmp_path):
    page, trouble = opened(browser, page_file)
    first = page.locator("fieldset.answer").first
    key = json.loads(first.get_attribute("data-key"))
    assert first.locator("pre").inner_text() == f"it is {key['task_id']}, try 0"
    assert key["answer"] == digest(f"it is {key['task_id']}, try 0")
    assert not first.locator(".who").is_visible()
    first.get_by_label("lucky").check()
    assert first.locator(".who").is_visible()
    page.locator("fieldset.answer").nth(1).get_by_label("reasoned").check()
    assert "2 of" in page.inner_text("#progress")
    assert "1 of them as lucky" in page.inner_text("#progress")
    with page.expect_download() as taken:
        page.get_by_role("button", name="Save marks").click()
    marks = Path(taken.value.path()).read_text(encoding="utf-8")
    assert json.loads(marks.splitlines()[0]) == {**key, "mark": "lucky"}
    assert len(marks.splitlines()) == 2
    assert trouble == []
    page.close()

    elsewhere = '{"task_id":"elsewhere","answer":"ab","mark":"lucky"}\n'
    (tmp_path / "marks.jsonl").write_text(elsewhere + marks, encoding="utf-8")
    page, trouble = opened(browser, page_file)
    page.set_input_files("#load-marks", tmp_path / "marks.jsonl")
    page.wait_for_function("document.getElementById('progress').textContent.includes('loaded')")
    assert page.locator("fieldset.answer").first.get_by_label("lucky").is_checked()
    with page.expect_download() as taken:
        page.get_by_role("button", name="Save marks").click()
    assert Path(taken.value.path()).read_text(encoding="utf-8") == elsewhere + marks  # nothing of a reader's is lost
    (tmp_path / "other.txt").write_text("not marks", encoding="utf-8")
    page.set_input_files("#load-marks", tmp_path / "other.txt")
    page.wait_for_function("document.getElementById('progress').textContent.includes('not a file of marks')")
    assert trouble == []
    page.close()

    again = made(folder, tmp_path / "again.html", "--marks", tmp_path / "marks.jsonl")
    page, trouble = opened(browser, again)
    assert page.locator("fieldset.answer").first.get_by_label("lucky").is_checked()
    assert page.locator("[data-plot=read] svg .mark-line path").count() == 6
    dashes = page.eval_on_selector_all(
        "[data-plot=read] svg .mark-line path", "all => all.map(path => path.getAttribute('stroke-dasharray'))"
    )
    assert len(set(dashes)) == 2
    assert trouble == []
    page.close()


@needs_browser
def test_solved_sets_alone_make_a_page_with_the_sets(browser, tmp_path):
    for name, solved in (("base", "abd"), ("rl", "ac")):
        rows = ({"task_id": i, "n": 1024, "solved": i in solved} for i in "abcdef")
        write_lines(tmp_path / f"{name}.jsonl", rows)
    read = [read_side(name, tmp_path / f"{name}.jsonl") for name in ("base", "rl")]
    (tmp_path / "page.html").write_text(render(study(read, None, 0.05, {}), {}), encoding="utf-8")
    page, trouble = opened(browser, tmp_path / "page.html", 400)
    assert page.locator("[data-plot]").count() == 1
    assert "Solved by base, not rl: 2" in page.inner_text("#sets")
    assert page.locator("#sets .ids").all_inner_texts() == ["b d", "c"]
    assert "only the sets" in page.inner_text("#findings")
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert trouble == []
    page.close()


@needs_browser
def test_one_sample_a_problem_still_has_its_figures(browser, tmp_path):
    for name, right in (("a", 1), ("b", 0)):
        samples_file(tmp_path / f"{name}.jsonl", {f"p{i}": (i + right) % 3 == 0 for i in range(12)}, 1)
    read = [read_side(name, tmp_path / f"{name}.jsonl") for name in ("a", "b")]
    (tmp_path / "page.html").write_text(render(study(read, None, 0.05, {}), {}), encoding="utf-8")
    page, trouble = opened(browser, tmp_path / "page.html")
    assert page.locator("[data-plot=pass] svg .mark-symbol.role-mark path").count() == 2
    assert trouble == []
    page.close()


def test_what_a_model_wrote_stays_text_and_half_a_character_does_no_harm(tmp_path):
    hostile = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)> \ud83d"
    rows = [{"task_id": hostile, "completion": hostile, "verdict": i == 0} for i in range(50)]
    write_lines(tmp_path / "a.jsonl", rows)
    read = [read_side(name, tmp_path / "a.jsonl") for name in ("<b>", "b")]
    html = render(study(read, None, 0.05, {}), {hostile: hostile})
    assert "<script>document.title" not in html
    assert "<img src=x" not in html
    assert "<b>" not in html
    assert html.encode("utf-8")
