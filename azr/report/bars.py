"""Before and after as paired bars with their intervals, for a page."""

from collections.abc import Sequence

import altair as alt

from azr.report.before_after import Row
from azr.report.charts import Chart, Point
from azr.report.drawing import DATA, PALETTE, finished

_WHEN = ["before", "after"]


def paired_bars(chart_id: str, title: str, caption: str, rows: Sequence[Row]) -> Chart | None:
    """The rows' shares of right answers, a pair of bars each; None where no row has any."""
    ends = [
        (row.name, when, end)
        for row in rows
        if row.right
        for when, end in zip(_WHEN, (row.right.before, row.right.after), strict=True)
    ]
    if not ends:
        return None
    values = [
        {"problems": name, "when": when, "value": end.value, "low": end.low, "high": end.high}
        for name, when, end in ends
    ]
    told = [alt.Tooltip(f"{name}:Q", format=".1%") for name in ("value", "low", "high")]
    base = alt.Chart(DATA).encode(
        alt.Y("problems:N", title=None, sort=None, axis=alt.Axis(labelLimit=150)),
        alt.YOffset("when:N", sort=_WHEN),
        tooltip=["problems:N", "when:N", *told],
    )
    scale, legend = alt.Scale(domain=_WHEN, range=[PALETTE[7], PALETTE[0]]), alt.Legend(orient="top")
    colour = alt.Color("when:N", title=None, scale=scale, legend=legend)
    bars = base.mark_bar().encode(alt.X("value:Q", title=None, axis=alt.Axis(format=".0%")), colour)
    spans = base.mark_rule(strokeWidth=1.5, color="currentColor").encode(alt.X("low:Q"), alt.X2("high:Q"))
    spec = finished(alt.layer(bars, spans), values, height=22 * len(ends) + 10)
    points = tuple(Point(when, 0, name, end.value) for name, when, end in ends)
    return Chart(chart_id, title, caption, "%", points, spec, rows_are="problems")
