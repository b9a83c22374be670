"""Finds 64-bit hashes that differ in few bits, without comparing all with all.

Hashes flow in, pairs of positions flow out. What the hashes stand for is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Hits = tuple[Array, Array, Array]

BANDS = (22, 21, 21)  # bits; with a million hashes a value of a band is shared by few
FLIPS = 2
DISTANCE = len(BANDS) * (FLIPS + 1) - 1  # of three bands one has at most 2 of 8 differing bits
CROWD = 1024
CROWD_SHARE = 1 / 256
PIECE = 1 << 21  # comparisons held in memory at a time


class BandIndex:
    """Hashes that can be asked for their neighbours: at most `DISTANCE` (8) differing bits.

    The 64 bits are cut into three bands. Two hashes within 8 bits differ in at most 2 bits of one band at least, so
    all values within 2 bits of each band of the query are looked up in a table. Work for m queries among n hashes
    grows with m, and with m n / 2^21 where n is in the millions.

    Values of a band that more than max(1024, n / 256) hashes share are not searched (thousands of alike pictures would
    cost the square of their number); `crowded` tells which hashes have such a value in some band.

    Args:
        hashes: uint64 [n].

    Example:
        >>> index = BandIndex(np.array([0b0000, 0b1111, 2**63], np.uint64))
        >>> [found.tolist() for found in index.near(np.array([0b0001], np.uint64))]
        [[0, 0, 0], [0, 1, 2], [1, 3, 2]]

    Reference: multi-index hashing, Norouzi, Punjani and Fleet 2014.
    """

    def __init__(self, hashes: Array) -> None:
        self.hashes = hashes
        self.crowd = max(CROWD, int(len(hashes) * CROWD_SHARE))
        self.crowded = np.zeros(len(hashes), bool)
        self.tables = [self._table(band) for band in range(len(BANDS))]

    def near(self, queries: Array) -> Hits:
        """All pairs within 8 bits: positions of queries, positions of hashes, differing bits; each pair once."""
        parts = [part for band in range(len(BANDS)) for part in self._in_band(queries, band)]
        none = np.empty(0, np.int64)
        a, b, bits = (np.concatenate(part) for part in zip((none, none, none), *parts, strict=True))
        _, first = np.unique(a * max(1, len(self.hashes)) + b, return_index=True)
        return a[first], b[first], bits[first]

    def _table(self, band: int) -> tuple[Array, Array, Array]:
        """Positions sorted by the band's value, where each value starts, and which values are worth a look."""
        keys = _keys(self.hashes, band)
        counts = np.bincount(keys, minlength=1 << BANDS[band])
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        self.crowded |= counts[keys] > self.crowd
        return np.argsort(keys, kind="stable"), starts, (counts > 0) & (counts <= self.crowd)

    def _in_band(self, queries: Array, band: int) -> Iterator[Hits]:
        order, starts, open_ = self.tables[band]
        keys = _keys(queries, band)[:, None] ^ _masks(BANDS[band])
        places = np.flatnonzero(open_[keys])
        found = keys.ravel()[places]
        asking, first = places // keys.shape[1], starts[found]
        counts = starts[found + 1] - first
        for piece in _pieces(counts):
            count = counts[piece]
            within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            a = np.repeat(asking[piece], count)
            b = order[np.repeat(first[piece], count) + within]
            bits = np.bitwise_count(queries[a] ^ self.hashes[b]).astype(np.int64)
            close = bits <= DISTANCE
            yield a[close], b[close], bits[close]


def _pieces(counts: Array) -> Iterator[slice]:
    """Slices of at most PIECE comparisons each (or of a single value)."""
    if not len(counts):
        return
    total = np.cumsum(counts)
    cuts = np.searchsorted(total, np.arange(PIECE, int(total[-1]) + 1, PIECE), "left") + 1
    edges = np.unique([0, *cuts.tolist(), len(counts)])
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        yield slice(start, stop)


def _keys(hashes: Array, band: int) -> Array:
    lowest, mask = sum(BANDS[:band]), (1 << BANDS[band]) - 1
    return ((hashes >> np.uint64(lowest)) & np.uint64(mask)).astype(np.int32)


@cache
def _masks(bits: int) -> Array:
    """All ways of flipping at most FLIPS of so many bits."""
    ways = [sum(1 << bit for bit in some) for flips in range(FLIPS + 1) for some in combinations(range(bits), flips)]
    return np.array(ways, np.int32)
