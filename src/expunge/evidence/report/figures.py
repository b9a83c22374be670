"""Charts of a report: measures at a glance, distributions of losses, and how the method stopped.

Numbers of a report flow in, SVG flows out. No name that a user chose enters a chart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from expunge.evidence.report.data import Array, ModelView, ProbePoint, ReportData
from expunge.evidence.report.svg import (
    AFTER,
    BEFORE,
    FORGET,
    GRID,
    INK,
    NEVER_SEEN,
    RETRAINED,
    SOFT,
    new_figure,
    style,
    to_svg,
)
from expunge.evidence.report.tables import by_key
from expunge.types import AuditRow

GLANCE = (
    (("mia_auroc", "forget-vs-reporting"), "Membership attack (AUROC),\nerased against never seen"),
    (("accuracy", "forget"), "Right answers,\nerased pictures"),
    (("accuracy", "reporting"), "Right answers,\nnever seen pictures"),
    (("accuracy", "retain"), "Right answers,\npictures that stay"),
)
LEAST_LOSS = 1e-4
BINS = 32


def glance_chart(data: ReportData) -> Markup | None:
    """The most important measures with their intervals, one line each: before, after, retrained."""
    before, after = by_key(data.rows_before), by_key(data.rows_after)
    chosen = [(key, label) for key, label in GLANCE if key in before and key in after]
    chosen = [(key, label) for key, label in chosen if after[key].value is not None]
    if not chosen:
        return None
    with style():
        figure, (panel,) = new_figure(9.6, 0.72 * len(chosen) + 0.6)
        for place, (key, _) in enumerate(reversed(chosen)):
            _whisker(panel, before[key], place + 0.2, BEFORE, "o", "white")
            _whisker(panel, after[key], place, AFTER, "D", AFTER)
            if after[key].reference is not None:
                _references(panel, data, key, place - 0.2)
        panel.set_yticks(range(len(chosen)), [label for _, label in reversed(chosen)])
        panel.set(xlim=(-0.02, 1.02), ylim=(-0.5, len(chosen) - 0.5), xticks=np.linspace(0, 1, 11))
        panel.grid(axis="x", color=GRID, linewidth=0.6)
        panel.tick_params(axis="y", length=0, labelcolor=INK)
        panel.spines["left"].set_visible(False)
        panel.set_axisbelow(True)
    text = "Each measure before, after and retrained, with 95 % intervals; the same numbers stand in the table below."
    return to_svg(figure, key="glance", title="Measures at a glance", description=text)


def _whisker(panel: Axes, row: AuditRow, y: float, colour: str, shape: str, fill: str) -> None:
    if row.value is None:
        return
    if row.low is not None and row.high is not None:
        panel.plot([row.low, row.high], [y, y], color=colour, linewidth=1.6, solid_capstyle="butt")
    panel.plot([row.value], [y], shape, color=colour, markerfacecolor=fill, markersize=6, markeredgewidth=1.4)


def _references(panel: Axes, data: ReportData, key: tuple[str, str], y: float) -> None:
    """One tick for each reference, so that their spread is seen as it is."""
    found = [rows[key].value for rows in map(by_key, data.rows_references) if key in rows]
    values = [value for value in found if value is not None]
    panel.plot(values, [y] * len(values), "|", color=RETRAINED, markersize=11, markeredgewidth=2.2)


def loss_chart(data: ReportData) -> Markup | str:
    """Losses of forget pictures and of non-members, one panel for each model (the paper's figure 5)."""
    views = [("Before", data.before), ("After", data.after), ("Retrained reference", data.reference)]
    shown = [(name, view) for name, view in views if view is not None]
    if any(not _finite(losses).size for _, view in shown for losses in (view.forget_losses, view.reporting_losses)):
        return "Some model answered with losses that are not numbers at all: their distribution cannot be drawn."
    edges = _edges([view for _, view in shown])
    with style():
        figure, panels = new_figure(9.6, 2.9, columns=len(shown))
        for (name, view), panel in zip(shown, panels, strict=True):
            _distribution(panel, _finite(view.forget_losses), edges, FORGET, "-", fill=True)
            _distribution(panel, _finite(view.reporting_losses), edges, NEVER_SEEN, (0, (4, 2)), fill=False)
            panel.set_title(name)
            panel.set_xscale("log")
            panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            panel.xaxis.set_minor_formatter(lambda value, _: "")
            panel.set_xlabel("loss (nats, logarithmic)")
        panels[0].set_ylabel("share of pictures")
        panels[0].yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    return to_svg(figure, key="loss", title="Distributions of losses", description=_medians(shown))


def _medians(shown: Sequence[tuple[str, ModelView]]) -> str:
    parts = [
        f"{name.lower()}: erased {np.median(_finite(view.forget_losses)):.3g}, "
        f"never seen {np.median(_finite(view.reporting_losses)):.3g}"
        for name, view in shown
    ]
    return "Median losses in nats. " + "; ".join(parts) + "."


def _finite(losses: Array) -> Array:
    values = np.asarray(losses, dtype=np.float64)
    return np.maximum(values[np.isfinite(values)], LEAST_LOSS)


def _edges(views: Sequence[ModelView]) -> Array:
    every = np.concatenate([_finite(losses) for v in views for losses in (v.forget_losses, v.reporting_losses)])
    low, high = np.log10(every.min()), np.log10(every.max())
    return np.logspace(low - 0.05, high + 0.05, BINS + 1)


def _distribution(panel: Axes, losses: Array, edges: Array, colour: str, dash: object, *, fill: bool) -> None:
    counts, _ = np.histogram(losses, edges)
    shares = counts / len(losses)
    if fill:
        panel.stairs(shares, edges, fill=True, facecolor=colour, alpha=0.28)
    panel.stairs(shares, edges, color=colour, linewidth=1.5, linestyle=dash)
    panel.axvline(float(np.median(losses)), color=colour, linewidth=1.1, linestyle=dash)


def probe_chart(probes: Sequence[ProbePoint]) -> Markup | None:
    """What the method saw of its own progress, step by step, against its target; None where it never looked.

    Differences to the target (values named `gap`) are left out: the chart shows them as distance.
    """
    names = list(dict.fromkeys(n for p in probes for n in p.values if n not in ("target", "gap")))
    if not names:
        return None
    phases = list(dict.fromkeys(point.phase for point in probes))
    with style():
        figure, panels = new_figure(9.6, 2.7, columns=len(phases))
        for phase, panel in zip(phases, panels, strict=True):
            _history(panel, [point for point in probes if point.phase == phase], names)
            panel.set_title(f"Phase {phase}")
            panel.set_xlabel("optimizer step")
    text = f"Measured values ({', '.join(names)}) over optimizer steps, beside their target."
    return to_svg(figure, key="probe", title="How the method watched its progress", description=text)


def _history(panel: Axes, points: Sequence[ProbePoint], names: Sequence[str]) -> None:
    looks = zip(names, (AFTER, FORGET, RETRAINED, BEFORE), ("o", "s", "^", "v"), strict=False)
    for name, colour, shape in looks:
        at = [(p.step, p.values[name]) for p in points if name in p.values]
        if at:
            panel.plot(*zip(*at, strict=True), shape + "-", color=colour, markersize=4, linewidth=1.4)
            panel.annotate(f" {name}", at[-1], color=colour, va="bottom", ha="right", fontweight="bold")
    target = [(p.step, p.values["target"]) for p in points if "target" in p.values]
    if target:
        panel.plot(*zip(*target, strict=True), color=INK, linewidth=1.3, linestyle=(0, (5, 3)))
        panel.annotate("target", target[0], color=INK, va="bottom", ha="left")
    panel.grid(axis="y", color=GRID, linewidth=0.6)
    panel.tick_params(labelcolor=SOFT)
