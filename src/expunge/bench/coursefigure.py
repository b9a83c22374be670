"""The figure of a bench of requests in a row: how each method drifts from retraining, request after request.

Plain values of courses flow in, the text of an SVG file flows out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from expunge.bench.jobs import ORIGINAL
from expunge.bench.measured import RETRAINED
from expunge.evidence.report.canvas import INK, MUTED, drawing, look, panels, svg_file

Points = Sequence[Mapping[str, Any]]
LABEL = (
    "Three panels over the number of requests, one line a method, with the retrained models as diamonds and the "
    "original as a dotted line: accuracy on reporting pictures; AUROC of everybody erased so far; AUROC of the people "
    "of the first request."
)
PANELS: Mapping[str, Callable[[Mapping[str, Any]], float]] = {
    "Accuracy, reporting": lambda point: point["accuracy"],
    "MIA AUROC, all erased so far": lambda point: point["erased"],
    "MIA AUROC, first request": lambda point: point["each"][0],
}


def course_figure(courses: Mapping[str, Points]) -> str:
    """The figure as an SVG file.

    Args:
        courses: by name of row, as `estimates_of` tells them.
    """
    with drawing():
        figure, axes = panels(len(PANELS), height=3.6)
        for axis, (title, value) in zip(axes, PANELS.items(), strict=True):
            _draw(axis, title, value, courses)
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4)
        return svg_file(figure, label=LABEL)


def _draw(axis: Axes, title: str, value: Callable[[Mapping[str, Any]], float], courses: Mapping[str, Points]) -> None:
    methods = [name for name in courses if name not in (ORIGINAL, RETRAINED)]
    for number, name in enumerate(methods):
        colour, marker = look(number)
        axis.plot(*_line(courses[name], value), label=name, color=colour, marker=marker, markersize=3, linewidth=1.2)
    axis.plot(*_line(courses.get(ORIGINAL, ()), value), label=ORIGINAL, color=MUTED, linestyle=":", linewidth=1.2)
    axis.plot(*_line(courses.get(RETRAINED, ()), value), label=RETRAINED, color=INK, marker="D", linestyle="none")
    axis.set_title(title)
    axis.set_xlabel("requests")


def _line(points: Points, value: Callable[[Mapping[str, Any]], float]) -> tuple[list[int], list[float]]:
    return [point["request"] for point in points], [value(point) for point in points]
