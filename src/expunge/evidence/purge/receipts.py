"""Receipts of what was deleted: two lines in a file for each deletion, one before and one after it.

Whoever is killed in between leaves the first line alone; the next purge sees whether the file is gone and writes the
second one. So there is a receipt for exactly what was deleted, however often it was tried.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from expunge.errors import RunDirectoryError
from expunge.evidence.purge.inventory import Item
from expunge.evidence.purge.places import opened

FIELD = "receipts"
BEFORE, AFTER = "deleting", "deleted"


@dataclass(frozen=True)
class Receipt:
    """A deleted file: what it was, where, and what it held."""

    what: str
    kind: str
    sha256: str
    bytes: int


class Receipts:
    """The receipts of one run, for one process at a time.

    Args:
        file: open for reading and appending, and locked.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lines = list(_read(file))
        self._settle()

    @property
    def all(self) -> list[Receipt]:
        """What was deleted, now or before, in order."""
        return [receipt for state, receipt in self._lines if state == AFTER]

    def delete(self, item: Item, root: Path) -> bool:
        """Delete a file below a root, with a receipt; False where it was gone already.

        Raises:
            InputError: it lies outside the root, or behind a link.
        """
        with opened(item.path, root) as found:
            if found is None:
                return False
            receipt = Receipt(str(item.path), item.kind, found.sha256, found.bytes)
            self._write(BEFORE, receipt)
            found.unlink()
        self._write(AFTER, receipt)
        return True

    def _settle(self) -> None:
        """What was about to be deleted when somebody was killed: if it is gone, it was."""
        if self._lines and self._lines[-1][0] == BEFORE and not os.path.lexists(self._lines[-1][1].what):
            self._write(AFTER, self._lines[-1][1])

    def _write(self, state: str, receipt: Receipt) -> None:
        self._file.write(json.dumps({"state": state, **vars(receipt)}).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._lines.append((state, receipt))


@contextmanager
def receipts_at(path: Path) -> Iterator[Receipts]:
    """The receipts in a file, which is made where there is none.

    Raises:
        RunDirectoryError: another process is at it, or it is no file of receipts.
    """
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunDirectoryError(FIELD, expected="no other purge at work", came=f"{path}, which is in use") from None
        yield Receipts(file)


def _read(file: BinaryIO) -> Iterator[tuple[str, Receipt]]:
    file.seek(0)
    lines = file.readlines()
    if lines and not lines[-1].endswith(b"\n"):  # somebody was killed while writing it
        file.truncate(sum(map(len, lines[:-1])))
        lines.pop()
    for number, line in enumerate(lines, start=1):
        try:
            found: dict[str, Any] = json.loads(line)
            state = str(found.pop("state"))
            yield state, Receipt(**found)
        except (ValueError, KeyError, TypeError, AttributeError):
            expected = "lines as they were written"
            raise RunDirectoryError(FIELD, expected=expected, came=f"another one, number {number}") from None
