"""The over-shoot figure: how far each model's forget losses are pushed, beside what a retrained model shows.

Losses flow in, quantiles and a figure flow out. Error maximisation raises the loss on forget pictures past the loss
on pictures that were never seen, and that is as telling as a loss that stayed too low.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from expunge.evidence.report.canvas import FORGET, GRID, INK, MUTED, REPORTING, panels
from expunge.evidence.report.data import Array
from expunge.evidence.report.figures import finite

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
APART = 0.17  # of the two marks of a model from the middle of its line
FAR = 8.0  # beyond so many times what never-seen pictures show at best, a linear axis would hide the rest
LOWEST = 1e-3  # nats; what a logarithmic axis starts at


@dataclass(frozen=True)
class LossSpread:
    """Quantiles of losses, in nats; NaN where there is no loss that is a number.

    Args:
        low, lower, median, upper, high: 5 %, 25 %, 50 %, 75 % and 95 % quantile.
        n: pictures with a loss that is a number.
        left_out: pictures without.
    """

    low: float
    lower: float
    median: float
    upper: float
    high: float
    n: int
    left_out: int


@dataclass(frozen=True)
class OvershootLine:
    """One model in the figure.

    Args:
        name: what the reader calls it.
        forget, unseen: its losses on forget pictures and on reporting non-members.
        excess: its median forget loss less that of the reference (positive is an over-shoot), or None without one.
    """

    name: str
    forget: LossSpread
    unseen: LossSpread
    excess: float | None = None


def loss_spread(losses: Array) -> LossSpread:
    """Quantiles of the losses that are numbers.

    Example:
        >>> loss_spread(np.array([0.0, 1.0, 2.0, np.inf])).median
        1.0
    """
    numbers = finite(losses)
    values = np.quantile(numbers, QUANTILES) if len(numbers) else np.full(len(QUANTILES), np.nan)
    low, lower, median, upper, high = values.tolist()
    return LossSpread(low, lower, median, upper, high, len(numbers), int(np.size(losses)) - len(numbers))


def overshoot_panel(lines: Sequence[OvershootLine], *, target: str) -> Figure:
    """Median (point), middle half (thick) and 5 to 95 % (thin) of the losses of every model.

    Args:
        lines: the models, from top to bottom.
        target: name of the line whose forget losses are what all others should show.
    """
    figure, (axis,) = panels(1, height=1.4 + 0.62 * len(lines))
    goal = next((line.forget for line in lines if line.name == target), None)
    if goal is not None:
        axis.axvspan(goal.lower, goal.upper, color=GRID, alpha=0.7, linewidth=0)
        axis.axvline(goal.median, color=INK, linewidth=1, linestyle="--")
    for place, line in enumerate(lines):
        _spread(axis, line.forget, place - APART, FORGET, "o")
        _spread(axis, line.unseen, place + APART, REPORTING, "D")
    _scale(axis, lines)
    _words(axis, lines, with_goal=goal is not None)
    return figure


def _spread(axis: Axes, spread: LossSpread, y: float, colour: str, marker: str) -> None:
    axis.plot([spread.low, spread.high], [y, y], color=colour, linewidth=1.1, solid_capstyle="butt")
    axis.plot([spread.lower, spread.upper], [y, y], color=colour, linewidth=4.5, alpha=0.55, solid_capstyle="butt")
    axis.plot([spread.median], [y], color=colour, marker=marker, markersize=5.5, mec="white", mew=0.6)
    text = f"{spread.median:.2f}" if spread.n else "no number"
    axis.text(1.01, y, text, transform=axis.get_yaxis_transform(), color=colour, va="center", fontsize=8.5)


def _scale(axis: Axes, lines: Sequence[OvershootLine]) -> None:
    highest = max((line.forget.high for line in lines if line.forget.n), default=0.0)
    usual = min((line.unseen.high for line in lines if line.unseen.n), default=0.0)
    if highest > FAR * usual > 0:
        axis.set_xscale("log")
        axis.set_xlim(left=LOWEST)
    else:
        axis.set_xlim(left=0)


def _words(axis: Axes, lines: Sequence[OvershootLine], *, with_goal: bool) -> None:
    axis.set_yticks(range(len(lines)), [line.name for line in lines], color=INK)
    axis.set_ylim(len(lines) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color=GRID, linewidth=0.6)
    logarithmic = axis.get_xscale() == "log"
    axis.set_xlabel("loss, nats" + (" (logarithmic)" if logarithmic else ""))
    axis.text(1.01, -0.62, "median", transform=axis.get_yaxis_transform(), color=MUTED, va="bottom", fontsize=8)
    looks = [("erased pictures", FORGET, "o"), ("never-seen pictures", REPORTING, "D")]
    handles = [Line2D([], [], color=c, marker=m, markersize=5, label=label) for label, c, m in looks]
    if with_goal:
        goal = "median of erased pictures at the reference"
        handles.append(Line2D([], [], color=INK, linewidth=1, linestyle="--", label=goal))
    axis.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, fontsize=8)


def overshoot_words(lines: Sequence[OvershootLine]) -> str:
    """The figure in words: medians, the excess over the reference, and losses that are no numbers."""
    parts = []
    for line in lines:
        part = f"{line.name}: median loss {line.forget.median:.2f} on erased, {line.unseen.median:.2f} on never-seen"
        if line.excess is not None:
            part += f", {line.excess:+.2f} against the reference on erased"
        if line.forget.left_out:
            part += f", {line.forget.left_out} erased pictures without a loss that is a number"
        parts.append(part)
    return "Losses in nats. " + "; ".join(parts) + "."
