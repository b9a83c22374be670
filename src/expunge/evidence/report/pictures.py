"""Pictures as text that a page can carry: uint8 arrays flow in, PNG data URIs flow out."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from expunge.evidence.report.data import Array, PicturePair, ReportData

HIDDEN = (
    "Pictures are left out of this report: the people on them asked to be forgotten, and a report is kept and passed "
    "on. The person who runs the erasure can have them included on purpose."
)
AMPLIFY = 8


@dataclass(frozen=True)
class ShownPair:
    """A pair and their difference, ready for `<img src>`."""

    original: str
    perturbed: str
    difference: str
    caption: str
    width: int
    height: int


def shown_pairs(data: ReportData) -> tuple[ShownPair, ...]:
    """All picture pairs of a report."""
    return tuple(_shown(pair) for pair in data.pairs)


def why_hidden(data: ReportData) -> str:
    """The sentence in place of pictures."""
    return data.pairs_reason or HIDDEN


def _shown(pair: PicturePair) -> ShownPair:
    height, width = pair.original.shape[:2]
    original, perturbed, changed = (png_uri(picture) for picture in (pair.original, pair.perturbed, difference(pair)))
    return ShownPair(original, perturbed, changed, pair.caption, width, height)


def difference(pair: PicturePair) -> Array:
    """What was changed, amplified around middle grey: uint8 of the shape of the pictures."""
    change = pair.perturbed.astype(np.int16) - pair.original.astype(np.int16)
    return np.clip(128 + AMPLIFY * change, 0, 255).astype(np.uint8)


def png_uri(picture: Array) -> str:
    """A picture as a PNG data URI.

    Args:
        picture: uint8 [H, W], [H, W, 1] or [H, W, 3].

    Example:
        >>> png_uri(np.zeros((2, 2), np.uint8))[:22]
        'data:image/png;base64,'
    """
    flat = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(flat, dtype=np.uint8)).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
