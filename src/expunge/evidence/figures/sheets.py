"""Puts the figures of erasures together: arrays and strings flow in, named files flow out as bytes.

Names of runs and classes come from users and are drawn as plain text. Faces enter only in `pairs`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from matplotlib.figure import Figure

from expunge.evidence.figures.overshoot import OvershootLine, overshoot_panel, overshoot_words
from expunge.evidence.figures.perturbed import perturbed_panels
from expunge.evidence.report.canvas import INK, drawing, png, svg_file
from expunge.evidence.report.data import ModelView, PicturePair
from expunge.evidence.report.featurefigure import MapKey, feature_panels
from expunge.evidence.report.figures import loss_panels, loss_words
from expunge.evidence.report.pictures import AMPLIFY
from expunge.evidence.report.projection import Projection

Format = Literal["svg", "png"]
FORMATS: tuple[str, ...] = get_args(Format)
LETTERS = 15  # of a caption, per inch of width
LOSS_CAPTION = (
    "Losses of erased and of never-seen pictures; upright lines are medians. The last bin holds all losses beyond it."
)
PAIR_CAPTION = (
    "Training pictures that stay, and what the method trains on in their place; below them the difference, "
    f"{AMPLIFY} times as strong."
)
PROJECTED: Mapping[Projection, str] = {
    "report": "principal components, then t-SNE",
    "tsne": "t-SNE of the features",
}


@dataclass(frozen=True)
class FigureData:
    """What figures are made of.

    Args:
        views: losses and features of every model, by what the reader calls it, in the order of the panels.
        lines: the same models for the over-shoot figure.
        key: what the points of the feature map stand for.
        attribute: name of the label whose classes they are.
        target: name of the retrained reference among `views`; "" where there is none.
        pairs: perturbed pictures by run; empty unless pictures may be shown.
        projection: of the feature map.
    """

    views: Mapping[str, ModelView]
    lines: Sequence[OvershootLine]
    key: MapKey
    attribute: str
    target: str = ""
    pairs: Mapping[str, Sequence[PicturePair]] = field(default_factory=dict)
    projection: Projection = "report"


def figure_files(data: FigureData, formats: Sequence[Format] = ("svg",)) -> dict[str, bytes]:
    """All figures as files, by name; the same data give the same bytes.

    Args:
        data: what they show.
        formats: of the files.
    """
    files = {}
    with drawing():
        for name, figure, caption, words in _figures(data):
            _caption(figure, caption)
            if "svg" in formats:
                files[f"{name}.svg"] = svg_file(figure, label=words).encode()
            if "png" in formats:
                files[f"{name}.png"] = png(figure)
    return files


def _figures(data: FigureData) -> Iterator[tuple[str, Figure, str, str]]:
    """Name, figure, caption, and words for those who cannot see it."""
    features = {name: view.features for name, view in data.views.items() if view.features is not None}
    if len(features) == len(data.views) and len(data.key.classes) > 2:
        figure, count = feature_panels(features, data.key, projection=data.projection)
        caption = _map_caption(data, count)
        yield "feature-map", figure, caption, f"{caption} Panels: {', '.join(features)}."
    yield "losses", loss_panels(data.views), LOSS_CAPTION, loss_words(data.views)
    figure = overshoot_panel(data.lines, target=data.target)
    yield "overshoot", figure, _overshoot_caption(data), overshoot_words(data.lines)
    if data.pairs:
        words = f"{PAIR_CAPTION} Runs: {', '.join(data.pairs)}."
        yield "perturbed", perturbed_panels(data.pairs), PAIR_CAPTION, words


def _map_caption(data: FigureData, count: int) -> str:
    start = (
        f"What each model sees in the same {count:,} pictures (penultimate features; {PROJECTED[data.projection]}, one "
        f"map for all panels), coloured by {data.attribute}."
    )
    if not data.target:
        return start
    return start + " The reference was trained on its own: how its groups lie apart can be compared, not where."


def _overshoot_caption(data: FigureData) -> str:
    start = "Loss of every model: median (point), middle half (thick line), 5 to 95 % (thin line)."
    if not data.target:
        return start + " Without a retrained reference nobody can say where erased pictures should lie."
    return start + (
        " Erased pictures whose median lies right of the dashed line were pushed past what retraining shows (grey: its "
        "middle half); left of it, not far enough. Two retrained models differ a little, too."
    )


def _caption(figure: Figure, text: str) -> None:
    width = int(LETTERS * figure.get_figwidth())
    figure.suptitle(textwrap.fill(text, width), x=0.01, ha="left", fontsize=9, fontweight="normal", color=INK)
