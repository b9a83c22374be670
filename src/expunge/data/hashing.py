"""Perceptual hashes: what a picture looks like, in 64 bits, also mirrored and through small crop windows.

Pixels flow in, small normalised descriptions and 64-bit hashes flow out. A hash only proposes; pixels must confirm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from expunge.types import PictureSet

Array = np.ndarray[Any, np.dtype[Any]]

SIDE = 32
BITS = 64
FREQUENCIES = 11  # per direction; the 64 lowest by their sum lie within
BLANK = 1.5  # grey levels of standard deviation; below it a picture is one colour and its hash is noise
# Which bit goes where: neighbouring frequencies of aligned faces agree, so they are dealt to different bands. This seed
# made the bands most even among 40 on a face set (20 to 50 times the collisions of chance).
DEAL = 33


@dataclass(frozen=True)
class Window:
    """A crop: side as a share of the picture's (0..1), place of its middle -1..1 from left/top to right/bottom."""

    scale: float
    right: float = 0.0
    down: float = 0.0

    @property
    def shift(self) -> tuple[float, float]:
        """Middle of the window, right and down, where the picture spans -1..1."""
        return self.right * (1 - self.scale), self.down * (1 - self.scale)


# Crops of up to a tenth lie within 1.25 % of a window, near enough for the hash and the low frequencies.
WINDOWS = (
    Window(1.0),
    *(Window(0.95, x, y) for x in (-1.0, 0.0, 1.0) for y in (-1.0, 0.0, 1.0)),
    *(Window(0.9, x, y) for x in (-1.0, -0.5, 0.0, 0.5, 1.0) for y in (-1.0, -0.5, 0.0, 0.5, 1.0)),
)


@dataclass(frozen=True)
class Looks:
    """What n pictures look like as a whole.

    Args:
        low: float16 [n, 64], low frequencies without brightness, of length 1.
        hashes: uint64 [n], their signs.
        blank: bool [n], pictures of one colour; their hash says nothing.
    """

    low: Array
    hashes: Array
    blank: Array


def grey(pictures: PictureSet, index: Tensor, *, side: int = SIDE) -> Tensor:
    """Small grey versions of the pictures at `index`: float32 [b, 1, side, side] in 0..255."""
    x = pictures.pixels(index).float().mean(1, keepdim=True)
    shrinks = min(x.shape[-2:]) >= side
    return interpolate(x, (side, side), mode="area") if shrinks else interpolate(x, (side, side), mode="bilinear")


def low_frequencies(x: Tensor, window: Window = WINDOWS[0]) -> Tensor:
    r"""The 64 lowest frequencies of what is seen through a window, scaled to length 1: float32 [b, 64].

    .. math:: c_{kl} = \int\int_{window} x(u, v) \cos(\pi k v) \cos(\pi l u) \, du \, dv, \quad 0 < k + l

    Brightness and contrast change nothing: :math:`c_{00}` is left out and the rest is normalised.

    Args:
        x: grey pictures, float32 [b, 1, 32, 32].
        window: the part to look at; the integral over it is exact for pixels of constant brightness.

    Example:
        >>> low_frequencies(torch.rand(3, 1, 32, 32)).norm(dim=1).allclose(torch.ones(3))
        True
    """
    right, down = window.shift
    seen = _cosines(window.scale, down) @ x[:, 0] @ _cosines(window.scale, right).T
    vertical, horizontal = _frequencies()
    low = seen[:, vertical, horizontal]
    unit: Tensor = low / low.norm(dim=1, keepdim=True).clamp(min=1e-9)
    return unit


def mirror(low: Tensor) -> Tensor:
    """Low frequencies of the picture mirrored left-right: the odd horizontal ones change their sign, nothing else."""
    odd = _frequencies()[1] % 2
    return low * (1 - 2 * odd)


def pack(low: Tensor) -> Array:
    """Signs of low frequencies [..., 64] as 64-bit numbers [...].

    Reference: the discrete-cosine hash of Zauner 2010, with zero for a threshold instead of each picture's median,
    which fixes the number of ones and so leaves only even distances.
    """
    signs = (low > 0).numpy()[..., _deal()]
    packed: Array = np.packbits(np.ascontiguousarray(signs), axis=-1).view(">u8").astype(np.uint64)[..., 0]
    return packed


def looks(pictures: PictureSet, *, chunk: int = 1024) -> Looks:
    """Low frequencies and hashes of all pictures, read once, `chunk` at a time."""
    parts = [_looks(pictures, index) for index in torch.arange(len(pictures)).split(chunk) if len(index)]
    empty = Looks(np.empty((0, BITS), np.float16), np.empty(0, np.uint64), np.empty(0, bool))
    return Looks(*(np.concatenate(part) for part in zip(*map(_fields, [empty, *parts]), strict=True)))


def through_windows(pictures: PictureSet, index: Tensor) -> tuple[Tensor, Array]:
    """What pictures look like through every window, plain and mirrored.

    Returns:
        Low frequencies float32 [b, windows, 2, 64] (second: mirrored) and their hashes uint64 [b, windows, 2].
    """
    x = grey(pictures, index)
    plain = torch.stack([low_frequencies(x, window) for window in WINDOWS], 1)
    both = torch.stack([plain, mirror(plain)], 2)
    return both, pack(both)


def _looks(pictures: PictureSet, index: Tensor) -> Looks:
    x = grey(pictures, index)
    low = low_frequencies(x)
    return Looks(low.half().numpy(), pack(low), (x.flatten(1).std(1, correction=0) < BLANK).numpy())


def _fields(one: Looks) -> tuple[Array, Array, Array]:
    return one.low, one.hashes, one.blank


@cache
def _frequencies() -> tuple[Tensor, Tensor]:
    """Vertical and horizontal frequency of each of the 64, int64 [64] each."""
    every = [(v, h) for v in range(FREQUENCIES) for h in range(FREQUENCIES) if v or h]
    chosen = torch.tensor(sorted(every, key=lambda f: (sum(f), f))[:BITS])
    return chosen[:, 0], chosen[:, 1]


@cache
def _deal() -> Array:
    return np.random.default_rng(DEAL).permutation(BITS)


@cache
def _cosines(scale: float, shift: float) -> Tensor:
    """Integrals of the cosines over each pixel's part of the window: float32 [frequencies, SIDE]."""
    edges = (((torch.arange(SIDE + 1) * 2 / SIDE - 1 - shift) / scale + 1) / 2).clamp(0, 1)
    k = torch.arange(float(FREQUENCIES))[:, None]
    whole = torch.where(k == 0, edges, torch.sin(torch.pi * k * edges) / (torch.pi * k.clamp(min=1)))
    return whole.diff(dim=1)
