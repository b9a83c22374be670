"""The feature map as a figure: before and after, coloured by class (DLFD paper, figures 2 and 4).

Features and class indices flow in, inline SVG flows out. Class names come from users and are drawn as plain text.
"""

from __future__ import annotations

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from expunge.evidence.report.canvas import GRID, INK, MARKERS, PALETTE, drawing, panels, svg
from expunge.evidence.report.data import Array, ReportData
from expunge.evidence.report.projection import feature_maps

NAMED_CLASSES = 16


def feature_figure(data: ReportData) -> Markup | None:
    """2-D map of the same pictures before and after; None where features were not recorded."""
    before, after, classes = data.before.features, data.after.features, data.feature_classes
    if before is None or after is None or classes is None or len(classes) < 3:
        return None
    maps, chosen = feature_maps(before, after)
    forget = np.zeros(len(classes), bool) if data.feature_forget is None else np.asarray(data.feature_forget, bool)
    shown, erased = np.asarray(classes)[chosen], forget[chosen]
    with drawing():
        figure, axes = panels(2, height=4.1, share=True)
        for axis, title, points in zip(axes, ("Before", "After"), maps, strict=True):
            _cloud(axis, points, shown, erased)
            axis.set_title(title)
        handles = _legend(data, shown, erased)
        figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=8)
        words = f"Maps of what the model sees in {len(chosen)} pictures, before and after, coloured by class."
        return svg(figure, name="map", label=words)


def _look(klass: int) -> tuple[str, str]:
    return PALETTE[klass % len(PALETTE)], MARKERS[klass // len(PALETTE) % len(MARKERS)]


def _cloud(axis: Axes, points: Array, classes: Array, forget: Array) -> None:
    for klass in np.unique(classes):
        colour, marker = _look(int(klass))
        rest, erased = points[(classes == klass) & ~forget], points[(classes == klass) & forget]
        axis.plot(*rest.T, linestyle="", marker=marker, markersize=3, color=colour, alpha=0.55, mew=0)
        axis.plot(*erased.T, linestyle="", marker=marker, markersize=4.6, color=colour, mec=INK, mew=0.8)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(True)
    axis.spines[:].set_color(GRID)


def _legend(data: ReportData, classes: Array, forget: Array) -> list[Line2D]:
    present = [int(klass) for klass in np.unique(classes)][:NAMED_CLASSES]
    names = {k: data.class_names[k] if k < len(data.class_names) else f"class {k}" for k in present}
    handles = [_dot(*_look(klass), label=name[:24]) for klass, name in names.items()]
    return [*handles, _dot("white", "o", label="erased picture (outlined)", edge=INK)] if forget.any() else handles


def _dot(colour: str, marker: str, *, label: str, edge: str = "none") -> Line2D:
    return Line2D([], [], linestyle="", color=colour, marker=marker, markersize=5, markeredgecolor=edge, label=label)
