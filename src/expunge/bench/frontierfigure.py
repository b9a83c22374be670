"""The figure of a bench table: what each method trades, accuracy against attack and cost against distance.

A table flows in, the text of an SVG file flows out. The frontiers are of the values drawn, without their intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullLocator

from expunge.bench.cells import BenchTable
from expunge.bench.jobs import ORIGINAL
from expunge.bench.measured import FLOOR, RETRAINED
from expunge.evidence.report.canvas import INK, MUTED, drawing, look, panels, svg_file

Pair = tuple[float, float]
Looks = Mapping[str, tuple[str, str]]  # colour and marker by method
AT = ("mia_auroc", "accuracy_reporting")
LABEL = (
    "Two panels, one point a method. Left: accuracy on reporting pictures over MIA AUROC, with the retrained models as "
    "a diamond in a square as large as the retrain floor d; what lies beyond the panel is drawn at its edge. Right: "
    "d_all over the time that the method takes, as a share of retraining, both logarithmic, with the floor as a dotted "
    "line. Filled points are on the frontier of their panel: no other method is at least as good in both."
)
# how far the panel on the left reaches, in gaps of the original, and at the least
ROOM, LEAST = 1.3, 0.03


@dataclass(frozen=True)
class Point:
    """One method in one panel.

    Args:
        x, y: where it is. badness: what is less when it is better, in both directions.
    """

    x: float
    y: float
    badness: Pair


def frontier(points: Mapping[str, Point]) -> tuple[str, ...]:
    """Names of points than which no other is at least as good in both directions, and better in one.

    Example:
        >>> frontier({"a": Point(0, 0, (1, 2)), "b": Point(0, 0, (2, 1)), "c": Point(0, 0, (2, 2))})
        ('a', 'b')
    """

    def beaten(mine: Point) -> bool:
        return any(
            other.badness != mine.badness and all(o <= m for o, m in zip(other.badness, mine.badness, strict=True))
            for other in points.values()
        )

    return tuple(name for name, point in points.items() if not beaten(point))


def has_frontiers(table: BenchTable) -> bool:
    """Whether there is anything to draw: retrained models, and methods to hold against them."""
    return bool(_trades(table))


def frontier_figure(table: BenchTable) -> str:
    """The figure as an SVG file.

    Args:
        table: for which `has_frontiers` says yes.
    """
    names = [row.name for row in table.rows if row.kind == "method"]
    looks = {name: look(number) for number, name in enumerate(names)}
    with drawing():
        figure, (left, right) = panels(2, height=4.6)
        _trade(left, table, looks)
        _costs(right, table, looks)
        handles, shown = left.get_legend_handles_labels()
        figure.legend(handles, shown, loc="outside lower center", ncols=4, fontsize=8)
        return svg_file(figure, label=LABEL)


def _trade(axis: Axes, table: BenchTable, looks: Looks) -> None:
    target, before = _pair(table, RETRAINED, *AT), _pair(table, ORIGINAL, *AT)
    assert target is not None, "has_frontiers says so"
    if floor := _value(table, FLOOR, "distance"):
        corner = target[0] - floor, target[1] - floor
        axis.add_patch(Rectangle(corner, 2 * floor, 2 * floor, fill=False, edgecolor=MUTED, linestyle=":"))
    reach = max(LEAST, ROOM * max(_gaps(before, target))) if before else LEAST
    _scatter(axis, {name: _inside(point, target, reach) for name, point in _trades(table).items()}, looks)
    if before:
        axis.plot(*before, label=ORIGINAL, color=MUTED, marker="+", markersize=9, linestyle="none")
    axis.plot(*target, label=RETRAINED, color=INK, marker="D", markersize=7, linestyle="none")
    axis.margins(0.08)
    axis.set_title("Accuracy against attack")
    axis.set_xlabel("MIA AUROC, forget against reporting")
    axis.set_ylabel("accuracy, reporting")


def _costs(axis: Axes, table: BenchTable, looks: Looks) -> None:
    found = {row.name: _pair(table, row.name, "speed_up", "distance_all") for row in table.rows if row.kind == "method"}
    placed = {name: (1 / pair[0], pair[1]) for name, pair in found.items() if pair and pair[0] > 0}
    points = {name: Point(*pair, badness=pair) for name, pair in placed.items()}
    if floor := _value(table, FLOOR, "distance_all"):
        axis.axhline(floor, color=MUTED, linestyle=":", linewidth=1.0)
    steps = sorted(placed[name] for name in frontier(points))
    axis.step([x for x, _ in steps], [y for _, y in steps], where="post", color=MUTED, linewidth=0.8)
    _scatter(axis, points, looks)
    axis.set_xscale("log")
    axis.set_yscale("log")
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
        scale.set_major_formatter("{x:g}")
        scale.set_minor_locator(NullLocator())
    axis.set_title("Distance against cost")
    axis.set_xlabel("time, as a share of retraining")
    axis.set_ylabel("d_all")


def _scatter(axis: Axes, points: Mapping[str, Point], looks: Looks) -> None:
    best = frontier(points)
    for name, point in points.items():
        colour, marker = looks[name]
        face = colour if name in best else "none"
        axis.plot(point.x, point.y, label=name, color=colour, marker=marker, markerfacecolor=face, linestyle="none")


def _trades(table: BenchTable) -> dict[str, Point]:
    """Methods by accuracy and attack, with the gaps of each to the retrained models."""
    target = _pair(table, RETRAINED, *AT)
    found = {row.name: _pair(table, row.name, *AT) for row in table.rows if row.kind == "method"}
    return {name: Point(*pair, badness=_gaps(pair, target)) for name, pair in found.items() if pair and target}


def _gaps(one: Pair, other: Pair) -> Pair:
    return abs(one[0] - other[0]), abs(one[1] - other[1])


def _inside(point: Point, centre: Pair, reach: float) -> Point:
    """The point, moved to the edge of the panel where it lies beyond."""
    x, y = (min(max(v, c - reach), c + reach) for v, c in zip((point.x, point.y), centre, strict=True))
    return Point(x, y, point.badness)


def _pair(table: BenchTable, row: str, first: str, second: str) -> Pair | None:
    x, y = _value(table, row, first), _value(table, row, second)
    return None if x is None or y is None else (x, y)


def _value(table: BenchTable, row: str, column: str) -> float | None:
    """None where there is no such row or value."""
    return next((one.cells[column].value for one in table.rows if one.name == row and column in one.cells), None)
