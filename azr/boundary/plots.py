"""The study's plots, as Vega-Lite specifications made with Altair: numbers and names; figures.py has the words.

`colours` gives each line's name its colour, in the legend's order.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from azr.boundary.accuracy import BINS, Moves
from azr.boundary.course import Interval
from azr.boundary.curves import Crossing, Curve, Ints
from azr.boundary.perplexity import PERCENTS, Perplexities
from azr.boundary.solved import Overlap
from azr.report.drawing import DATA, PALETTE, field_name, finished

Spec = dict[str, Any]
Lines = Sequence[tuple[str, Curve]]

FEW_LINES = 3  # whose bands may be strong without hiding one another
DRAWN_EACH = 32  # k that are drawn one by one; beyond, PER_DOUBLING of each doubling
PER_DOUBLING = 24
LANE = 16  # pixels
PARTS = ("both", "only the first", "only the other", "neither")

_SHARES = alt.Axis(format=".0%")
_STROKES = alt.Legend(orient="top", symbolType="stroke", symbolOpacity=1, columns=2, columnPadding=18, labelLimit=160)
_SQUARES = alt.Legend(orient="top", symbolType="square", symbolOpacity=1, columns=2, columnPadding=18, labelLimit=160)
_STEPS = alt.X("step:Q", title="step", axis=alt.Axis(format="d", tickMinStep=1), scale=alt.Scale(nice=False))
_TICK_STEPS = ((1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), tuple(tenths / 10 for tenths in range(10, 100)))
_PART_COLOURS = [PALETTE[2], PALETTE[0], PALETTE[1], PALETTE[7]]


def curve_plot(lines: Lines, colours: Mapping[str, str], dashed: Sequence[str] = ()) -> Spec:
    """Shares against k, which doubles from tick to tick, with their bands; pointing at a k tells every value there."""
    rows = [row for name, curve in lines for row in _points(name, curve)]
    last = _last_k(lines)
    base = alt.Chart(DATA).encode(_k_axis(last), _colour(colours, _STROKES))
    share = alt.Y("value:Q", title=None, axis=_SHARES, scale=alt.Scale(zero=False))
    dash = alt.condition(alt.FieldOneOfPredicate("side", list(dashed)), alt.value([6, 4]), alt.value([1, 0]))
    layers = [
        _bands(base, len(lines)),
        base.mark_line(strokeWidth=2).encode(share, strokeDash=dash),
    ]
    if last <= DRAWN_EACH:
        layers.append(base.mark_point(filled=True, size=36, opacity=1).encode(share))
    return finished(alt.layer(*layers, _pointer([name for name, _ in lines])), rows, height=320)


def difference_plot(lines: Lines, crossings: Mapping[str, Crossing], colours: Mapping[str, str]) -> Spec:
    """Differences of shares against k around zero; a dot where a pair's curves cross, a bar for its interval.

    The bar lies on the line at zero; of several pairs each has a lane of its own below the curves.
    """
    rows = [row for name, curve in lines for row in _points(name, curve)]
    last = _last_k(lines)
    found = [(name, crossing) for name, crossing in crossings.items() if crossing.k is not None]
    lanes = _lanes(lines, len(found)) if len(lines) > 1 else [0.0]
    crossed = [_crossing_row(name, crossing, lane) for (name, crossing), lane in zip(found, lanes, strict=False)]
    colour = _colour(colours, _STROKES)
    base = alt.Chart(DATA).transform_filter("isValid(datum.value)").encode(_k_axis(last), colour)
    value = alt.Y("value:Q", title=None, axis=_SHARES)
    layers = [
        alt.Chart(alt.InlineData([{}])).mark_rule(color="currentColor", opacity=0.5).encode(y=alt.datum(0)),
        _bands(base, len(lines)),
        base.mark_line(strokeWidth=2).encode(value),
    ]
    if last <= DRAWN_EACH:
        layers.append(base.mark_point(filled=True, size=36, opacity=1).encode(value))
    if crossed:
        layers += _crossing_marks(colour)
    height = 260 + (LANE * len(crossed) if len(lines) > 1 else 0)
    return finished(alt.layer(*layers, _pointer([n for n, _ in lines], sign="+")), [*rows, *crossed], height)


def solved_plot(overlaps: Mapping[str, Overlap]) -> Spec:
    """A bar for each pair: problems that both solve, one alone, neither (PARTS)."""
    rows = [
        {"pair": pair, "part": part, "problems": count, "order": order}
        for pair, sets in overlaps.items()
        for order, (part, count) in enumerate(zip(PARTS, part_sizes(sets), strict=True))
    ]
    legend = alt.Scale(domain=list(PARTS), range=_PART_COLOURS)
    bars = (
        alt.Chart(DATA)
        .mark_bar(height=26)
        .encode(
            alt.X(
                "problems:Q", title="problems", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(nice=False)
            ),
            alt.Y("pair:N", title=None, sort=None, axis=alt.Axis(labelLimit=110)),
            alt.Color("part:N", title=None, scale=legend, legend=_SQUARES),
            alt.Order("order:Q"),
            tooltip=["pair:N", "part:N", "problems:Q"],
        )
    )
    return finished(alt.layer(bars), rows, height=40 + 36 * len(overlaps))


def part_sizes(sets: Overlap) -> list[int]:
    """How many problems are in each of PARTS."""
    return [len(ids) for ids in (sets.both, sets.only_first, sets.only_second, sets.neither)]


def accuracy_plot(histograms: Mapping[str, Sequence[int]], colours: Mapping[str, str]) -> Spec:
    """Bars, the sides next to each other: how many problems have which share of right samples."""
    rows = [
        {"share": name, "side": side, "problems": count}
        for side, counts in histograms.items()
        for name, count in zip(BINS, counts, strict=True)
    ]
    bars = (
        alt.Chart(DATA)
        .mark_bar()
        .encode(
            alt.X("share:N", title="right samples of a problem", sort=list(BINS), axis=alt.Axis(labelAngle=-45)),
            alt.Y("problems:Q", title=None, axis=alt.Axis(tickMinStep=1, format="d")),
            _colour(colours, _SQUARES),
            alt.XOffset("side:N", sort=list(histograms)),
            tooltip=["side:N", "share:N", "problems:Q"],
        )
    )
    return finished(alt.layer(bars), rows, height=260)


def moves_plot(moves: Moves, first: str, second: str, colour: str) -> Spec:
    """Circles by both sides' share of right samples; on the dashed line nothing moved. Low shares get more room."""
    rows = [{"first": a, "second": b, "problems": count} for a, b, count in moves.cells]
    ticks = alt.Axis(format=".0%", values=[0, 0.05, 0.2, 0.4, 0.6, 1], offset=12)  # beside the largest circle at 0
    stretched = alt.Scale(type="sqrt", domain=[0, 1])
    circles = (
        alt.Chart(DATA)
        .mark_circle(opacity=0.7, color=colour)
        .encode(
            alt.X("first:Q", title=first, axis=ticks, scale=stretched),
            alt.Y("second:Q", title=second, axis=ticks, scale=stretched),
            alt.Size("problems:Q", legend=None, scale=alt.Scale(range=[18, 500])),
            tooltip=[
                alt.Tooltip("first:Q", title=first, format=".1%"),
                alt.Tooltip("second:Q", title=second, format=".1%"),
                "problems:Q",
            ],
        )
    )
    diagonal = (
        alt.Chart(alt.InlineData([{"at": 0}, {"at": 1}]))
        .mark_line(color="currentColor", opacity=0.4, strokeDash=[4, 4], strokeWidth=1)
        .encode(alt.X("at:Q"), alt.Y("at:Q"))
    )
    return finished(alt.layer(diagonal, circles), rows, height=320)


def course_plot(steps: Sequence[int], lines: Sequence[tuple[str, Sequence[Interval]]]) -> Spec:
    """Shares with their bands against a run's steps."""
    rows = [
        {"line": name, "step": step, "value": value, "low": low, "high": high}
        for name, values in lines
        for step, (value, low, high) in zip(steps, values, strict=True)
    ]
    names = [name for name, _ in lines]
    colour = alt.Color("line:N", title=None, scale=alt.Scale(domain=names, range=PALETTE), legend=_STROKES)
    base = alt.Chart(DATA).encode(_STEPS, colour)
    share = alt.Y("value:Q", title=None, axis=_SHARES)
    tooltip = ["line:N", "step:Q", *(alt.Tooltip(f"{part}:Q", format=".1%") for part in ("value", "low", "high"))]
    return finished(
        alt.layer(
            _bands(base, len(lines)),
            base.mark_line(strokeWidth=2).encode(share),
            base.mark_point(filled=True, size=48, opacity=1).encode(share, tooltip=tooltip),
        ),
        rows,
        height=260,
    )


def entropy_plot(points: Sequence[tuple[int, float]]) -> Spec:
    """Nats a token against a run's steps."""
    base = alt.Chart(DATA).encode(_STEPS, alt.Y("nats:Q", title="nats a token"))
    layers = [
        base.mark_line(strokeWidth=2, color=PALETTE[0]),
        base.mark_point(filled=True, size=48, opacity=1, color=PALETTE[0]).encode(
            tooltip=["step:Q", alt.Tooltip("nats:Q", format=".3f")]
        ),
    ]
    return finished(alt.layer(*layers), [{"step": step, "nats": nats} for step, nats in points], height=200)


def perplexity_plot(found: Sequence[Perplexities], colours: Mapping[str, str]) -> Spec:
    """For each kind of answers a bar a model: the middle half and the median; the line holds nine of ten."""
    rows = [{"of": one.of, "side": one.under, **{f"p{p}": one.at(p) for p in PERCENTS}} for one in found]
    kinds = len({one.of for one in found})
    offset = alt.YOffset("side:N", sort=list(colours), scale=alt.Scale(domain=list(colours), paddingOuter=0.3))
    base = alt.Chart(DATA).encode(
        alt.Y("of:N", title="answers of", sort=None, axis=alt.Axis(labelLimit=110)), offset, _colour(colours, _SQUARES)
    )
    low, high = min(one.at(PERCENTS[0]) for one in found), max(one.at(PERCENTS[-1]) for one in found)
    across = alt.Scale(type="log", domain=[low / 1.1, high * 1.1], nice=False)
    axis = alt.Axis(format="~g", labelOverlap="greedy", labelSeparation=8, values=_log_ticks(low / 1.1, high * 1.1))
    tooltip = ["of:N", "side:N", *(alt.Tooltip(f"p{p}:Q", title=f"{p} %", format=".3g") for p in PERCENTS)]

    def at(name: str) -> alt.X:
        return alt.X(f"{name}:Q", title="perplexity", scale=across, axis=axis)

    layers = [
        base.mark_rule(strokeWidth=2, opacity=0.7).encode(at("p5"), alt.X2("p95:Q")),
        base.mark_bar(height=12, opacity=0.7).encode(at("p25"), alt.X2("p75:Q"), tooltip=tooltip),
        base.mark_tick(thickness=3, height=16, color="currentColor").encode(at("p50"), color=alt.value("currentColor")),
    ]
    return finished(alt.layer(*layers), rows, height=40 + kinds * (14 + 20 * len(colours)))


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between the two, three or more where they are not too close: 1, 2, 5, 10 …, or finer ones."""
    ticks: list[float] = []
    for steps in _TICK_STEPS:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]
        if len(ticks) > 2:
            break
    return ticks


def _bands(base: alt.Chart, lines: int) -> alt.Chart:
    """The intervals around lines; many of them are drawn fainter, since they lie on each other."""
    faint = base.mark_area(opacity=0.16 if lines <= FEW_LINES else 0.08)
    return faint.encode(alt.Y("low:Q", title=None, axis=_SHARES), alt.Y2("high:Q"))


def _lanes(lines: Lines, count: int) -> list[float]:
    """Heights below everything that is drawn, LANE pixels apart where the rest is some 260 high."""
    foot = min(0.0, *(float(curve.low.min()) for _, curve in lines))
    top = max(0.0, *(float(curve.high.max()) for _, curve in lines))
    return [foot - (number + 1) * (top - foot) * LANE / 260 for number in range(count)]


def _crossing_row(name: str, crossing: Crossing, lane: float) -> Spec:
    """A crossing and its interval, which ends with the curves where it goes on beyond them."""
    end = crossing.last if crossing.high is None else crossing.high
    return {"side": name, "k": crossing.k, "start": crossing.low, "end": end, "lane": lane}


def _crossing_marks(colour: alt.Color) -> list[alt.Chart]:
    base = alt.Chart(DATA).transform_filter("isValid(datum.lane)").encode(colour)
    bar, dot = base.mark_rule(strokeWidth=6, opacity=0.5, strokeCap="round"), base.mark_point(filled=True, opacity=1)
    lane, place = alt.Y("lane:Q", title=None), alt.X("k:Q", title="k")
    return [
        bar.encode(alt.X("start:Q", title="k"), alt.X2("end:Q"), lane),
        dot.encode(place, lane, size=alt.value(60)),
        dot.encode(place, y=alt.datum(0), size=alt.value(110)),
    ]


def _k_axis(last: int) -> alt.X:
    ticks = [2**i for i in range(last.bit_length())]
    scale = alt.Scale(type="log", base=2, domain=[1, max(last, 2)], nice=False)
    return alt.X(
        "k:Q", title="k", scale=scale, axis=alt.Axis(values=ticks, format="d", labelOverlap="greedy", labelSeparation=8)
    )


def _colour(colours: Mapping[str, str], legend: alt.Legend) -> alt.Color:
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color("side:N", title=None, scale=scale, legend=legend if len(colours) > 1 else None)


def _points(name: str, curve: Curve) -> list[Spec]:
    """The curve's values to five digits, at the k that are drawn."""
    return [
        {
            "side": name,
            "k": int(curve.ks[i]),
            **{part: float(f"{getattr(curve, part)[i]:.5g}") for part in ("value", "low", "high")},
        }
        for i in _drawn(curve.ks)
    ]


def _drawn(ks: Ints) -> list[int]:
    """The columns of the k that are drawn; both ends are among them."""
    last = int(ks[-1])
    doublings = max(0.0, np.log2(last / DRAWN_EACH))
    sparse = DRAWN_EACH * 2.0 ** np.linspace(0, doublings, int(PER_DOUBLING * doublings) + 1)
    columns = np.searchsorted(ks, np.minimum(np.round(sparse), last))
    return sorted({*range(min(DRAWN_EACH, len(ks))), *(int(column) for column in columns), len(ks) - 1})


def _last_k(lines: Lines) -> int:
    return max(int(curve.ks[-1]) for _, curve in lines)


def _pointer(names: Sequence[str], sign: str = "") -> alt.Chart:
    """A rule at the k nearest to the pointer, with every line's value there as its tooltip."""
    nearest = alt.selection_point(nearest=True, on="pointerover", clear="pointerout", fields=["k"], empty=False)
    fields = [alt.Tooltip(field=field_name(n), type="quantitative", format=f"{sign}.1%", title=n) for n in names]
    return (
        alt.Chart(DATA)
        .transform_filter("isValid(datum.value)")
        .transform_pivot("side", value="value", groupby=["k"])
        .mark_rule(strokeWidth=1, color="currentColor", aria=False)
        .encode(
            alt.X("k:Q", title="k"),
            opacity=alt.condition(nearest, alt.value(0.5), alt.value(0)),
            tooltip=[alt.Tooltip("k:Q", format="d"), *fields],
        )
        .add_params(nearest)
    )
