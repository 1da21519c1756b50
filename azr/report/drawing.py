"""What the plots of every page have in common: colours, how a specification is finished, and the library that draws it.

Colours hold on a light and on a dark page; axes and text take the colour of the page's own text.
"""

from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

PALETTE = ["#3d8bd4", "#e07b39", "#2fa67a", "#b565c4", "#d4a72c", "#d65c6c", "#6d7fd8", "#8a8f98"]
DATA = alt.NamedData("points")
_STACKED = {"direction": "vertical", "anchor": "start", "offset": 6}  # several legends: one above the other
TEMPLATES = Path(__file__).parent  # figure.html, figures.js and style.css, which pages share


def finished(chart: alt.LayerChart | alt.FacetChart, values: list[dict[str, Any]], height: int = 220) -> dict[str, Any]:
    """The specification, as wide as its place on the page, in the page's own colours."""
    text = {"labelColor": "currentColor", "titleColor": "currentColor", "labelFontSize": 12, "titleFontSize": 12}
    line = {"gridColor": "currentColor", "gridOpacity": 0.12, "tickColor": "currentColor", "tickOpacity": 0.4}
    configured = (
        chart.properties(width="container", height=height, background="transparent")
        .configure(font="system-ui, sans-serif", autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))
        .configure_axis(**text, **line, domain=False, labelOpacity=0.8, titleOpacity=0.8, titleFontWeight="normal")
        .configure_legend(labelColor="currentColor", labelFontSize=12, symbolStrokeWidth=3)
        .configure_view(stroke=None)
    )
    spec: dict[str, Any] = configured.to_dict()
    spec["config"]["legend"]["layout"] = {"top": _STACKED}  # Vega takes it, Altair has no name for it
    others = spec.get("datasets", {})
    return spec | {"datasets": {**others, DATA.name: values}}  # not sooner: Altair copies data with every step it takes


def field_name(key: str) -> str:
    """A field's name as Vega-Lite reads it: dots and brackets are its own syntax."""
    return key.replace("\\", "\\\\").replace(".", "\\.").replace("[", "\\[").replace("]", "\\]")


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script."""
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed")).replace("</script", "<\\/script")


def drawing_script() -> str:
    """What draws a page's figures, and hands them out as SVG and CSV where the page has buttons for that."""
    return (TEMPLATES / "figures.js").read_text(encoding="utf-8")
