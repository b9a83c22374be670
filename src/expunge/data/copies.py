"""Finds copies of pictures: exact ones by decoded pixels, near ones by a hash that proposes and pixels that confirm.

Picture sets flow in, positions of pairs flow out. Who is on the pictures, and what happens to copies, is decided
elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from expunge.data.alignment import aligned_correlation
from expunge.data.bands import BandIndex
from expunge.data.hashing import BITS, WINDOWS, Looks, grey, looks, through_windows
from expunge.data.store import PictureStore
from expunge.data.storefile import hash_row
from expunge.types import PictureSet

Array = np.ndarray[Any, np.dtype[Any]]
Progress = Callable[[int, int], None]

# Measured by benchmarks/copies.py on photographs of faces, 128x128 and 64x64: 300 copied in each of 17 ways, and 8,890
# kept ones. Changed copies reach .988 (brightened ones, whose light parts became white: 99 in 100 reach .983);
# different photographs, of one person or of two, reach .979, and once .98 where one of them was brightened.
ALIKE = 0.982
COARSE = 0.96  # the same of 64 frequencies through the nearest window; copies reach .97, but for brightened ones
MOST = 16  # proposed pairs of a picture that are compared, the likeliest
LEAST_SIDE = 24  # pixels; smaller pictures of different people are too alike
SIDE = 64
ASK = 64
PAIRS = 256
EXACT_CHUNK = 1024


@dataclass(frozen=True)
class NearCopy:
    """Two pictures that show the same photograph.

    Args:
        first, second: positions in the two sets.
        bits: differing bits of the 64-bit hashes, through the best crop window.
        correlation: of the pixels, 0..1, after laying one over the other.
        mirrored: whether one is the mirror image of the other.
    """

    first: int
    second: int
    bits: int
    correlation: float
    mirrored: bool


@dataclass(frozen=True)
class NearCopies:
    """What a search for near copies found, and where it did not look.

    Args:
        pairs: confirmed pairs, positions ascending.
        proposed: pairs whose pixels were compared.
        blank: pictures of one colour; they have no near copies, only exact ones.
        crowded: pictures whose hash shares a band with so many others that this band was not searched.
        busy: pictures with more than 16 proposed copies; the pixels of the 16 likeliest were compared.
    """

    pairs: tuple[NearCopy, ...] = ()
    proposed: int = 0
    blank: int = 0
    crowded: int = 0
    busy: int = 0


@dataclass(frozen=True)
class _Proposed:
    """Pairs to confirm: positions, differing bits, window, mirrored, whether the window is on the second picture."""

    first: Array
    second: Array
    bits: Array
    window: Array
    mirrored: Array
    swapped: Array
    coarse: Array

    def __getitem__(self, chosen: Array) -> _Proposed:
        return _Proposed(*(column[chosen] for column in self.columns()))

    def columns(self) -> tuple[Array, ...]:
        return self.first, self.second, self.bits, self.window, self.mirrored, self.swapped, self.coarse


def exact_groups(pictures: PictureSet) -> Array:
    """Which pictures have equal pixels: int64 [n], for each picture the position of the first that equals it.

    Equal hashes of decoded pixels propose, the pixels themselves confirm. Linear in the number of pictures.

    Example:
        >>> from expunge.data.synthetic import synthetic_faces
        >>> exact_groups(synthetic_faces(8, 1, size=8).pictures).tolist()
        [0, 1, 2, 3, 4, 5, 6, 7]
    """
    _, first, group = np.unique(_digests(pictures), return_index=True, return_inverse=True)
    groups: Array = first[group.reshape(-1)].astype(np.int64)
    suspects = np.flatnonzero(groups != np.arange(len(groups)))
    for part in np.split(suspects, range(EXACT_CHUNK, len(suspects), EXACT_CHUNK)):
        ours, theirs = (pictures.pixels(torch.from_numpy(p)) for p in (part, groups[part]))
        equal = (ours == theirs).flatten(1).all(1).numpy()
        groups[part[~equal]] = part[~equal]
    return groups


def near_copies(
    first: PictureSet,
    second: PictureSet,
    *,
    apart: tuple[Array, Array] | None = None,
    alike: float = ALIKE,
    progress: Progress | None = None,
) -> NearCopies:
    """Pairs of a picture of `first` and one of `second` that show the same photograph, changed.

    Found are re-encoded, resized, brightened, mirrored and up to a tenth cropped pictures, and these changes together.
    The 64-bit hash of either picture, plain or mirrored, through each of 35 crop windows, must come within 8 bits of
    the other's hash (none is missed, but for `crowded`); then a correlation of 64 frequencies must reach .96; then that
    of the pixels must reach `alike`. Pictures are read once or twice, in chunks.

    Measured (benchmarks/copies.py): of 300 copies of faces each, all were found that were re-encoded (JPEG 30 to 75),
    resized (a third to twice), cropped by 2, 5 or 10 %, mirrored or darkened by 20 %; 99 % of those brightened by 20 %
    and of combinations. Of the 39.5 million pairs of 8,890 kept faces the hash alone proposes 1,200; 4 are confirmed,
    each the same photograph of one person, cropped or retouched.

    Args:
        first, second: the sets; a picture that is in both is no copy of itself.
        apart: integers [n] and [m]; only pairs with different ones are looked for.
        alike: least correlation of the pixels.
        progress: called as `progress(done, total)` pictures.

    Example:
        >>> from expunge.data.synthetic import synthetic_faces
        >>> faces = synthetic_faces(8, 1, size=32).pictures
        >>> near_copies(faces.subset([0]), faces.subset([0, 1])).pairs
        ()
    """
    groups = apart or (np.zeros(len(first), np.int8), np.ones(len(second), np.int8))
    sides = _Side(first, looks(first), groups[0]), _Side(second, looks(second), groups[1])
    done = _Done(progress, len(first) + len(second))
    found = _merged([*_search(*sides, swapped=False, done=done), *_search(*sides[::-1], swapped=True, done=done)])
    return _confirmed(first, second, found, sides, alike=alike)


def find_copies(pictures: PictureSet, *, alike: float = ALIKE, progress: Progress | None = None) -> NearCopies:
    """Near and exact copies within one set, each pair once, first < second; see `near_copies`."""
    n = len(pictures)
    side = _Side(pictures, looks(pictures), np.arange(n))
    # every picture asks through its own windows, so both directions come by themselves
    found = _merged(_search(side, side, swapped=False, done=_Done(progress, n)))
    turned = found.first > found.second
    one, other = np.minimum(found.first, found.second), np.maximum(found.first, found.second)
    both = _Proposed(one, other, found.bits, found.window, found.mirrored, turned, found.coarse)
    return _confirmed(pictures, pictures, _merged([both]), (side,), alike=alike)


class _Side:
    """One of the two sets: its pictures, what they look like, and an index of those that are not blank."""

    def __init__(self, pictures: PictureSet, seen: Looks, groups: Array) -> None:
        self.pictures, self.looks, self.groups = pictures, seen, groups
        self.rows = pictures.rows.numpy()
        self.usable = np.flatnonzero(~seen.blank)
        self.index = BandIndex(seen.hashes[self.usable])
        self.busy = np.zeros(len(seen.hashes), bool)


class _Done:
    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def add(self, n: int) -> None:
        self.done += n
        if self.progress is not None:
            self.progress(self.done, self.total)


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1))


def _search(asking: _Side, asked: _Side, *, swapped: bool, done: _Done) -> Iterator[_Proposed]:
    """Proposed pairs of each chunk of `asking`, whose crop windows are compared with the whole pictures of `asked`."""
    chunks = torch.from_numpy(asking.usable).split(ASK)
    done.add(len(asking.looks.blank) - len(asking.usable))
    with _threads() as threads:
        for chunk, found in zip(
            chunks, threads.map(lambda chunk: _ask(asking, asked, chunk, swapped=swapped), chunks), strict=True
        ):
            done.add(len(chunk))
            yield found


def _ask(asking: _Side, asked: _Side, chunk: torch.Tensor, *, swapped: bool) -> _Proposed:
    low, hashes = through_windows(asking.pictures, chunk)
    which, near, bits = asked.index.near(hashes.reshape(-1))
    a, b = chunk.numpy()[which // (2 * len(WINDOWS))], asked.usable[near]
    same = asking.groups[a] == asked.groups[b]
    if asking.pictures.source is asked.pictures.source:
        same |= asking.rows[a] == asked.rows[b]
    a, b, which, bits = (column[~same] for column in (a, b, which, bits))
    wholes = torch.from_numpy(asked.looks.low[b]).float()
    coarse = (low.view(-1, BITS)[torch.from_numpy(which)] * wholes).sum(1).numpy()
    window, mirrored = which // 2 % len(WINDOWS), which % 2 == 1
    first, second = (b, a) if swapped else (a, b)
    found = _Proposed(first, second, bits, window, mirrored, np.full(len(a), swapped), coarse)
    found = _merged([found[coarse >= COARSE]])
    owner = found.second if swapped else found.first
    likely = _rank(owner, found.coarse) < MOST
    asking.busy[owner[~likely]] = True
    return found[likely]


def _merged(parts: Iterator[_Proposed] | list[_Proposed]) -> _Proposed:
    """Each pair once, as seen through the window that shows it best."""
    kinds = (np.int64, np.int64, np.int64, np.int64, bool, bool, np.float32)
    none = _Proposed(*(np.empty(0, kind) for kind in kinds))
    every = _Proposed(*(np.concatenate(c) for c in zip(*(p.columns() for p in [none, *parts]), strict=True)))
    every = every[np.lexsort((every.swapped, every.mirrored, every.window, -every.coarse, every.second, every.first))]
    new = np.ones(len(every.first), bool)
    new[1:] = (np.diff(every.first) != 0) | (np.diff(every.second) != 0)
    return every[new]


def _confirmed(
    first: PictureSet, second: PictureSet, kept: _Proposed, sides: Sequence[_Side], *, alike: float
) -> NearCopies:
    n = len(kept.first)
    parts = [kept[np.arange(start, min(start + PAIRS, n))] for start in range(0, n, PAIRS)]
    with _threads() as threads:
        scores = np.concatenate(
            [np.empty(0), *threads.map(lambda part: _correlations(first, second, part, alike), parts)]
        )
    alike_ones = kept[scores >= alike]
    columns = (alike_ones.first, alike_ones.second, alike_ones.bits, scores[scores >= alike], alike_ones.mirrored)
    pairs = tuple(NearCopy(*row) for row in zip(*(column.tolist() for column in columns), strict=True))
    blank, crowded, busy = (
        sum(int(flags.sum()) for flags in column)
        for column in zip(*((side.looks.blank, side.index.crowded, side.busy) for side in sides), strict=True)
    )
    return NearCopies(pairs, n, blank, crowded, busy)


def _rank(owner: Array, coarse: Array) -> Array:
    """Place of each pair among those of the same picture, likeliest first: int64 [p]."""
    order = np.lexsort((-coarse, owner))
    sorted_ = owner[order]
    rank = np.empty(len(owner), np.int64)
    rank[order] = np.arange(len(owner)) - np.searchsorted(sorted_, sorted_, "left")
    return rank


def _correlations(first: PictureSet, second: PictureSet, pairs: _Proposed, alike: float) -> Array:
    """Correlation of the pixels of proposed pairs, aligned: float64 [p]."""
    a, b = _greys(first, pairs.first), _greys(second, pairs.second)
    swapped, mirrored = (torch.from_numpy(flags)[:, None, None, None] for flags in (pairs.swapped, pairs.mirrored))
    windowed, whole = torch.where(swapped, b, a), torch.where(swapped, a, b)
    start = torch.tensor([[w.scale, w.scale, *w.shift] for w in WINDOWS])[torch.from_numpy(pairs.window)]
    # the window was cut from the picture as it is; its image is mirrored, so the whole one is mirrored back
    whole = torch.where(mirrored, whole.flip(3), whole)
    scores: Array = aligned_correlation(windowed, whole, start, enough=alike).double().numpy()
    return scores


def _greys(pictures: PictureSet, at: Array) -> torch.Tensor:
    """Grey pictures at positions that repeat; each is read once."""
    once, place = np.unique(at, return_inverse=True)
    return grey(pictures, torch.from_numpy(once), side=SIDE)[torch.from_numpy(place.reshape(-1))]


def _digests(pictures: PictureSet) -> Array:
    """Hash of every picture's pixels as two numbers in one: [n] of a sortable kind."""
    rows = pictures.rows.numpy()
    if isinstance(pictures.source, PictureStore):
        hashes = pictures.source.row_hashes[rows]
    else:
        every = [hash_row(pictures.pixels(torch.tensor([i]))[0].permute(1, 2, 0).numpy()) for i in range(len(rows))]
        hashes = np.stack(every) if every else np.empty((0, 16), np.uint8)
    digests: Array = np.ascontiguousarray(hashes).view(np.dtype((np.void, hashes.shape[1]))).reshape(-1)
    return digests
