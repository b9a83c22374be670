"""Figures of the audit page: what attackers trade, and how soon models relearn.

Curves flow in, inline SVG flows out, with words for those who cannot see it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from expunge.evidence.report.canvas import FORGET, GRID, MUTED, REPORTING, drawing, panels, svg

ACROSS = 3  # panels in a row
Look = tuple[str, str, Literal["--", "-", ":"], float]
LOOKS: Mapping[str, Look] = {  # what a reader calls a model; colour, dashes, width
    "before": ("Before", MUTED, "--", 1.6),
    "after": ("After", FORGET, "-", 2.0),
    "reference": ("Retrained reference", REPORTING, ":", 1.6),
}
PARTS: Mapping[str, str] = {
    "retain": "Trained further on staying people",
    "forget": "Trained further on half of the erased people",
}
ATTACKS: Mapping[str, str] = {
    "svc": "All signals together",
    "lira": "LiRA",
    "lira_offline": "LiRA, offline",
    "rmia": "RMIA",
    "u_lira": "U-LiRA beside references",
}
SELDOM = 0.001  # false positive rate at which only sure attackers recognise anybody
EXPECTED = 10  # false positives that a rate must rest on
LARGEST = 0.1  # false positive rate at which axes begin at the latest
FALSE_ALARMS = 0.01  # where the words of a figure read it


@dataclass(frozen=True)
class Curve:
    """One line of a figure.

    Args:
        panel: which one it stands in: an attack, or what was trained on.
        model: `before`, `after`, `reference-1` ...
        points: pairs (x, y); None where there is no y to be had.
    """

    panel: str
    model: str
    points: Sequence[tuple[float, float | None]]


def attack_title(attack: str) -> str:
    """What an attack is called where there is little room."""
    return ATTACKS.get(attack, attack.replace("_", " ").capitalize())


def roc_figure(curves: Sequence[Curve], counts: Mapping[str, int] | None = None, sides: str = "") -> Markup | None:
    """True against false positive rates on logarithmic axes, a panel an attack; None where there is no curve.

    Args:
        curves: of all attacks and models. counts: pictures of both sides together that an attack was made on, by its
            name. sides: how many pictures and people those are, as a sentence.
    """
    attacks = list(dict.fromkeys(curve.panel for curve in curves))
    if not attacks:
        return None
    shown = [x for curve in curves for x, y in curve.points if y]
    low = 10 ** math.floor(math.log10(min([LARGEST, *shown])))
    with drawing():
        figure, axes = panels(len(attacks), height=2.7, share=True, across=ACROSS)
        for axis, attack in zip(axes, attacks, strict=True):
            _lines(axis, [c for c in curves if c.panel == attack])
            _logarithmic(axis, low)
            count = (counts or {}).get(attack)
            axis.set_title(attack_title(attack) + (f" (n = {count:,})" if count is not None else ""))
            axis.set_xlabel("falsely accused")
        for axis in axes[::ACROSS]:
            axis.set_ylabel("erased recognised")
        _legend(axes[0], curves, "lower right")
        return svg(figure, name="roc", label=f"{roc_words(curves)} {sides}".strip())


def roc_words(curves: Sequence[Curve]) -> str:
    """The curves in words: the share recognised at one false alarm in a hundred, of the first attack."""
    first = [curve for curve in curves if curve.panel == curves[0].panel]
    known = [(curve.model, recognised(curve, FALSE_ALARMS)) for curve in first]
    parts = [f"{model} {100 * found:.1f} %" for model, found in known if found is not None]
    told = f"At 1 % false alarms the attack by {curves[0].panel} recognises: " + ", ".join(parts) if parts else ""
    return f"Attack curves on logarithmic axes, true against false positive rates. {told}".strip()


def recognised(curve: Curve, rate: float) -> float | None:
    """The share recognised at a rate of false alarms; None where the curve does not tell."""
    return next((y for x, y in curve.points if abs(x - rate) < 1e-6 * rate), None)


def relearning_figure(curves: Sequence[Curve]) -> Markup | None:
    """Loss on erased people who were held out, while the models are trained further; None where nobody looked."""
    parts = list(dict.fromkeys(curve.panel for curve in curves))
    if not parts:
        return None
    with drawing():
        figure, axes = panels(len(parts), height=2.8, share=True)
        for axis, part in zip(axes, parts, strict=True):
            _lines(axis, [c for c in curves if c.panel == part])
            axis.set_title(PARTS.get(part, part))
            axis.set_xlabel("training steps")
        axes[0].set_ylabel("loss on held-out erased people, nats")
        _legend(axes[0], curves, "best")
        return svg(figure, name="relearning", label=relearning_words(curves))


def relearning_words(curves: Sequence[Curve]) -> str:
    """The curves in words: first and last loss."""
    known = [(c, [y for _, y in c.points if y is not None]) for c in curves]
    parts = [f"{c.model}, {PARTS.get(c.panel, c.panel).lower()}: {y[0]:.2f} to {y[-1]:.2f}" for c, y in known if y]
    return "Loss on held-out erased people from first to last step. " + "; ".join(parts) + "."


def _look(model: str) -> Look:
    return LOOKS["reference" if model.startswith("reference") else model]


def _logarithmic(axis: Axes, low: float) -> None:
    """Decades from `low` to 1 on both axes, in per cent."""
    decades = [10.0**power for power in range(round(math.log10(low)), 1)]
    labels = [f"{100 * value:g} %" for value in decades]
    axis.set(xscale="log", yscale="log", xlim=(low, 1), ylim=(low, 1))
    axis.set_xticks(decades, labels)
    axis.set_yticks(decades, labels)
    axis.minorticks_off()
    axis.plot([low, 1], [low, 1], color=MUTED, linewidth=0.5, zorder=0)


def _lines(axis: Axes, curves: Sequence[Curve]) -> None:
    for curve in curves:
        _, colour, dashes, width = _look(curve.model)
        xs, ys = np.array([[x, np.nan if y is None else y] for x, y in curve.points], dtype=np.float64).T
        axis.plot(xs, ys, color=colour, linestyle=dashes, linewidth=width)
    axis.grid(color=GRID, linewidth=0.5)


def _legend(axis: Axes, curves: Sequence[Curve], place: Literal["best", "lower right"]) -> None:
    looks = dict.fromkeys(_look(curve.model) for curve in curves)
    handles = [Line2D([], [], color=c, linestyle=d, linewidth=w, label=label) for label, c, d, w in looks]
    axis.legend(handles=handles, loc=place, fontsize=7.5)
