"""From a matplotlib figure to SVG that stands inside a page: the same figure gives the same bytes.

Figures flow in, markup flows out. No figure of the process-wide pyplot state, and no reference outside the page.
"""

from __future__ import annotations

import io
import re
from html import escape
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, SOFT, GRID = "#1b1f24", "#4a525c", "#d5d9de"
# Okabe and Ito's palette, which people with any colour vision can tell apart; shapes and dashes repeat its meaning
FORGET, NEVER_SEEN = "#D55E00", "#0072B2"
BEFORE, AFTER, RETRAINED = "#6f7780", "#0072B2", "#00795a"
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar sign in somebody's class name is not a formula
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "text.color": INK,
    "hatch.linewidth": 0.6,
    "path.simplify": False,
}


def new_figure(width: float, height: float, *, rows: int = 1, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure of `width` by `height` inches with a grid of panels that share their axes, panels row by row."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    return figure, list(panels.flat)


def style() -> Any:
    """The look of all figures, as a context to draw in."""
    return matplotlib.rc_context(STYLE)


def to_svg(figure: Figure, *, key: str, title: str, description: str) -> Markup:
    """The figure as an `<svg>` element with a name and a description for those who cannot see it.

    Args:
        figure: made by `new_figure`, drawn inside `style()`.
        key: unique on the page; all ids inside the element begin with it.
        title, description: plain text; escaped here.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": key}):
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    body = buffer.getvalue()
    inner = body[body.index(">", body.index("<svg")) + 1 :]
    box = re.search(r'viewBox="([^"]+)"', body)
    if box is None:
        raise ValueError("matplotlib wrote an SVG without a viewBox")
    head = (
        f'<svg role="img" aria-labelledby="{key}-t {key}-d" viewBox="{box.group(1)}">'
        f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{escape(description)}</desc>'
    )
    return Markup(head + _inlined(inner, key))


def _inlined(inner: str, key: str) -> str:
    """Without metadata, with ids that are unique on the page, and no more digits than eyes can see."""
    inner = re.sub(r"<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    inner = re.sub(r"<!--.*?-->", "", inner, flags=re.DOTALL)
    inner = re.sub(r'\bid="', f'id="{key}-', inner)
    inner = re.sub(r"url\(#", f"url(#{key}-", inner)
    inner = re.sub(r'xlink:href="#', f'href="#{key}-', inner)
    inner = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag.group()), inner)
    return re.sub(r"\s*\n\s*", "\n", inner)
