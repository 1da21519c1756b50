"""The report's page: stories and charts as HTML, with the plotting library inside it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

import azr
from azr.browse.tasks import TaskDetail
from azr.report.bars import paired_bars
from azr.report.boundary import boundary_charts
from azr.report.charts import Chart, Point, changes, curves, warnings_of
from azr.report.drawing import drawing_script, library
from azr.report.given import GivenStory, given_in_words
from azr.report.side_by_side import side_by_side
from azr.report.story import Pick, RunStory
from azr.report.tables import Table, change_table
from azr.training.watch import HEADLINES, REMEDIES

ROWS = 12  # of the table beside a plot
PAIRS = 5  # of an induction task
MARKS = 32  # of a task's verdicts; the words beside them count all
TEXT = 3000  # characters of a response
_HERE = Path(__file__).parent
_TYPES = ("deduction", "abduction", "induction")


@dataclass(frozen=True, slots=True)
class PlotView:
    """A chart as the template wants it: `label` says in words what the plot shows."""

    id: str
    title: str
    caption: str
    label: str
    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as the template wants it."""

    name: str
    facts: str
    program: Markup
    pairs: list[tuple[str, str]]
    more_pairs: int
    message: str
    verdicts: list[str]
    more_verdicts: bool
    verdict_words: str
    texts: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class GivenView:
    """A method's given problems as the template wants them."""

    title: str
    words: list[str]
    table: Table | None


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as the template wants it."""

    name: str
    model: str
    state: str
    step: int
    steps: int
    figures: list[tuple[str, str]]
    warnings: list[str]
    tells_tasks: bool
    contrasts: list[tuple[str, TaskView | None, TaskView | None]]
    picks: list[tuple[str, list[TaskView]]]
    given: list[GivenView]
    benchmarks: Table | None


def render(stories: Sequence[RunStory]) -> str:
    """The page about one run, or about several side by side."""
    drawn, changed = [*curves(stories), *boundary_charts(stories)], changes(stories)
    beside, bars = side_by_side(stories), _bars(stories)
    specs = {chart.id: chart.spec for chart in (*drawn, *changed, *beside, *bars)}
    names = [story.summary.name for story in stories]
    template = Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return template.get_template("page.html").render(
        title=f"{' and '.join(names)} - azr report",
        style=Markup(_style()),
        runs=[_run_view(story, f" of {story.summary.name}" if len(stories) > 1 else "") for story in stories],
        settings_title="Settings" if len(stories) == 1 else "Settings that differ",
        settings=_settings(stories),
        beside=[_plot_view(chart, 1) for chart in beside],
        bars=[_plot_view(chart, 1) for chart in bars],
        shows_changes=any(story.given or story.benchmarks for story in stories),
        curves=[_plot_view(chart, len(stories)) for chart in drawn],
        changes=[_plot_view(chart, len(stories)) for chart in changed],
        has_plots=bool(specs),
        specs=Markup(json.dumps(specs).replace("<", "\\u003c")),
        library=Markup(library() if specs else ""),
        script=Markup(drawing_script()),
        version=azr.__version__,
    )


def _style() -> str:
    light = HtmlFormatter(style="xcode").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".code")
    colours = [f"{light}", f"@media (prefers-color-scheme: dark) {{ {dark} }}"]
    return "\n".join([*colours, (_HERE / "style.css").read_text(encoding="utf-8")])


def _run_view(story: RunStory, of_run: str) -> RunView:
    """`of_run` goes behind a task's number where several runs have tasks of that number."""
    summary = story.summary
    figures = [] if story.is_given_alone else _task_figures(story)
    for given in story.statistics.problems:
        right = "nobody knows how many are right" if given.right is None else f"{given.right:.0%} right"
        figures.append((f"{given.method}: problems", f"{given.problems:,}"))
        figures.append((f"{given.method}: answers", f"{given.answers:,}, {right}"))
    for name in (*summary.scores, "panel/rate"):
        asked = [line[name] for line in story.metrics if name in line]
        if asked:
            told = f"{asked[0]:.0%} → {asked[-1]:.0%}" if len(asked) > 1 else f"{asked[0]:.0%}"
            figures.append(("panel" if name == "panel/rate" else name.removeprefix("probe/"), told))
    return RunView(
        name=summary.name,
        model=summary.model,
        state=summary.state,
        step=summary.step,
        steps=summary.steps,
        figures=figures,
        warnings=[f"Step {mark.step}: {_advice(mark.name)}" for mark in warnings_of(story)],
        tells_tasks=not story.is_given_alone,
        contrasts=[
            (c.type, _task_view(c.early, of_run) if c.early else None, _task_view(c.late, of_run) if c.late else None)
            for c in sorted(story.contrasts, key=lambda c: _TYPES.index(c.type) if c.type in _TYPES else 3)
            if c.early or c.late
        ],
        picks=_pick_views(story.picks, of_run),
        given=[_given_view(given, story, of_run) for given in story.given],
        benchmarks=change_table(f"Other benchmarks{of_run}", story.benchmarks) if story.benchmarks else None,
    )


def _task_figures(story: RunStory) -> list[tuple[str, str]]:
    total = story.statistics.total
    return [
        ("tasks", f"{total.tasks:,}"),
        ("distinct programs", f"{total.distinct:,}"),
        ("proposals", f"{total.proposals:,}"),
        ("valid", "-" if total.valid_share is None else f"{total.valid_share:.0%}"),
        ("answers judged", f"{story.statistics.attempts:,}"),
    ]


def _given_view(given: GivenStory, story: RunStory, of_run: str) -> GivenView:
    title = f"{given.method.upper()}{of_run}"
    rows = [*([given.all] if given.all else []), *given.levels, *given.sources]
    table = change_table(f"{title}: {' and '.join(given.when)}", rows) if rows else None
    return GivenView(title, given_in_words(given, story.metrics), table)


def _bars(stories: Sequence[RunStory]) -> list[Chart]:
    """Before and after, of every run that has both."""
    found = []
    for number, story in enumerate(stories):
        of_run = f": {story.summary.name}" if len(stories) > 1 else ""
        for given in story.given:
            caption = f"Share of right answers, {' and '.join(given.when)}; the lines are 95 % intervals."
            for kind, rows in (("level", given.levels), ("source", given.sources)):
                title = f"{given.method.upper()} by {kind}{of_run}"
                found.append(paired_bars(f"given-{kind}-{given.method}-{number}", title, caption, rows))
        caption = "Share of right answers by azr eval; the lines are 95 % intervals."
        found.append(paired_bars(f"benchmarks-{number}", f"Other benchmarks{of_run}", caption, story.benchmarks))
    return [chart for chart in found if chart]


def _advice(warning: str) -> str:
    return f"{HEADLINES[warning]}; try {REMEDIES[warning]}" if warning in HEADLINES else warning


def _pick_views(picks: Sequence[Pick], of_run: str) -> list[tuple[str, list[TaskView]]]:
    reasons = dict.fromkeys(pick.why for pick in picks)
    return [(why, [_task_view(pick.task, of_run) for pick in picks if pick.why == why]) for why in reasons]


def _task_view(task: TaskDetail, of_run: str) -> TaskView:
    summary = task.summary
    facts = [summary.type, f"step {summary.step}" if summary.step else "seeding"]
    if summary.solve_rate is not None and summary.learnability is not None:
        facts += [f"solved {summary.solve_rate:.0%}", f"learnability {summary.learnability:.2f}"]
    pairs = [(f"f({arguments})", output) for arguments, output in zip(task.inputs, task.outputs, strict=True)]
    verdicts = [attempt.verdict for attempt in task.attempts]
    texts = [("The proposer's text", _cut(task.proposal.text))] if task.proposal else []
    for verdict in ("right", "wrong"):
        texts += [(f"An answer that was {verdict}", _cut(a.text)) for a in task.attempts if a.verdict == verdict][:1]
    return TaskView(
        name=f"task {summary.id}{of_run}",
        facts=" · ".join(facts),
        program=Markup(highlight(summary.program, PythonLexer(), HtmlFormatter(nowrap=True))),
        pairs=[(_cut(call, 400), _cut(output, 400)) for call, output in pairs[:PAIRS]],
        more_pairs=max(0, len(pairs) - PAIRS),
        message=task.message,
        verdicts=verdicts[:MARKS],
        more_verdicts=len(verdicts) > MARKS,
        verdict_words=", ".join(f"{count:,} {verdict}" for verdict, count in Counter(verdicts).items()),
        texts=texts,
    )


def _plot_view(chart: Chart, runs: int) -> PlotView:
    """The table has a row a step, at most ROWS of them, or a row of what the chart has in place of steps."""
    lines: dict[str, dict[Any, float]] = {}
    has_steps = chart.rows_are == "step"
    for point in chart.points:
        if has_steps:
            lines.setdefault(_line_name(point, runs), {})[point.step] = point.value
        else:
            lines.setdefault(point.run, {})[point.line] = point.value
    keys = list(dict.fromkeys(key for values in lines.values() for key in values))
    shown = _spread(sorted(keys)) if has_steps and len(keys) > ROWS else keys
    rows = [[str(key), *(_value(line.get(key), chart.unit) for line in lines.values())] for key in shown]
    return PlotView(chart.id, chart.title, chart.caption, _label(chart, lines), [chart.rows_are, *lines], rows)


def _label(chart: Chart, lines: dict[str, dict[Any, float]]) -> str:
    if chart.rows_are != "step":
        return f"{chart.title}. {chart.caption}"
    ends = [(name, min(values), max(values), values) for name, values in lines.items()]
    words = [
        f"{name} from {_value(values[first], chart.unit)} at step {first} to {_value(values[last], chart.unit)}"
        f" at step {last}"
        for name, first, last, values in ends
    ]
    return f"{chart.title}: {'; '.join(words)}."


def _line_name(point: Point, runs: int) -> str:
    return point.line if runs == 1 else f"{point.run}: {point.line}"


def _spread(keys: list[Any]) -> list[Any]:
    """ROWS of the keys at even distances, both ends among them."""
    return [keys[round(i * (len(keys) - 1) / (ROWS - 1))] for i in range(ROWS)]


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:.0%}" if unit == "%" else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _settings(stories: Sequence[RunStory]) -> list[tuple[str, list[str]]]:
    """Every setting of one run; of several, those that differ."""
    flat = [_flat(story.config) for story in stories]
    keys = list(dict.fromkeys(key for settings in flat for key in settings))
    rows = [(key, [settings.get(key, "-") for settings in flat]) for key in keys]
    return rows if len(stories) == 1 else [(key, values) for key, values in rows if len(set(values)) > 1]


def _flat(config: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in config.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": str(value)}
    return flat


def _cut(text: str, length: int = TEXT) -> str:
    return text if len(text) <= length else text[:length] + " …"
