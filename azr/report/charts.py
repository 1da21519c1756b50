"""The report's plots, as Vega-Lite specifications made with Altair.

A plot shows one run, its lines told apart by colour, or several runs, which differ in the dash of their lines. Colours
hold on a light and on a dark page; axes and text take the colour of the page's own text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import altair as alt

from azr.report.drawing import DATA, PALETTE, field_name, finished
from azr.report.story import DIFFICULTIES, RunStory
from azr.training.watch import PREFIX

_NUMBER = ",.6~g"
POINTS = 250  # of a line; more are averaged
NARROW = 330  # pixels that a plot has on a telephone
SMOOTHED_FROM = 60  # points from which a line gets a moving average
_WARNING_COLOUR = "#d65c6c"
_DIFFICULTY_COLOURS = ["#8a3b4a", "#d65c6c", "#d4a72c", "#2fa67a", "#3d8bd4"]


@dataclass(frozen=True, slots=True)
class Point:
    """A value of a line at a step."""

    run: str
    step: int
    line: str
    value: float


@dataclass(frozen=True, slots=True)
class Mark:
    """A run warned at a step; `name` is one of azr/training/watch.py's."""

    run: str
    step: int
    name: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot with the words around it. `points` are what it shows, for the table beside it; `unit` "%" marks shares.

    `rows_are` is what the table has a row for: a step, or, where it has none, what the points' lines are; then the
    points' runs are its columns.
    """

    id: str
    title: str
    caption: str
    unit: str
    points: tuple[Point, ...]
    spec: dict[str, Any]
    rows_are: str = "step"


@dataclass(frozen=True, slots=True)
class _Curve:
    """Lines from metrics.jsonl: every name `prefix` + one word, the single `names`, or all that begin as `patterns`."""

    id: str
    title: str
    caption: str
    prefix: str = ""
    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    unit: str = ""


_CURVES = (
    _Curve("reward-propose", "Proposer's reward", "Mean over proposals: learnability, 1 in a warm-up, or a penalty.",
           prefix="reward/propose/"),
    _Curve("reward-solve", "Solver's reward", "1 right, −0.5 wrong, −1 no answer found.", prefix="reward/solve/"),
    _Curve("valid", "Valid proposals", "The share of proposals that became tasks.", prefix="propose/valid/", unit="%"),
    _Curve("learnability", "Learnability", "Mean of 1 − solve rate; 0 where a task is always or never solved.",
           prefix="propose/learnability/"),
    _Curve("solved", "Right answers", "Of the answers that train the solver.", prefix="solve/rate/", unit="%"),
    _Curve("vote", "The vote", "Largest cluster's share, labels and rewards that are right, majority of all votes.",
           names=("ttrl/majority_ratio", "ttrl/label_accuracy", "ttrl/reward_accuracy", "ttrl/truth_reward"), unit="%"),
    _Curve("vote-rlvr", "Given problems with answers", "RLVR: right answers, and what their vote would have said.",
           names=("rlvr/majority_ratio", "rlvr/label_accuracy", "rlvr/truth_reward"), unit="%"),
    _Curve("vote-n", "One of many, and most of many", "Problems that an answer, and that the vote, is right for.",
           patterns=("rlvr/pass@", "rlvr/maj@", "ttrl/pass@", "ttrl/maj@"), unit="%"),
    _Curve("reward-given", "Reward on given problems", "Mean over the answers that train.",
           names=("reward/rlvr", "reward/ttrl")),
    _Curve("length-given", "Length of answers to given problems", "Mean tokens of a response.",
           names=("length/rlvr", "length/ttrl")),
    _Curve("panel", "Right answers on the panel", "The same tasks of the buffer, asked again every few steps.",
           prefix="panel/rate/", unit="%"),
    _Curve("copies", "Answers that repeat the question", "The share, right or wrong.", prefix="solve/copies/",
           unit="%"),
    _Curve("probe", "Asked now and then", "Right answers: to the probe's held-out problems, to what a look asks.",
           prefix="probe/", unit="%"),
    _Curve("length-propose", "Length of proposals", "Mean tokens of a response.", prefix="length/propose/"),
    _Curve("length-solve", "Length of answers", "Mean tokens of a response.", prefix="length/solve/"),
    _Curve("truncated", "Cut off at the token limit", "The share of responses.", prefix="truncated/", unit="%"),
    _Curve("cut", "Cut as the last of their call", "The share of responses.", prefix="cut/", unit="%"),
    _Curve("entropy", "Entropy", "In nats a token: of the tokens that trained, and of all that each role sampled.",
           names=("learner/entropy", "entropy/propose", "entropy/solve", "entropy/rlvr", "entropy/ttrl")),
    _Curve("gradient", "Gradient norm", "Before clipping.", names=("learner/grad_norm",)),
    _Curve("ratio", "Probability ratio", "New over old policy, over response tokens.",
           names=("learner/ratio_mean", "learner/ratio_min", "learner/ratio_max", "learner/importance_weight_mean")),
    _Curve("loss", "Loss", "The clipped objective, negated.", names=("learner/loss",)),
    _Curve("speed", "Tokens a second", "Generated tokens over the step's whole time, and while generating.",
           names=("tokens_per_second", "tokens_per_second/generate")),
)  # fmt: skip


def curves(stories: Sequence[RunStory]) -> list[Chart]:
    """A line chart for every metric that the runs recorded, and their time by phase."""
    charts = []
    for curve in _CURVES:
        points = [point for story in stories for point in _metric_points(story, curve)]
        if points:
            spec = line_spec(
                points, curve.unit, len(stories), [mark for story in stories for mark in warnings_of(story)]
            )
            charts.append(Chart(curve.id, curve.title, curve.caption, curve.unit, tuple(points), spec))
    points = [point for story in stories for point in _against_the_vote(story)]
    if points:
        caption = "The score of one answer, and what the vote of the untrained model's answers scores."
        spec = line_spec(points, "%", len(stories), [mark for story in stories for mark in warnings_of(story)])
        charts.append(Chart("against-vote", "Beyond the backbone's own vote", caption, "%", tuple(points), spec))
    for number, story in enumerate(stories):
        phases = _Curve("time", "Time by phase", "Seconds a step.", prefix="time/")
        points = [p for p in _metric_points(story, phases) if p.line != "total"]
        if points:
            title = phases.title + _of_run(story, stories)
            spec = stacked_spec(points, list(dict.fromkeys(p.line for p in points)), PALETTE, share=False)
            charts.append(Chart(f"time-{number}", title, phases.caption, "", tuple(points), spec))
    return charts


def changes(stories: Sequence[RunStory]) -> list[Chart]:
    """How the tasks changed, from the buffers: difficulty, rejections, size, novelty, growth, constructs."""
    charts = []
    for number, story in enumerate(stories):
        charts += _stacks(story, f"-{number}", _of_run(story, stories))
    lines = {
        "lines": ("Size of programs", "Mean lines of a task's program.", "", lambda row: row.figures.lines),
        "branches": ("Branches", "Mean cyclomatic complexity.", "", lambda row: row.figures.branches),
        "novelty": ("New programs", "The share of tasks whose program none before had.", "%",
                    lambda row: row.figures.novelty),
        "programs": ("Distinct programs", "In the buffer; layout and names aside.", "", lambda row: row.programs),
    }  # fmt: skip
    for chart_id, (title, caption, unit, value_of) in lines.items():
        points = [
            Point(story.summary.name, row.last, title.lower(), value)
            for story in stories
            for row in story.statistics.by_step
            if (value := value_of(row)) is not None
        ]
        if points:
            charts.append(Chart(chart_id, title, caption, unit, tuple(points), line_spec(points, unit, len(stories))))
    for number, story in enumerate(stories):
        if story.constructs:
            charts.append(_construct_chart(story, f"constructs-{number}", _of_run(story, stories)))
    return charts


def warnings_of(story: RunStory) -> list[Mark]:
    """What the run warned of, in the order of the steps."""
    return [
        Mark(story.summary.name, int(metrics["step"]), name.removeprefix(PREFIX))
        for metrics in story.metrics
        for name in metrics
        if name.startswith(PREFIX)
    ]


def line_spec(points: Sequence[Point], unit: str, runs: int, warnings: Sequence[Mark] = ()) -> dict[str, Any]:
    """Lines over steps; pointing at a step tells every value there. Many points get a moving average on top.

    A dashed rule marks a step at which a run warned.
    """
    names = list(dict.fromkeys(point.line for point in points))
    values = [_row(point, runs) for point in points]
    smooth = max(sum(1 for p in points if p.line == name) for name in names) >= SMOOTHED_FROM * runs
    axis_format = ".0%" if unit == "%" else _NUMBER
    legend = None if len(names) == 1 else _strokes(names)
    colour = alt.Color("line:N", title=None, scale=alt.Scale(domain=names, range=PALETTE), legend=legend)
    of_runs = list(dict.fromkeys(point.run for point in points))
    dash = [] if runs == 1 else [alt.StrokeDash("run:N", title=None, legend=_strokes(of_runs))]
    base = alt.Chart(DATA).encode(x=_STEPS)
    lines = base.mark_line(strokeWidth=1 if smooth else 2, opacity=0.35 if smooth else 1).encode(
        alt.Y("value:Q", title=None, axis=alt.Axis(format=axis_format), scale=alt.Scale(zero=False)), colour, *dash
    )
    layers: list[alt.Chart] = [lines]
    if smooth:
        average = base.transform_window(mean="mean(value)", frame=[-7, 7], groupby=["key"])
        layers.append(average.mark_line(strokeWidth=2.5).encode(alt.Y("mean:Q", title=None), colour, *dash))
    elif max(sum(1 for p in points if p.line == name) for name in names) <= 30 * runs:
        layers.append(base.mark_point(filled=True, size=36, opacity=1).encode(alt.Y("value:Q"), colour))
    if warnings:
        layers.append(_warning_rules(warnings))
    return finished(alt.layer(*layers, _pointer(values, axis_format)), values)


def _warning_rules(warnings: Sequence[Mark]) -> alt.Chart:
    marked = [{"step": w.step, "warning": w.name, "run": w.run} for w in warnings]
    return (
        alt.Chart(alt.Data(values=marked))
        .mark_rule(strokeDash=[2, 3], strokeWidth=1.5, color=_WARNING_COLOUR, opacity=0.8)
        .encode(_STEPS, tooltip=[alt.Tooltip("warning:N"), alt.Tooltip("run:N"), alt.Tooltip("step:Q")])
    )


def stacked_spec(points: Sequence[Point], names: Sequence[str], colours: Sequence[str], share: bool) -> dict[str, Any]:
    """Areas on top of each other, in the order of `names`; `share` stretches each step to the full height.

    An area over a single step has no width: that is a bar.
    """
    values = [_row(point, 1) for point in points]
    axis = alt.Axis(format=".0%" if share else _NUMBER)
    stacked = (
        alt.Chart(DATA)
        .encode(
            _STEPS,
            alt.Y("value:Q", title=None, stack="normalize" if share else "zero", axis=axis),
            alt.Color("line:N", title=None, scale=alt.Scale(domain=list(names), range=list(colours)), legend=_SQUARES),
            alt.Order("order:O"),
        )
        .transform_calculate(order=f"indexof({list(names)!r}, datum.line)")
    )
    if len({point.step for point in points}) == 1:
        drawn = stacked.mark_bar(width=60, opacity=0.85)
    else:
        drawn = stacked.mark_area(opacity=0.85, interpolate="monotone" if share else "linear")
    return finished(alt.layer(drawn, _pointer(values, _NUMBER)), values)


_STEPS = alt.X("step:Q", title="step", axis=alt.Axis(format="d", tickMinStep=1), scale=alt.Scale(nice=False))
_SQUARES = alt.Legend(orient="top", symbolType="square", symbolOpacity=1, columns=2, columnPadding=18)


def _strokes(names: Sequence[str]) -> alt.Legend:
    """A legend of lines, in as many columns as a narrow screen has room for."""
    width = 6.5 * max(map(len, names)) + 40  # pixels of a column, by the look of it
    columns = max(1, min(3, int(NARROW / width)))
    return alt.Legend(orient="top", symbolType="stroke", symbolOpacity=1, columns=columns, columnPadding=18)


def _pointer(values: list[dict[str, Any]], number: str) -> alt.Chart:
    """A rule at the step nearest to the pointer, with every line's value there as its tooltip."""
    nearest = alt.selection_point(nearest=True, on="pointerover", clear="pointerout", fields=["step"], empty=False)
    keys = list(dict.fromkeys(value["key"] for value in values))
    fields = [alt.Tooltip(field=field_name(key), type="quantitative", format=number, title=key) for key in keys]
    return (
        alt.Chart(DATA)
        .transform_pivot("key", value="value", groupby=["step"])
        .mark_rule(strokeWidth=1, color="currentColor", aria=False)
        .encode(
            _STEPS,
            opacity=alt.condition(nearest, alt.value(0.5), alt.value(0)),
            tooltip=[alt.Tooltip("step:Q"), *fields],
        )
        .add_params(nearest)
    )


def _stacks(story: RunStory, suffix: str, of_run: str) -> list[Chart]:
    name = story.summary.name
    charts = []
    levels = [level for level, _ in DIFFICULTIES]
    difficulty = [Point(name, step, level, count) for step, level, count in story.difficulty]
    if difficulty:
        spec = stacked_spec(_filled(difficulty), levels, _DIFFICULTY_COLOURS, share=True)
        caption = "New tasks by how many of the Monte Carlo answers were right."
        charts.append(
            Chart(f"difficulty{suffix}", "Difficulty of new tasks" + of_run, caption, "", tuple(difficulty), spec)
        )
    shown = list(story.statistics.total.rejected)[:7]
    rejected = [
        Point(name, row.last, reason.replace("_", " ") if reason in shown else "other", count)
        for row in story.statistics.by_step
        for reason, count in row.figures.rejected.items()
    ]
    if rejected:
        merged = _merged(rejected)
        spec = stacked_spec(_filled(merged), [*(r.replace("_", " ") for r in shown), "other"], PALETTE, share=True)
        caption = "Proposals that did not become tasks, by reason."
        charts.append(Chart(f"rejected{suffix}", "Why proposals fail" + of_run, caption, "", tuple(merged), spec))
    return charts


def _construct_chart(story: RunStory, chart_id: str, of_run: str) -> Chart:
    shown = sorted(story.constructs, key=lambda word: -max(story.constructs[word]))[:16]
    points = tuple(
        Point(when, 0, word, story.constructs[word][index])
        for word in shown
        for index, when in enumerate(("early", "late"))
    )
    values = [{"construct": p.line, "when": p.run, "share": p.value} for p in points]
    when = alt.Color("when:N", title=None, scale=alt.Scale(domain=["early", "late"], range=PALETTE[:2]), legend=_DOTS)
    base = alt.Chart(DATA).encode(alt.Y("construct:N", title=None, sort=None, axis=alt.Axis(grid=True)))
    share = alt.X("share:Q", title=None, axis=alt.Axis(format=".0%"))
    link = base.mark_line(color="currentColor", opacity=0.4).encode(share, alt.Detail("construct:N"))
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(
        share, when, tooltip=["construct:N", "when:N", alt.Tooltip("share:Q", format=".0%")]
    )
    caption = "The share of programs with it, in the first and the last fifth of the tasks."
    spec = finished(alt.layer(link, dots), values, height=22 * len(shown) + 20)
    return Chart(chart_id, "What programs are made of" + of_run, caption, "%", points, spec, rows_are="construct")


_DOTS = alt.Legend(orient="top")


def _metric_points(story: RunStory, curve: _Curve) -> Iterable[Point]:
    """The curve's points, averaged where there are too many to draw."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for metrics in story.metrics:
        for name, value in metrics.items():
            line = name.removeprefix(curve.prefix) if curve.prefix and name.startswith(curve.prefix) else None
            if name in curve.names:
                line = name.split("/", 1)[-1].replace("_", " ")
            if name.startswith(curve.patterns):
                line = name.replace("/", " ")
            if line is not None and "/" not in line:
                lines.setdefault(line, []).append((int(metrics["step"]), float(value)))
    for line, values in lines.items():
        yield from (Point(story.summary.name, step, line, value) for step, value in thinned(values))


def thinned(values: Sequence[tuple[int, float]]) -> Iterable[tuple[int, float]]:
    """(step, value) pairs, averaged where there are too many to draw; an average stands at the last of its steps."""
    width = max(1, -(-len(values) // POINTS))
    for start in range(0, len(values), width):
        part = values[start : start + width]
        yield part[-1][0], fmean(value for _, value in part)


def _against_the_vote(story: RunStory) -> Iterable[Point]:
    """avg@N of a method's looks, and the first one's maj@N as a level line: figure 6 of arXiv 2504.16084."""
    named = dict.fromkeys(name for metrics in story.metrics for name in metrics if name.startswith("probe/maj@"))
    for name in named:
        _, vote, method = name.split("/")
        looks = [metrics for metrics in story.metrics if name in metrics]
        for metrics in looks:
            step = int(metrics["step"])
            yield Point(story.summary.name, step, f"{method} avg", metrics[f"probe/{method}"])
            yield Point(story.summary.name, step, f"{method} {vote} before training", looks[0][name])


def _merged(points: Iterable[Point]) -> list[Point]:
    """Points of the same step and line added up."""
    sums: dict[tuple[str, int, str], float] = {}
    for point in points:
        key = (point.run, point.step, point.line)
        sums[key] = sums.get(key, 0) + point.value
    return [Point(*key, value) for key, value in sums.items()]


def _filled(points: Sequence[Point]) -> list[Point]:
    """The points, and a zero wherever a line has none at a step that others have: areas need every corner."""
    have = {(point.step, point.line) for point in points}
    steps, lines = sorted({step for step, _ in have}), {line for _, line in have}
    missing = [Point(points[0].run, step, line, 0.0) for step in steps for line in lines if (step, line) not in have]
    return sorted([*points, *missing], key=lambda point: point.step)


def _row(point: Point, runs: int) -> dict[str, Any]:
    key = point.line if runs == 1 else f"{point.run}: {point.line}"
    return {"step": point.step, "line": point.line, "run": point.run, "key": key, "value": float(f"{point.value:.5g}")}


def _of_run(story: RunStory, stories: Sequence[RunStory]) -> str:
    return f": {story.summary.name}" if len(stories) > 1 else ""
