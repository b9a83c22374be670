"""Finds copies: exact ones by their decoded pixels, near ones by a hash that proposes and pixels that confirm.

Picture sets flow in, pairs of ids flow out. Who is on the pictures, and what happens to copies, is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from expunge.data.hashing import Candidates, Hashes, candidates, grey, perceptual_hashes
from expunge.data.store import PictureStore
from expunge.data.storefile import hash_row
from expunge.types import PictureSet

Array = np.ndarray[Any, np.dtype[Any]]

# Chosen on pictures that we copied ourselves and on a face set without copies (benchmarks/copies.py).
BITS = 11
ALIKE = 0.975
HOPE = 0.6
SCALES = (0.95, 0.9)
PAIRS = 256


@dataclass(frozen=True)
class NearCopy:
    """Two pictures that look the same: positions in the two sets, bits that differ, correlation 0..1 of the pixels."""

    first: int
    second: int
    bits: int
    correlation: float
    mirrored: bool


@dataclass(frozen=True)
class NearCopies:
    """Confirmed near copies, how many pairs the hash proposed, and bands too crowded to search (blank pictures)."""

    pairs: tuple[NearCopy, ...]
    proposed: int
    crowded: int


def exact_copies(first: PictureSet, second: PictureSet) -> list[tuple[int, int]]:
    """Pairs of positions (of `first`, of `second`) with equal decoded pixels; the first such of `first`."""
    known: dict[bytes, int] = {}
    for position, digest in enumerate(_digests(first)):
        known.setdefault(digest, position)
    return [(known[digest], position) for position, digest in enumerate(_digests(second)) if digest in known]


def near_copies(
    first: PictureSet,
    second: PictureSet,
    *,
    hashes: Hashes | None = None,
    bits: int = BITS,
    alike: float = ALIKE,
) -> NearCopies:
    """Pairs of a picture of `first` and one of `second` that are the same photograph, changed.

    Found are re-encoded, resized, brightened, mirrored and slightly cropped copies; exact copies are found too.

    Args:
        first, second: the sets; a picture that is in both is no copy of itself.
        hashes: of all rows of the store that both sets are views of, where they were computed before.
        bits: hashes may differ in as many of 64 bits.
        alike: least correlation of the pixels, after the best small crop of either picture.

    Returns:
        Confirmed pairs, positions ascending.
    """
    ours, theirs = (
        perceptual_hashes(part) if hashes is None else hashes.of(part.rows.numpy()) for part in (first, second)
    )
    proposed = candidates(ours, theirs, distance=bits)
    itself = first.rows.numpy()[proposed.first] == second.rows.numpy()[proposed.second]
    keep = ~itself if first.source is second.source else np.ones_like(itself)
    found = []
    for at in np.array_split(np.flatnonzero(keep), max(1, int(keep.sum()) // PAIRS)):
        scores = correlations(first, second, proposed, at)
        found += [
            NearCopy(
                int(proposed.first[i]),
                int(proposed.second[i]),
                int(proposed.distance[i]),
                float(s),
                bool(proposed.mirrored[i]),
            )
            for i, s in zip(at, scores, strict=True)
            if s >= alike
        ]
    return NearCopies(tuple(found), int(keep.sum()), proposed.crowded)


def correlations(first: PictureSet, second: PictureSet, proposed: Candidates, at: Array) -> Array:
    """Correlation of the pixels of proposed pairs, at the best small crop of either picture: float64 [p] in -1..1."""
    if not len(at):
        return np.empty(0)
    a = grey(first, torch.from_numpy(proposed.first[at]), side=48)
    b = grey(second, torch.from_numpy(proposed.second[at]), side=48)
    a = torch.where(torch.from_numpy(proposed.mirrored[at]).view(-1, 1, 1, 1), a.flip(3), a)
    best = _correlation(a, b)
    # pictures that are nothing like each other are no crops of each other either: most proposals end here
    rest = (best >= HOPE).nonzero().flatten()
    for x, y in ((a[rest], b[rest]), (b[rest], a[rest])):
        for crop in _crops():
            best[rest] = torch.maximum(best[rest], _correlation(_crop(x, *crop), y))
    return np.asarray(best.double().numpy())


def _crops() -> list[tuple[float, float, float]]:
    """Scale and offset of the crops that are tried: smaller windows at nine places."""
    places = (-1.0, 0.0, 1.0)
    return [(s, x * (1 - s), y * (1 - s)) for s in SCALES for x in places for y in places]


def _crop(x: Tensor, scale: float, right: float, down: float) -> Tensor:
    theta = torch.tensor([[scale, 0.0, right], [0.0, scale, down]]).expand(len(x), 2, 3)
    return grid_sample(x, affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    a, b = (t.flatten(1) - t.flatten(1).mean(1, keepdim=True) for t in (a, b))
    # two blank pictures correlate with nothing; whether they are copies is for the exact comparison to say
    found: Tensor = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-6)
    return found


def _digests(pictures: PictureSet) -> list[bytes]:
    rows = pictures.rows.numpy()
    if isinstance(pictures.source, PictureStore):
        return [h.tobytes() for h in pictures.source.row_hashes[rows]]
    return [
        hash_row(pictures.pixels(torch.tensor([i]))[0].permute(1, 2, 0).numpy()).tobytes() for i in range(len(rows))
    ]
