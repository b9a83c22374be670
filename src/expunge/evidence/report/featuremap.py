"""The map of features by class, before and after (figures 2 and 4 of Choi and Na, AAAI 2025).

Arrays of a report flow in, one SVG with its legend flows out. No class name enters the SVG: the legend is HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from expunge.errors import InputError
from expunge.evidence.report.data import Array, ReportData
from expunge.evidence.report.projection import method_name, plane, sample_rows
from expunge.evidence.report.svg import INK, new_figure, style, to_svg


@dataclass(frozen=True)
class Mark:
    """A colour and a shape; `outline` is the shape as an SVG path in a box of 10 by 10."""

    colour: str
    shape: str
    outline: str


MARKS = (
    Mark("#0072B2", "o", "M1 5a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"),
    Mark("#D55E00", "s", "M1.5 1.5h7v7h-7z"),
    Mark("#009E73", "^", "M5 1L9.3 9H.7z"),
    Mark("#CC79A7", "D", "M5 .6L9.4 5L5 9.4L.6 5z"),
    Mark("#E69F00", "v", "M5 9L.7 1h8.6z"),
    Mark("#56B4E9", "P", "M3.5 1h3v2.5H9v3H6.5V9h-3V6.5H1v-3h2.5z"),
    Mark("#5b4a00", "X", "M1 3L3 1l2 2l2-2l2 2l-2 2l2 2l-2 2l-2-2l-2 2l-2-2l2-2z"),
    Mark("#332288", "<", "M1 5L9 .7v8.6z"),
    Mark("#882255", ">", "M9 5L1 .7v8.6z"),
)
OTHER = Mark("#8a9199", ".", "M3 5a2 2 0 1 0 4 0a2 2 0 1 0-4 0z")


@dataclass(frozen=True)
class FeatureMap:
    """The drawn map, and what its marks mean: (name, mark) in the order of the legend."""

    svg: Markup
    legend: tuple[tuple[str, Mark], ...]
    points: int
    total: int
    method: str
    forget_marked: bool


def feature_map(data: ReportData) -> FeatureMap | str:
    """Features of the same pictures in each model, side by side; a sentence where they cannot be drawn.

    Raises:
        InputError: features, classes and marks of the report do not belong to the same pictures.
    """
    views = (("Before", data.before), ("After", data.after), ("Retrained reference", data.reference))
    found = [(name, view.features) for name, view in views if view is not None and view.features is not None]
    if data.feature_classes is None or not found:
        return "No features were recorded in this run."
    _check(data, [features for _, features in found])
    bad = [name for name, features in found if not np.isfinite(features).all()]
    if bad:
        return f"The features of some models are not finite numbers ({', '.join(bad)}): no map can be drawn of them."
    forget = None if data.feature_forget is None else np.asarray(data.feature_forget, dtype=bool)
    rows = sample_rows(len(data.feature_classes), forget=forget)
    if len(rows) < 3:
        return "Too few pictures for a map."
    kinds, legend = _kinds(np.asarray(data.feature_classes)[rows], data.class_names)
    placed = plane([features[rows] for _, features in found])
    inside = np.zeros(len(rows), dtype=bool) if forget is None else forget[rows]
    svg = _draw([name for name, _ in found], placed, kinds, inside)
    return FeatureMap(svg, legend, len(rows), len(data.feature_classes), method_name(len(rows)), forget is not None)


def _check(data: ReportData, features: Sequence[Array]) -> None:
    lengths = {len(each) for each in features} | {len(data.feature_classes or ())}
    if data.feature_forget is not None:
        lengths.add(len(data.feature_forget))
    if len(lengths) > 1 or any(each.ndim != 2 for each in features):
        shapes = ", ".join(str(each.shape) for each in features)
        raise InputError("features", expected="one row for each picture in every model", came=f"{shapes}; {lengths}")


def _kinds(classes: Array, names: Sequence[str]) -> tuple[Array, tuple[tuple[str, Mark], ...]]:
    """Which mark each picture gets: one for each of the most frequent classes, one for all others."""
    values, counts = np.unique(classes, return_counts=True)
    shown = np.sort(values[np.argsort(-counts, kind="stable")][: len(MARKS)])
    kinds = np.full(len(classes), len(shown))
    for index, value in enumerate(shown):
        kinds[classes == value] = index
    named = [names[v] if 0 <= v < len(names) else f"class {v}" for v in shown.tolist()]
    legend = [(name, mark) for name, mark in zip(named, MARKS, strict=False)]
    if len(values) > len(shown):
        legend.append((f"{len(values) - len(shown)} other classes", OTHER))
    return kinds, tuple(legend)


def _draw(names: Sequence[str], placed: Sequence[Array], kinds: Array, forget: Array) -> Markup:
    with style():
        figure, panels = new_figure(9.6, 9.6 / len(names) + 0.25, columns=len(names))
        for name, panel, positions in zip(names, panels, placed, strict=True):
            _panel(panel, positions / (np.abs(positions).max() or 1.0), kinds, forget)
            panel.set_title(name)
    text = f"Pictures placed by likeness of features, one panel each: {', '.join(names).lower()}."
    return to_svg(figure, key="map", title="Map of features by class", description=text)


def _panel(panel: Axes, positions: Array, kinds: Array, forget: Array) -> None:
    for kind in np.unique(kinds).tolist():
        mark = MARKS[kind] if kind < len(MARKS) else OTHER
        for ringed in (False, True):
            at = positions[(kinds == kind) & (forget == ringed)]
            look = {"alpha": 1.0, "markeredgecolor": INK} if ringed else {"alpha": 0.5, "markeredgecolor": "none"}
            panel.plot(
                *at.T, mark.shape, color=mark.colour, markersize=4.6, markeredgewidth=0.9, zorder=2 + ringed, **look
            )
    panel.set(xticks=[], yticks=[], xlim=(-1.06, 1.06), ylim=(-1.06, 1.06), aspect="equal")
    panel.spines[["top", "right"]].set_visible(True)
