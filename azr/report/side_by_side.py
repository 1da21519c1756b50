"""Several runs in one picture, a colour a run: accuracy and entropy over steps (figure 4 of arXiv 2504.16084).

Where one of them is paid by the truth and another of the same method by the majority, the first is what leaked labels
would give: a bound for the second (figure 7).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean

from azr.config.choices import Label
from azr.evaluation.probe_metrics import is_score
from azr.report.charts import Chart, Mark, Point, line_spec, thinned, warnings_of
from azr.report.story import RunStory

Course = Callable[[Sequence[Mapping[str, float]]], list[tuple[int, float]]]  # metrics, a line a step -> (step, value)


def side_by_side(stories: Sequence[RunStory]) -> list[Chart]:
    """What at least two of the runs recorded; nothing for one run."""
    if len(stories) < 2:
        return []
    bound = _is_bounded(stories)
    looked = "Right answers to what is asked now and then; the mean, where a run asks several things." + (
        " Labels that leak the truth are the most that better labels could give." if bound else ""
    )
    title = "Accuracy beside the leakage bound" if bound else "Accuracy"
    trained = "Right among the answers that train: other problems each step."
    entropy = "In nats a token, of the answers that were sampled."
    charts = [
        _chart("beside-looks", title, looked, "%", stories, _looked),
        _chart("beside-trained", f"{title}, in training", trained, "%", stories, _trained),
        _chart("beside-entropy", "Entropy", entropy, "", stories, _entropy),
    ]
    return [chart for chart in charts if chart]


def label_of(story: RunStory) -> str:
    """Who pays for the run's given problems, where it has some and they have one label."""
    labels = {given.label for given in story.given}
    return labels.pop() if len(labels) == 1 else ""


def _is_bounded(stories: Sequence[RunStory]) -> bool:
    """Whether runs of one method differ in that way; RLVR beside TTRL differs in more."""
    paid = {(given.method, given.label) for story in stories for given in story.given}
    return any((method, Label.TRUTH) in paid and (method, Label.MAJORITY) in paid for method, _ in paid)


def _chart(
    chart_id: str, title: str, caption: str, unit: str, stories: Sequence[RunStory], course_of: Course
) -> Chart | None:
    names = {story.summary.name: _name(story, stories) for story in stories}
    points = [
        Point(story.summary.name, step, names[story.summary.name], value)
        for story in stories
        for step, value in thinned(course_of(story.metrics))
    ]
    if len({point.run for point in points}) < 2:
        return None
    marks: list[Mark] = [mark for story in stories for mark in warnings_of(story)]
    return Chart(chart_id, title, caption, unit, tuple(points), line_spec(points, unit, 1, marks))


def _name(story: RunStory, stories: Sequence[RunStory]) -> str:
    """The run's, and who pays where that is what tells them apart."""
    labels = [label_of(one) for one in stories]
    return f"{story.summary.name} ({label_of(story)})" if all(labels) and len(set(labels)) > 1 else story.summary.name


def _looked(metrics: Sequence[Mapping[str, float]]) -> list[tuple[int, float]]:
    """The mean score of the steps in which all was asked that the run ever asks: part of it is no point of a line."""
    names = {name for line in metrics for name in line if is_score(name)}
    return _means((line for line in metrics if names <= line.keys()), is_score)


def _trained(metrics: Sequence[Mapping[str, float]]) -> list[tuple[int, float]]:
    return _means(metrics, lambda name: name.endswith("/truth_reward") or name.startswith("solve/rate/"))


def _entropy(metrics: Sequence[Mapping[str, float]]) -> list[tuple[int, float]]:
    return _means(metrics, ("entropy/solve", "entropy/rlvr", "entropy/ttrl").__contains__)


def _means(metrics: Iterable[Mapping[str, float]], counts: Callable[[str], bool]) -> list[tuple[int, float]]:
    """(step, mean of what counts) of the lines that have any."""
    found = [(int(line["step"]), [value for name, value in line.items() if counts(name)]) for line in metrics]
    return [(step, fmean(values)) for step, values in found if values]
