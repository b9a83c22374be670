"""Searches stores, picture files and tables for some pictures: by their pixels, and for copies that were changed.

Encoded pictures to look for and places flow in; how many were found in each place flows out. Nothing is deleted here,
and why somebody looks is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from expunge.data.copies import LEAST_SIDE, Array, near_copies
from expunge.data.decode import least_side
from expunge.data.encoded import TablePictures
from expunge.data.store import MEMORY_BYTES, EncodedPictures, Missing, PictureStore, open_store
from expunge.data.storefile import store_at
from expunge.data.tables import Part, open_parts
from expunge.errors import DataError
from expunge.types import LabelSpec, PictureSet

SIDE = 64  # that picture files and tables are compared at
PICTURE_BYTES = 64 << 20
UNLABELLED = LabelSpec(("picture",), (("0", "1"),))


class Wanted:
    """Pictures to look for, decoded as every place in turn has its own.

    Args:
        encoded: the pictures. stays: others that look like them and are not looked for.
    """

    def __init__(self, encoded: Sequence[bytes], stays: Sequence[bytes] = ()) -> None:
        self._encoded, self._stays = tuple(encoded), tuple(stays)
        self._least = min(map(least_side, self._encoded), default=0)
        self._decoded: dict[tuple[int, int, int], tuple[PictureStore, Array]] = {}

    @property
    def searches_near(self) -> bool:
        """Whether changed copies are looked for; in pictures this small, different people are too alike."""
        return self._least >= LEAST_SIDE

    def rows_in(self, store: PictureStore) -> list[int]:
        """The rows of a store that show one of the pictures: with the same pixels, or changed."""
        exact = self.equal_in(store)
        wanted, stays = self._at(store.height, store.width, store.channels)
        if not self.searches_near or min(store.height, store.width) < LEAST_SIDE:
            return exact
        pairs = near_copies(_everything(wanted), _everything(store)).pairs
        near = {pair.second for pair in pairs} - set(_rows(store, stays)) - set(store.unreadable)
        return sorted(near.union(exact))

    def equal_in(self, store: PictureStore) -> list[int]:
        """The rows of a store with the same pixels as one of the pictures."""
        return _rows(store, self._at(store.height, store.width, store.channels)[0].row_hashes)

    def rows_of(self, pictures: EncodedPictures) -> list[int]:
        """The same for encoded pictures, by their place in the stream."""
        return self.rows_in(open_store(pictures, size=(SIDE, SIDE), channels=3))

    def _at(self, height: int, width: int, channels: int) -> tuple[PictureStore, Array]:
        """The pictures, and the row hashes of those that stay, at one size."""
        key = (height, width, channels)
        if key not in self._decoded:
            wanted, stays = (
                open_store(_Held(held), size=(height, width), channels=channels)
                for held in (self._encoded, self._stays)
            )
            self._decoded[key] = wanted, stays.row_hashes
        return self._decoded[key]


def in_store(wanted: Wanted, pixels: Path) -> int | None:
    """How many rows of the decoded store in a file show wanted pictures, None where it is unfinished or damaged.

    Changed copies are looked for only where there are no equal ones: one picture decides what becomes of the store.
    """
    place = store_at(pixels)
    stored = place.load(memory_bytes=MEMORY_BYTES) if place is not None else None
    if stored is None:
        return None
    store = PictureStore(stored.pixels, row_hashes=stored.row_hashes, unreadable=stored.unreadable)
    return len(wanted.equal_in(store)) or len(wanted.rows_in(store))


def in_files(wanted: Wanted, files: Sequence[Path]) -> list[Path]:
    """The picture files that show wanted pictures."""
    return [files[row] for row in wanted.rows_of(_Files(files))] if files else []


def in_table(wanted: Wanted, place: Path) -> int:
    """How many pictures in a table (a parquet file, a saved data set) show wanted pictures.

    Raises:
        DataError: it cannot be read.
    """
    found = 0
    for part in open_parts(str(place)):
        for column in set(part.columns) - set(part.scalars):
            cells = _column(part, column)
            found += len(wanted.rows_of(cells)) if cells is not None else 0
    return found


def _column(part: Part, column: str) -> TablePictures | None:
    """The pictures of a column; None where it holds something else."""
    try:
        count = sum(len(batch) for batch in TablePictures([part], column, 0).batches(SIDE))
    except DataError:
        return None
    return TablePictures([part], column, count)


def _rows(store: PictureStore, hashes: Array) -> list[int]:
    """Rows whose pixels have one of these hashes; those that could not be decoded have none."""
    known = {bytes(one) for one in hashes}
    rows = (row for row, found in enumerate(store.row_hashes) if bytes(found) in known)
    return [row for row in rows if row not in store.unreadable]


def _everything(store: PictureStore) -> PictureSet:
    """The readable pictures of a store, of which nothing else is known; positions are rows."""
    n = len(store)
    return PictureSet(
        store, torch.arange(n), torch.zeros(n, 1, dtype=torch.int64), np.arange(n).astype(np.str_), None, UNLABELLED
    )


class _Held:
    """Encoded pictures in memory."""

    def __init__(self, held: Sequence[bytes]) -> None:
        self._held = held

    def __len__(self) -> int:
        return len(self._held)

    def batches(self, size: int) -> Iterator[Sequence[bytes | Missing]]:
        for start in range(0, len(self._held), size):
            yield self._held[start : start + size]


class _Files:
    """The pictures in files."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files

    def __len__(self) -> int:
        return len(self._files)

    def batches(self, size: int) -> Iterator[Sequence[bytes | Missing]]:
        for start in range(0, len(self._files), size):
            yield [_bytes(file) for file in self._files[start : start + size]]


def _bytes(file: Path) -> bytes | Missing:
    try:
        return file.read_bytes() if file.stat().st_size <= PICTURE_BYTES else Missing("too large")
    except OSError as error:
        return Missing(error.strerror or "cannot be read")
