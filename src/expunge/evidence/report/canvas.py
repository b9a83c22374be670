"""The one place that draws: a figure flows in, SVG or PNG flows out, byte for byte the same for the same data.

No global figure state is touched, no date and no random id enters, and text stays text, so that it can be read aloud.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1b2430", "#55606e", "#e3e7ec"
FORGET, REPORTING, TARGET = "#b34700", "#0062a3", "#1b2430"
# Okabe and Ito's palette, darkened where it would not stand out from white
PALETTE = ("#0072b2", "#c96a00", "#007a5a", "#b8568f", "#3a9bd9", "#8a7a00", "#444444", "#7a3b00")
MARKERS = ("o", "^", "s", "D", "v", "P", "X", "<", ">")  # one more than colours: both repeat together late
DOTS_PER_INCH = 200  # of PNG files

STYLE: Any = {  # matplotlib's own type is a list of all its settings
    "svg.hashsalt": "expunge",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "text.color": INK,
}


@contextmanager
def drawing() -> Iterator[None]:
    """Our style while a figure is built and written; the caller's settings afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def panels(
    count: int, *, width: float = 8.6, height: float = 2.9, share: bool = False, across: int | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure with axes side by side, in rows of `across`; inches, the height being that of a row."""
    columns = min(count, across or count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width, rows * height), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share).flat)
    for axis in axes[count:]:
        axis.remove()
    if rows > 1:  # shared axes hide the numbers of all rows but the last, also above a place that is now empty
        for axis in axes[:count]:
            axis.xaxis.set_tick_params(labelbottom=True)
    return figure, axes[:count]


def look(number: int) -> tuple[str, str]:
    """Colour and marker of the series of this number: every colour once, then all again with the next marker.

    Example:
        >>> look(0) == (PALETTE[0], MARKERS[0]), look(len(PALETTE)) == (PALETTE[0], MARKERS[1])
        (True, True)
    """
    return PALETTE[number % len(PALETTE)], MARKERS[number // len(PALETTE) % len(MARKERS)]


def svg(figure: Figure, *, name: str, label: str) -> Markup:
    """A figure as one `<svg>` element with ids of its own and words for those who cannot see it.

    Args:
        figure: what to write.
        name: unique within the page; prefixes every id.
        label: what the figure shows, in a sentence or two.
    """
    text = re.sub(r'\bid="', f'id="{name}-', _printed(figure))
    text = re.sub(r'(url\(|href=")#', rf"\1#{name}-", text)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    size = re.search(r'viewBox="[^"]*"', text)
    title = f'<title id="{name}-words">{escape(label)}</title>'
    head = f'<svg role="img" aria-labelledby="{name}-words" {size.group() if size else ""}>{title}'
    return Markup(head + text[text.index(">") + 1 :])  # matplotlib escapes its own text


def svg_file(figure: Figure, *, label: str) -> str:
    """A figure as the text of an SVG file that stands alone: nothing outside it is named or needed.

    Args:
        figure: what to write.
        label: what the figure shows, for those who cannot see it.
    """
    head = f'<svg role="img" aria-label="{escape(label)}" '
    return '<?xml version="1.0" encoding="utf-8"?>\n' + _printed(figure).replace("<svg ", head, 1).rstrip() + "\n"


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    buffer = io.BytesIO()
    figure.set_dpi(DOTS_PER_INCH)
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _printed(figure: Figure) -> str:
    """The `<svg>` element as matplotlib writes it, without dates, comments and the address of a document type."""
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
