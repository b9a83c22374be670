from __future__ import annotations

import numpy as np
import pytest

from expunge.data import bands
from expunge.data.bands import BANDS, CROWD, DISTANCE, BandIndex


def close(n: int, *, seed: int) -> np.ndarray:
    """A quarter of the numbers at random, the others 0 to 12 flipped bits away from one of these."""
    made = np.random.default_rng(seed)
    found = made.integers(0, 2**64, n, dtype=np.uint64)
    for i in range(n // 4, n):
        found[i] = found[i % (n // 4)]
        for bit in made.choice(64, made.integers(0, 13), replace=False).tolist():
            found[i] ^= np.uint64(1 << bit)
    return found


def all_with_all(queries: np.ndarray, known: np.ndarray) -> set[tuple[int, int, int]]:
    bits = np.bitwise_count(queries[:, None] ^ known[None])
    a, b = np.nonzero(bits <= DISTANCE)
    return set(zip(a.tolist(), b.tolist(), bits[a, b].tolist(), strict=True))


@pytest.mark.parametrize("seed", range(4))
def test_finds_the_same_pairs_as_comparing_all_with_all(seed: int) -> None:
    known = close(400, seed=seed)
    queries = np.concatenate([known[::3], close(50, seed=seed + 10)])
    a, b, bits = BandIndex(known).near(queries)
    found = list(zip(a.tolist(), b.tolist(), bits.tolist(), strict=True))
    assert len(found) == len(set(found)) and set(found) == all_with_all(queries, known)
    assert {d for _, _, d in found} == set(range(DISTANCE + 1))  # the radius was reached


def test_fewer_flips_would_miss_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    known = close(400, seed=0)
    monkeypatch.setattr(bands, "_masks", lambda bits: np.array([0], np.int32))
    assert set(zip(*(c.tolist() for c in BandIndex(known).near(known)), strict=True)) < all_with_all(known, known)


def test_pieces_are_bounded_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    known = close(300, seed=1)
    whole = BandIndex(known).near(known)
    monkeypatch.setattr(bands, "PIECE", 5)
    for one, other in zip(whole, BandIndex(known).near(known), strict=True):
        assert np.array_equal(one, other)


def test_bands_hold_all_bits() -> None:
    assert sum(BANDS) == 64


def test_many_equal_hashes_are_reported_instead_of_compared() -> None:
    crowd = np.full(CROWD + 1, 2**40 + 7, np.uint64)
    index = BandIndex(np.concatenate([crowd, close(100, seed=2)]))
    assert index.crowded[: len(crowd)].all() and not index.crowded[len(crowd) :].any()
    assert not len(index.near(crowd[:3])[0])


def test_a_crowd_of_the_largest_size_is_searched() -> None:
    crowd = np.full(CROWD, 2**40 + 7, np.uint64)
    index = BandIndex(crowd)
    assert not index.crowded.any()
    assert len(index.near(crowd[:2])[0]) == 2 * CROWD


def test_nothing_in_nothing_out() -> None:
    none = np.empty(0, np.uint64)
    assert [len(c) for c in BandIndex(none).near(close(8, seed=0))] == [0, 0, 0]
    assert [len(c) for c in BandIndex(close(8, seed=0)).near(none)] == [0, 0, 0]
