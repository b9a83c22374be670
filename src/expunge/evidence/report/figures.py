"""Figures of a report: losses, attack and skill at a glance, and the method's view of its own progress.

Arrays and rows flow in, figures or inline SVG flow out; every figure also says in words what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from expunge.evidence.report.canvas import FORGET, GRID, INK, MUTED, PALETTE, REPORTING, TARGET, drawing, panels, svg
from expunge.evidence.report.data import Array, ModelView, ProbePoint, ReportData
from expunge.evidence.report.measured import Measured
from expunge.evidence.report.tables import by_key
from expunge.types import AuditRow

BINS = 36
ACROSS = 3  # panels in a row
GLANCE = (
    ("mia_auroc", "forget-vs-reporting", "Attack: erased against never seen"),
    ("accuracy", "forget", "Right answers: erased"),
    ("accuracy", "retain", "Right answers: staying"),
    ("accuracy", "reporting", "Right answers: never seen"),
)
PROBE_NAMES = {"auroc": "attack on a sample (AUROC)", "target": "target"}
Side = tuple[str, Mapping[tuple[str, str], AuditRow], str, str]


def models(data: ReportData) -> Mapping[str, ModelView]:
    """The models of a report, by what the reader calls them."""
    found = {"Before": data.before, "After": data.after}
    return found if data.reference is None else found | {"Retrained reference": data.reference}


def loss_figure(data: ReportData) -> Markup:
    """Loss distributions of forget pictures and reporting non-members, per model (DLFD paper, figure 5)."""
    views = models(data)
    with drawing():
        return svg(loss_panels(views), name="loss", label=loss_words(views))


def loss_panels(views: Mapping[str, ModelView]) -> Figure:
    """The same for any models, a panel each, under what the reader calls them."""
    every = [finite(a) for v in views.values() for a in (v.forget_losses, v.reporting_losses)]
    # the far tail holds few pictures and would squeeze everything else
    top = max((float(np.quantile(a, 0.99)) for a in every if len(a)), default=1.0)
    figure, axes = panels(len(views), share=True, across=ACROSS)
    for axis, (title, view) in zip(axes, views.items(), strict=True):
        _losses(axis, view, np.linspace(0, max(top, 1e-3), BINS))
        axis.set_title(title)
    for axis in axes[::ACROSS]:
        axis.set_ylabel("share of pictures, %")
    # a broken model has no losses to label
    labelled = next((axis for axis in axes if axis.get_legend_handles_labels()[0]), None)
    if labelled is not None:
        labelled.legend(loc="upper right", fontsize=8)
    return figure


def finite(values: Array) -> Array:
    """The numbers among `values`, as float64."""
    numbers = np.asarray(values, dtype=np.float64).ravel()
    return numbers[np.isfinite(numbers)]


def _losses(axis: Axes, view: ModelView, bins: Array) -> None:
    sides = ((view.reporting_losses, REPORTING, "never seen", "-"), (view.forget_losses, FORGET, "erased", "--"))
    for values, colour, label, dashes in sides:
        losses = np.minimum(finite(values), bins[-1])
        if not len(losses):
            continue
        counts, edges = np.histogram(losses, bins)
        axis.stairs(100 * counts / len(losses), edges, fill=True, color=colour, alpha=0.16)
        axis.stairs(100 * counts / len(losses), edges, color=colour, linewidth=1.5, linestyle=dashes, label=label)
        axis.axvline(float(np.median(losses)), color=colour, linewidth=0.9, linestyle=dashes)
    axis.set_xlabel("loss, nats")
    axis.grid(axis="y", color=GRID, linewidth=0.6)


def loss_words(views: Mapping[str, ModelView]) -> str:
    """The loss figure in words: medians."""
    parts = []
    for title, view in views.items():
        medians = [finite(a) for a in (view.forget_losses, view.reporting_losses)]
        erased, unseen = (f"{np.median(m):.2f}" if len(m) else "unknown" for m in medians)
        parts.append(f"{title}: median loss {erased} on erased, {unseen} on never-seen pictures")
    return "Histograms of losses. " + "; ".join(parts) + "."


def glance_figure(data: Measured) -> Markup | None:
    """Attack and accuracies before, after and at the references, with intervals; None where nothing can be shown."""
    tables = _sides(data)
    lines = [line for line in GLANCE if any(_has(rows.get(line[:2])) for _, rows, _, _ in tables)]
    if not lines:
        return None
    with drawing():
        figure, (axis,) = panels(1, height=0.9 + 0.55 * len(lines))
        for place, line in enumerate(lines):
            for offset, (_, rows, colour, marker) in zip(np.linspace(-0.25, 0.25, len(tables)), tables, strict=True):
                _interval(axis, rows.get(line[:2]), place + float(offset), colour, marker)
        _glance_axes(axis, [line[2] for line in lines], list({side[0]: side for side in tables}.values()))
        words = "Values and 95 % intervals of the main measures; the table below has them all."
        return svg(figure, name="glance", label=words)


def _sides(data: Measured) -> list[Side]:
    sides: list[Side] = [("Before", by_key(data.rows_before), MUTED, "s")] if data.rows_before else []
    sides.append(("After", by_key(data.rows_after), FORGET, "o"))
    return sides + [("Retrained reference", by_key(rows), REPORTING, "D") for rows in data.rows_references]


def _has(row: AuditRow | None) -> bool:
    return row is not None and row.value is not None


def _interval(axis: Axes, row: AuditRow | None, y: float, colour: str, marker: str) -> None:
    if row is None or row.value is None:
        return
    if row.low is not None and row.high is not None:
        axis.plot([row.low, row.high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
    axis.plot([row.value], [y], color=colour, marker=marker, markersize=5)


def _glance_axes(axis: Axes, titles: Sequence[str], sides: Sequence[Side]) -> None:
    axis.set_yticks(range(len(titles)), titles, color=INK)
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.grid(axis="x", color=GRID, linewidth=0.6)
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("0 to 1; for the attack, 0.5 is guessing")
    handles = [Line2D([], [], color=c, marker=m, markersize=5, label=label) for label, _, c, m in sides]
    axis.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3, fontsize=8)


def probe_figure(data: ReportData) -> Markup | None:
    """What the method saw of its own progress, against its target; None where it never looked."""
    phases = list(dict.fromkeys(point.phase for point in data.probes))
    if not phases:
        return None
    with drawing():
        figure, axes = panels(len(phases), height=2.6)
        for axis, phase in zip(axes, phases, strict=True):
            _progress(axis, [point for point in data.probes if point.phase == phase])
            axis.set_title(f"Phase: {phase[:40]}")
        return svg(figure, name="progress", label=probe_words(data.probes))


def _progress(axis: Axes, points: Sequence[ProbePoint]) -> None:
    names = dict.fromkeys(name for point in points for name in point.values)
    # the gap is what lies between the two curves that are drawn
    for place, name in enumerate(name for name in names if name != "gap" or "target" not in names):
        seen = [(point.step, point.values[name]) for point in points if name in point.values]
        colour, look = (TARGET, "--") if name == "target" else (PALETTE[place % len(PALETTE)], "o-")
        axis.plot(*np.array(seen).T, look, color=colour, markersize=3, label=PROBE_NAMES.get(name, name[:40]))
    axis.set_xlabel("step")
    axis.grid(axis="y", color=GRID, linewidth=0.6)
    axis.legend(fontsize=8)


def probe_words(probes: Sequence[ProbePoint]) -> str:
    """The progress figure in words: first and last look."""
    first, last = probes[0].values, probes[-1].values
    parts = [f"{PROBE_NAMES.get(n, n)} {first[n]:.3f} at first, {last[n]:.3f} at last" for n in last if n in first]
    return f"Progress of the method over {len(probes)} looks: " + "; ".join(parts) + "."
