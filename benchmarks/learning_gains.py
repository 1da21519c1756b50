"""What readings say: an arm before and after, one arm over another, and the figure of all. For benchmarks/learning.py.

Differences are paired by problem; their 95 % intervals resample programs (azr/evaluation/passk.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np

from azr.evaluation.benchmark import subject_of
from azr.evaluation.passk import bootstrap_interval, per_problem

NAMES = {  # the arms, in the order in which they are trained and told
    "selfplay": "self-play",
    "fixed": "fixed tasks",
    "fixed-minutes": "fixed tasks, as long",
    "labelled": "labelled",
    "rlvr": "RLVR",
    "ttrl": "TTRL",
    "ttrl-bound": "TTRL, true labels",
}
SETS = {"own": "packaged", "public": "public"}
ASKED = ("deduction", "abduction", "induction")


@dataclass(frozen=True, slots=True)
class Line:
    """A problem in a reading: `right` of `samples` answers, `repeats` of which say the question again.

    `surprise` is the sum of -log p over `tokens` sampled tokens: their quotient estimates the entropy in nats.
    """

    id: str
    type: str
    samples: int
    right: int
    repeats: int
    tokens: int
    surprise: float


@dataclass(frozen=True, slots=True)
class Change:
    """Shares of right answers, from 0 to 1, and the 95 % interval of their difference."""

    before: float
    after: float
    low: float
    high: float

    def ends(self) -> str:
        """Before and after, in per cent."""
        return f"{100 * self.before:.1f} → {100 * self.after:.1f}"

    def __str__(self) -> str:
        return f"{100 * (self.after - self.before):+.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


@dataclass(frozen=True, slots=True)
class Gain:
    """What training changed over the problems of one type: shares from 0 to 1, entropies in nats."""

    right: Change
    repeats_before: float
    repeats_after: float
    entropy_before: float
    entropy_after: float
    ever_before: float
    ever_after: float

    def row(self) -> str:
        """Cells of the table."""
        return (
            f"{100 * self.right.before:.1f} | {100 * self.right.after:.1f} | {self.right}"
            f" | {100 * self.repeats_before:.0f} → {100 * self.repeats_after:.0f}"
            f" | {self.entropy_before:.2f} → {self.entropy_after:.2f}"
            f" | {100 * self.ever_before:.1f} → {100 * self.ever_after:.1f}"
        )


def compare(before: Sequence[Line], after: Sequence[Line], kind: str) -> Gain:
    """The gain on the problems that both readings have. Raises ValueError where they have none."""
    old = {line.id: line for line in before if line.type == kind}
    new = {line.id: line for line in after if line.type == kind and line.id in old}
    if not new:
        raise ValueError(f"no {kind} problem was read before and after")
    pairs = [(old[name], line) for name, line in new.items()]
    shares = np.array([[line.right / line.samples for line in pair] for pair in pairs])
    low, high = bootstrap_interval(shares[:, 1] - shares[:, 0], subjects=[subject_of(name) for name in new])
    k = min(line.samples for pair in pairs for line in pair)
    ever = [per_problem([(pair[i].samples, pair[i].right) for pair in pairs], k).mean() for i in (0, 1)]
    repeats = [sum(p[i].repeats for p in pairs) / sum(p[i].samples for p in pairs) for i in (0, 1)]
    entropy = [sum(p[i].surprise for p in pairs) / sum(p[i].tokens for p in pairs) for i in (0, 1)]
    means = shares.mean(axis=0)
    right = Change(float(means[0]), float(means[1]), low, high)
    return Gain(right, *map(float, repeats), *map(float, entropy), *map(float, ever))


def lead(ours: Sequence[Sequence[Line]], theirs: Sequence[Sequence[Line]], kind: str) -> Change:
    """From `theirs` to `ours`, a reading for each seed: of each problem the means over the seeds are compared.

    The interval is over programs, not over seeds. Raises ValueError where no problem is in all readings.
    """
    sides = [
        [{line.id: line.right / line.samples for line in one if line.type == kind} for one in side]
        for side in (ours, theirs)
    ]
    shared = sorted(set.intersection(*(set(shares) for side in sides for shares in side)))
    if not shared:
        raise ValueError(f"no {kind} problem is in all readings")
    mine, other = (np.array([fmean(shares[name] for shares in side) for name in shared]) for side in sides)
    low, high = bootstrap_interval(mine - other, subjects=[subject_of(name) for name in shared])
    return Change(float(other.mean()), float(mine.mean()), low, high)


def figure(points: Sequence[Mapping[str, Any]]) -> str:
    """Gains with their intervals, an arm and seed a row, as SVG."""
    import altair as alt
    import vl_convert

    rows = [
        point
        | {
            "run": f"{NAMES[point['arm']]} {point['seed']}",
            "set": SETS[point["set"]],
            "gain": 100 * (point["after"] - point["before"]),
            "from": 100 * point["low"],
            "to": 100 * point["high"],
        }
        for point in map(dict, points)
    ]
    arms = list(NAMES)

    def order(row: Mapping[str, Any]) -> tuple[int, int]:
        return arms.index(row["arm"]), row["seed"]

    runs = list(dict.fromkeys(row["run"] for row in sorted(rows, key=order)))
    base = alt.Chart().encode(alt.Y("run:N", title=None, sort=runs))
    bars = base.mark_rule(strokeWidth=2).encode(alt.X("from:Q", title="points gained"), alt.X2("to:Q"))
    dots = base.mark_point(filled=True, size=60, opacity=1).encode(alt.X("gain:Q"))
    zero = alt.Chart().mark_rule(strokeDash=[3, 3]).encode(x=alt.datum(0))
    chart = alt.layer(zero, bars, dots).properties(width=260, height=140)
    row, column = alt.Row("set:N", title=None), alt.Column("asked:N", title=None, sort=list(ASKED))
    faceted = chart.facet(data=alt.Data(values=rows), row=row, column=column).properties(background="white")
    return str(vl_convert.vegalite_to_svg(faceted.to_json()))
