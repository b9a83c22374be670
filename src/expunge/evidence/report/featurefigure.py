"""The feature map as a figure: one panel a model, coloured by class (DLFD paper, figures 2 and 4).

Features and class indices flow in, a figure or inline SVG flows out. Class names come from users and are drawn as
plain text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from expunge.evidence.report.canvas import GRID, INK, MARKERS, PALETTE, drawing, panels, svg
from expunge.evidence.report.data import Array, ReportData
from expunge.evidence.report.projection import Projection, feature_maps

NAMED_CLASSES = 16
ACROSS = 3  # panels in a row


@dataclass(frozen=True)
class MapKey:
    """What the points of a feature map stand for.

    Args:
        classes: int [s], class of each picture.
        forget: bool [s], which of them are forget pictures.
        names: of the classes.
    """

    classes: Array
    forget: Array
    names: Sequence[str]

    def at(self, chosen: Array) -> MapKey:
        """The same for some of the pictures."""
        return replace(self, classes=self.classes[chosen], forget=self.forget[chosen])

    def look(self, klass: int) -> tuple[str, str]:
        """Colour and marker of a class: never told by colour alone."""
        return PALETTE[klass % len(PALETTE)], MARKERS[klass % len(MARKERS)]


def feature_figure(data: ReportData) -> Markup | None:
    """2-D map of the same pictures before and after; None where features were not recorded."""
    before, after, classes = data.before.features, data.after.features, data.feature_classes
    if before is None or after is None or classes is None or len(classes) < 3:
        return None
    forget = np.zeros(len(classes), bool) if data.feature_forget is None else np.asarray(data.feature_forget, bool)
    with drawing():
        key = MapKey(np.asarray(classes), forget, data.class_names)
        figure, count = feature_panels({"Before": before, "After": after}, key)
        words = f"Maps of what the model sees in {count} pictures, before and after, coloured by class."
        return svg(figure, name="map", label=words)


def feature_panels(
    features: Mapping[str, Array], key: MapKey, *, projection: Projection = "report"
) -> tuple[Figure, int]:
    """One map of several models, a panel each, and how many pictures it shows.

    Args:
        features: of the same s pictures, float [s, d], by what the reader calls the model.
        key: what the points stand for.
        projection: as in `feature_maps`.
    """
    maps, chosen = feature_maps(list(features.values()), projection)
    shown = key.at(chosen)
    across = min(len(maps), ACROSS)
    figure, axes = panels(len(maps), height=8.2 / across, share=True, across=across)
    for axis, title, points in zip(axes, features, maps, strict=True):
        _cloud(axis, points, shown)
        axis.set_title(title)
    figure.legend(handles=_legend(shown), loc="outside lower center", ncols=6, fontsize=8)
    return figure, len(chosen)


def _cloud(axis: Axes, points: Array, key: MapKey) -> None:
    for klass in np.unique(key.classes):
        colour, marker = key.look(int(klass))
        mine = key.classes == klass
        rest, erased = points[mine & ~key.forget], points[mine & key.forget]
        axis.plot(*rest.T, linestyle="", marker=marker, markersize=3, color=colour, alpha=0.55, mew=0)
        axis.plot(*erased.T, linestyle="", marker=marker, markersize=4.6, color=colour, mec=INK, mew=0.8)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(True)
    axis.spines[:].set_color(GRID)


def _legend(key: MapKey) -> list[Line2D]:
    present = [int(klass) for klass in np.unique(key.classes)][:NAMED_CLASSES]
    names = {k: key.names[k] if k < len(key.names) else f"class {k}" for k in present}
    handles = [_dot(*key.look(klass), label=name[:24]) for klass, name in names.items()]
    return [*handles, _dot("white", "o", label="erased picture (outlined)", edge=INK)] if key.forget.any() else handles


def _dot(colour: str, marker: str, *, label: str, edge: str = "none") -> Line2D:
    return Line2D([], [], linestyle="", color=colour, marker=marker, markersize=5, markeredgecolor=edge, label=label)
