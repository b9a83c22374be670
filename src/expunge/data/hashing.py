"""Perceptual hashes of pictures and a search for near ones among many, without comparing all with all.

Pixels flow in chunk by chunk, 64-bit hashes and pairs of rows flow out. A hash only proposes; pixels must confirm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from expunge.types import PictureSet

Array = np.ndarray[Any, np.dtype[Any]]

SIDE = 32
CHUNK = 1024
BANDS = 4
BAND_BITS = 16
RADIUS = 2  # bits that may differ in the best band: pairs up to (RADIUS + 1) * BANDS - 1 bits apart are all found
CROWD = 256  # more equal bands than this (blank pictures) are not searched but reported


@dataclass(frozen=True)
class Hashes:
    """Perceptual hashes of n pictures, as they are and as mirrored left-right: uint64 [n] each."""

    plain: Array
    mirrored: Array

    def of(self, rows: Array) -> Hashes:
        """The hashes of some of the pictures."""
        return Hashes(self.plain[rows], self.mirrored[rows])


@dataclass(frozen=True)
class Candidates:
    """Proposed pairs: rows of the first and of the second set, bits that differ, whether mirrored; crowded bands."""

    first: Array
    second: Array
    distance: Array
    mirrored: Array
    crowded: int


def grey(pictures: PictureSet, index: Tensor, side: int = SIDE) -> Tensor:
    """Small grey versions of the pictures at `index`: float32 [b, 1, side, side] in 0..255."""
    x = pictures.pixels(index).float().mean(1, keepdim=True)
    return interpolate(x, size=(side, side), mode="area") if x.shape[-1] >= side else interpolate(x, size=(side, side))


def perceptual_hashes(pictures: PictureSet) -> Hashes:
    """The signs of 64 low frequencies against their median, of every picture and of its mirror image.

    Mirroring changes the sign of the odd horizontal frequencies and nothing else, so one transform serves both.

    Reference: the discrete-cosine hash of Zauner 2010.
    """
    plain, mirrored = [], []
    sign = torch.tensor([1.0, -1.0]).repeat(4)
    for index in torch.split(torch.arange(len(pictures)), CHUNK):
        basis = _cosines()
        low = (basis @ grey(pictures, index)[:, 0] @ basis.T)[:, :8, :8].clone()
        low[:, 0, 0] = 0  # brightness says nothing
        plain.append(_bits(low))
        mirrored.append(_bits(low * sign))
    return Hashes(np.concatenate(plain), np.concatenate(mirrored)) if plain else Hashes(*[np.empty(0, np.uint64)] * 2)


def candidates(first: Hashes, second: Hashes, *, distance: int) -> Candidates:
    """Pairs of pictures whose hashes differ in at most `distance` bits, directly or with one of them mirrored.

    Every pair within 11 bits is found, except in crowded bands (see `crowded`).

    Args:
        first, second: hashes of the two sets.
        distance: largest number of differing bits, 0..11.

    Reference: multi-index hashing, Norouzi et al. 2014.
    """
    index = _Index(second.plain)
    parts = [
        (*index.near(query, distance), mirrored) for query, mirrored in ((first.plain, False), (first.mirrored, True))
    ]
    a, b = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
    bits = np.concatenate([p[2] for p in parts])
    flags = np.concatenate([np.full(len(p[0]), p[3]) for p in parts])
    order = np.lexsort((flags, bits, b, a))
    a, b, bits, flags = a[order], b[order], bits[order], flags[order]
    keep = np.ones(len(a), bool)
    keep[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
    return Candidates(a[keep], b[keep], bits[keep], flags[keep], index.crowded)


class _Index:
    """Hashes sorted by each of their four 16-bit bands."""

    def __init__(self, hashes: Array) -> None:
        self.hashes = hashes
        bands = [_band(hashes, b) for b in range(BANDS)]
        self.orders = [np.argsort(b, kind="stable") for b in bands]
        self.bands = [b[o] for b, o in zip(bands, self.orders, strict=True)]
        self.crowded = sum(int((np.unique(b, return_counts=True)[1] > CROWD).sum()) for b in bands)

    def near(self, queries: Array, distance: int) -> tuple[Array, Array, Array]:
        """Rows of `queries`, rows of the index, and bits apart, each pair once or more."""
        found: list[tuple[Array, Array, Array]] = [(np.empty(0, np.int64),) * 3]
        for band in range(BANDS):
            keys = _band(queries, band)
            for mask in _masks():
                found.append(self._matches(queries, keys ^ mask, band, distance))
        a, b, bits = (np.concatenate(part) for part in zip(*found, strict=True))
        return a, b, bits

    def _matches(self, queries: Array, keys: Array, band: int, distance: int) -> tuple[Array, Array, Array]:
        starts = np.searchsorted(self.bands[band], keys, "left")
        counts = np.searchsorted(self.bands[band], keys, "right") - starts
        counts[counts > CROWD] = 0
        a = np.repeat(np.arange(len(keys)), counts)
        within = np.arange(len(a)) - np.repeat(np.cumsum(counts) - counts, counts)
        b = self.orders[band][np.repeat(starts, counts) + within]
        bits = np.bitwise_count(queries[a] ^ self.hashes[b]).astype(np.int64)
        close = bits <= distance
        return a[close], b[close], bits[close]


def _band(hashes: Array, band: int) -> Array:
    return ((hashes >> np.uint64(BAND_BITS * band)) & np.uint64(0xFFFF)).astype(np.uint16)


@cache
def _masks() -> tuple[np.uint16, ...]:
    """All ways of flipping at most RADIUS of the bits of a band."""
    return tuple(
        np.uint16(sum(1 << bit for bit in bits))
        for r in range(RADIUS + 1)
        for bits in combinations(range(BAND_BITS), r)
    )


@cache
def _cosines() -> Tensor:
    k, x = torch.arange(8.0)[:, None], torch.arange(float(SIDE))[None]
    return torch.cos(torch.pi * k * (2 * x + 1) / (2 * SIDE))


def _bits(low: Tensor) -> Array:
    flat = low.flatten(1)
    signs = (flat > flat.median(1, keepdim=True).values).numpy()
    return np.packbits(signs, axis=1).view(">u8").astype(np.uint64)[:, 0]
