"""Pictures as their source holds them, and their hashes: the encoded bytes, before anything is decoded.

A `DataSpec` and rows flow in, bytes flow out. Whoever has the same file as the source can compute the same hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from expunge.data.encoded import TablePictures
from expunge.data.published import published_parts
from expunge.data.sources import DataSpec
from expunge.data.store import Missing
from expunge.data.tables import open_parts
from expunge.errors import DataError

BATCH = 64


def encoded_digests(spec: DataSpec, rows: Sequence[int]) -> list[bytes]:
    """SHA-256 of the encoded pictures in some rows of a table.

    The encoded bytes are those in the table, or in the file that the table names.

    Args:
        spec: where the pictures are. rows: of the table, from 0; as in `PictureSet.rows`.

    Returns:
        32 bytes for each row, in the order of `rows`.

    Raises:
        DataError: a row is not there, or its picture cannot be read.
    """
    return _of_rows(spec, rows, lambda cell: hashlib.sha256(cell).digest())


def encoded_pictures(spec: DataSpec, rows: Sequence[int]) -> list[bytes]:
    """The encoded pictures in some rows of a table, whole; otherwise as `encoded_digests`.

    Raises:
        DataError: a row is not there, or its picture cannot be read.
    """
    return _of_rows(spec, rows, lambda cell: cell)


def _of_rows(spec: DataSpec, rows: Sequence[int], take: Callable[[bytes], bytes]) -> list[bytes]:
    wanted, found = set(rows), dict[int, bytes]()
    parts = published_parts(spec.path) or open_parts(spec.path, config=spec.config)
    if spec.root is not None:
        parts = [replace(part, root=Path(spec.root)) for part in parts]
    row = 0
    for batch in TablePictures(parts, spec.image, 0).batches(BATCH):
        for cell in batch:
            if row in wanted and not isinstance(cell, Missing):
                found[row] = take(cell)
            row += 1
    absent = [row for row in rows if row not in found]
    if absent:
        raise DataError(spec.image, expected=f"a readable picture in row {absent[0]}", came="none")
    return [found[row] for row in rows]
