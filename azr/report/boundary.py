"""A run's own boundary: pass@k of its probe by step, from the counts of each look (azr/evaluation/probe_counts.py).

Where the probe asks for one answer a question there is no more to say than its score; with `probe.samples: 64` a run
shows while it goes on whether it reaches further or only finds faster what it could do (docs/boundary.md).
"""

from collections.abc import Sequence

import numpy as np

from azr.boundary.curves import Floats, Ints, Resampled, crossing, difference, k_grid, pass_at_ks, resample
from azr.boundary.words import crossing_in_words, points
from azr.evaluation.probe_counts import Look
from azr.report.charts import Chart, Point, line_spec
from azr.report.story import RunStory


def boundary_charts(stories: Sequence[RunStory]) -> list[Chart]:
    """A chart for each type of task: pass@1, pass@4, pass@16 … of every look, and what changed in words."""
    looks = {story.summary.name: [look for look in story.looks if look.samples > 1] for story in stories}
    types = dict.fromkeys(kind for found in looks.values() for look in found for kind in look.right)
    charts = []
    for kind in types:
        shown = {name: [look for look in found if kind in look.right] for name, found in looks.items()}
        drawn = tuple(
            Point(name, look.step, f"pass@{k}", value)
            for name, found in shown.items()
            for look in found
            for k, value in _passes(look, kind)
        )
        said = [sentence for name, found in shown.items() for sentence in _change(name, found, kind, len(stories))]
        caption = " ".join(["Held-out problems that at least one of k answers solves, by step.", *said])
        spec = line_spec(drawn, "%", len(stories))
        charts.append(Chart(f"boundary-{kind}", f"The boundary: {kind}", caption, "%", drawn, spec))
    return charts


def _passes(look: Look, kind: str) -> list[tuple[int, float]]:
    """(k, pass@k) for k = 1, 4, 16 … and the number of samples."""
    ks = sorted({4**power for power in range(16) if 4**power <= look.samples} | {look.samples})
    values = _by_problem(look, kind, list(look.right[kind]), np.array(ks)).mean(axis=0)
    return [(k, float(value)) for k, value in zip(ks, values, strict=True)]


def _change(name: str, looks: Sequence[Look], kind: str, runs: int) -> list[str]:
    """The first look against the last, over the questions and the samples that both have."""
    if len(looks) < 2:
        return []
    first, last = looks[0], looks[-1]
    ids = [question for question in first.right[kind] if question in last.right[kind]]
    if not ids:
        return []
    ks = k_grid([min(first.samples, last.samples)])
    before, after = _resampled([first, last], kind, ids, ks)
    gained = difference(before, after)
    ends = " and ".join(
        f"{points(gained.value[i], gained.low[i], gained.high[i])} at k = {gained.ks[i]}" for i in (0, -1)
    )
    whose = f"{name}: " if runs > 1 else ""
    crossed = crossing_in_words(f"step {first.step}", f"step {last.step}", crossing(before, after))
    return [f"{whose}From step {first.step} to {last.step}: {ends} (95 % intervals over the problems). {crossed}"]


def _resampled(looks: Sequence[Look], kind: str, ids: Sequence[str], ks: Ints) -> list[Resampled]:
    return resample([_by_problem(look, kind, ids, ks) for look in looks], [ks] * len(looks))


def _by_problem(look: Look, kind: str, ids: Sequence[str], ks: Ints) -> Floats:
    right = np.array([look.right[kind][question] for question in ids], dtype=np.int64)
    return pass_at_ks(np.full(len(ids), look.samples, dtype=np.int64), right, ks)
