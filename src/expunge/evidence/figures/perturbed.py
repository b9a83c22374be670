"""Perturbed pictures beside their originals as a figure, as Choi and Na 2025 show them; for those who may see faces.

Pairs of uint8 pictures flow in, a figure flows out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from expunge.evidence.report.canvas import INK, panels
from expunge.evidence.report.data import Array, PicturePair
from expunge.evidence.report.pictures import AMPLIFY, difference

ROWS = ("original", "as trained on", f"difference\nx {AMPLIFY}")


def perturbed_panels(pairs: Mapping[str, Sequence[PicturePair]]) -> Figure:
    """Three rows a run: originals (with their largest change), what the model is trained on, and the difference.

    Args:
        pairs: at least one pair of every run, by what the reader calls the run.
    """
    columns = max(map(len, pairs.values()))
    figure, axes = panels(columns * len(ROWS) * len(pairs), width=1.1 + 1.25 * columns, height=1.35, across=columns)
    for number, (name, shown) in enumerate(pairs.items()):
        block = axes[number * columns * len(ROWS) :]
        for column in range(columns):
            rows = _rows(shown[column]) if column < len(shown) else (None, None, None)
            for row, picture in enumerate(rows):
                _picture(block[row * columns + column], picture)
            if column < len(shown):
                block[column].set_title(_largest(shown[column]), fontsize=7, fontweight="normal")
        for row, title in enumerate(ROWS):
            block[row * columns].set_ylabel(title, fontsize=8, color=INK)
        block[0].set_ylabel(f"{name}\n{ROWS[0]}", fontsize=8, color=INK)
    return figure


def _rows(pair: PicturePair) -> tuple[Array, Array, Array]:
    return pair.original, pair.perturbed, difference(pair)


def _largest(pair: PicturePair) -> str:
    change = np.abs(pair.perturbed.astype(np.int16) - pair.original.astype(np.int16))
    return f"up to {change.max()} of 255"


def _picture(axis: Axes, picture: Array | None) -> None:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    if picture is not None:
        flat = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
        axis.imshow(flat, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
