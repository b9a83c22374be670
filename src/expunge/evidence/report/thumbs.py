"""Pictures as data URIs: uint8 arrays flow in, PNG text flows out. Only called where pictures may be shown."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from expunge.errors import InputError
from expunge.evidence.report.data import Array, PicturePair

LOUDER = 8


@dataclass(frozen=True)
class Shown:
    """An original, what the method made of it, and the amplified difference, as data URIs."""

    original: str
    perturbed: str
    difference: str
    caption: str
    largest: int


def shown(pair: PicturePair) -> Shown:
    """A pair of pictures, ready for the page.

    Raises:
        InputError: not uint8 pictures of one shape.
    """
    first, second = np.asarray(pair.original), np.asarray(pair.perturbed)
    if first.dtype != np.uint8 or second.dtype != np.uint8 or first.shape != second.shape:
        came = f"{first.dtype} {first.shape} and {second.dtype} {second.shape}"
        raise InputError("pairs", expected="two uint8 pictures of one shape", came=came)
    change = second.astype(np.int16) - first.astype(np.int16)
    loud = np.clip(128 + LOUDER * change, 0, 255).astype(np.uint8)
    return Shown(data_uri(first), data_uri(second), data_uri(loud), pair.caption, int(np.abs(change).max(initial=0)))


def data_uri(pixels: Array) -> str:
    """A uint8 picture [H, W], [H, W, 1] or [H, W, 3] as a PNG data URI.

    Raises:
        InputError: another shape.

    Example:
        >>> data_uri(np.zeros((2, 2), np.uint8))[:22]
        'data:image/png;base64,'
    """
    plain = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    if plain.ndim not in (2, 3) or (plain.ndim == 3 and plain.shape[2] != 3) or 0 in plain.shape:
        raise InputError("pairs", expected="pictures [H, W], [H, W, 1] or [H, W, 3]", came=f"shape {pixels.shape}")
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plain)).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
