"""The encoded pictures of a table, streamed: bytes where the table holds them, files where it holds paths.

Table parts come in, bytes go to `store`. A path may not leave its root, whatever the table says.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from expunge.data.store import Missing
from expunge.data.tables import Part
from expunge.errors import DataError


class TablePictures:
    """The encoded pictures of a table, streamed; `paths` are known once they have been streamed."""

    def __init__(self, parts: Sequence[Part], column: str, n: int) -> None:
        self._parts, self._column, self._n = parts, column, n
        self.paths: list[str] = []

    def __len__(self) -> int:
        return self._n

    def batches(self, size: int) -> Iterator[list[bytes | Missing]]:
        self.paths.clear()
        for part in self._parts:
            root = None if part.root is None else os.path.realpath(part.root)
            for batch in part.read([self._column], size):
                cells = [_cell(self._column, cell) for cell in batch[self._column]]
                self.paths.extend(path for _, path in cells)
                yield [_fetch(self._column, data, path, root) for data, path in cells]


def _cell(column: str, cell: object) -> tuple[bytes | None, str]:
    """Encoded bytes and path of a cell, each as far as it is there."""
    if isinstance(cell, Mapping) and "bytes" in cell:
        return cell["bytes"], cell.get("path") or ""
    if isinstance(cell, bytes):
        return cell, ""
    if isinstance(cell, str) or cell is None:
        return None, cell or ""
    raise DataError(column, expected="encoded pictures or paths", came=f"a column of {type(cell).__name__}")


def _fetch(column: str, data: bytes | None, path: str, root: str | None) -> bytes | Missing:
    if data is not None:
        return data
    if not path:
        return Missing("no picture in the table")
    if "\0" in path:
        return Missing("a path with NUL")
    place = os.path.realpath(path if root is None else os.path.join(root, path))
    # a table from elsewhere must not make us read files outside its folder
    if root is not None and os.path.commonpath([root, place]) != root:
        remedy = "set root to the folder that holds them"
        raise DataError(column, expected=f"paths inside {root}", came=repr(path), remedy=remedy)
    try:
        if not stat.S_ISREG(os.stat(place).st_mode):  # a pipe would be waited for, a device never ends
            return Missing("not a file")
        return Path(place).read_bytes()
    except OSError as error:
        return Missing(error.strerror or "cannot be read")
