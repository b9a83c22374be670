"""The files of a data set as it was given out: a folder, or a zip that is read where it lies and never unpacked.

A path flows in; texts and cells of an image column flow out. What a zip says about itself is never trusted.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Protocol

from expunge.data.store import Missing
from expunge.errors import DataError

TEXT_BYTES, PICTURE_BYTES = 64 << 20, 64 << 20  # far above any list or face, far below what would fill a memory
DAMAGED = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError)


class Files(Protocol):
    """Files by their names, relative to a top and with `/` between folders."""

    @property
    def place(self) -> Path:
        """Where all of them are."""
        ...

    @property
    def root(self) -> Path | None:
        """The folder that cells which are paths start from; None where cells hold the pictures themselves."""
        ...

    def folders(self) -> list[str]:
        """Names of the folders at the top."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def text(self, name: str) -> str:
        """What a file of text says."""
        ...

    def cell(self, name: str) -> object:
        """The picture of that name, as a cell of an image column."""
        ...


def open_files(place: Path, what: str) -> Files:
    """The files of a folder or a zip.

    Args:
        place: where it is. what: the data set, for people.

    Raises:
        DataError: neither of them, or a zip that is damaged or names files where none may be.
    """
    # unlike the methods of Path these also answer where a name is longer than any file's
    if os.path.isdir(place):
        return FolderFiles(place)
    if os.path.isfile(place) and zipfile.is_zipfile(place):
        return ZipFiles(place)
    came = f"{place}, which is {'another kind of file' if os.path.exists(place) else 'not there'}"
    raise DataError("data", expected=f"the folder or zip of {what}", came=came)


class FolderFiles:
    """The files of a folder."""

    def __init__(self, place: Path) -> None:
        self.place, self.root = place, place

    def folders(self) -> list[str]:
        return sorted(one.name for one in self.place.iterdir() if one.is_dir())

    def has(self, name: str) -> bool:
        return (self.place / name).is_file()

    def text(self, name: str) -> str:
        try:
            file = self.place / name
            _check_size(file.stat().st_size, TEXT_BYTES, str(file))
            return _decoded(file.read_bytes(), str(file))
        except OSError as error:
            raise DataError("data", expected=f"a readable {name}", came=f"{error.strerror}") from None

    def cell(self, name: str) -> object:
        return name


class ZipFiles:
    """The files of a zip.

    Raises:
        DataError: it is damaged, a name in it would leave the folder it is unpacked to, or two files share a name.
    """

    root = None

    def __init__(self, place: Path) -> None:
        self.place = place
        try:
            self._zip = zipfile.ZipFile(place)
        except DAMAGED as error:
            raise DataError("data", expected="a readable zip", came=f"{place} ({error})") from None
        self._members = {one.filename: one for one in self._zip.infolist() if not one.is_dir()}
        _check_names([one.filename for one in self._zip.infolist()], place)

    def folders(self) -> list[str]:
        return sorted({name.partition("/")[0] for name in self._members if "/" in name})

    def has(self, name: str) -> bool:
        return name in self._members

    def text(self, name: str) -> str:
        where = f"{name} in {self.place}"
        _check_size(self._members[name].file_size, TEXT_BYTES, where)
        try:
            return _decoded(self._zip.read(name), where)
        except DAMAGED as error:
            raise DataError("data", expected=f"a readable {name}", came=f"{error} ({self.place})") from None

    def cell(self, name: str) -> object:
        return {"bytes": self._bytes(name), "path": name}

    def _bytes(self, name: str) -> bytes | Missing:
        member = self._members.get(name)
        if member is None:
            return Missing("not in the zip")
        # reading stops at the size that is stated here, whatever the compressed bytes would become
        if member.file_size > PICTURE_BYTES:
            return Missing(f"{member.file_size} bytes are more than {PICTURE_BYTES}")
        try:
            return self._zip.read(name)
        except DAMAGED as error:
            return Missing(" ".join(str(error).split()) or type(error).__name__)


def _check_names(names: list[str], place: Path) -> None:
    if len(set(names)) != len(names):
        raise DataError("data", expected="every name once in the zip", came=f"{_twice(names)!r} twice in {place}")
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise DataError("data", expected="names inside the zip's own folder", came=f"{name!r} in {place}")


def _twice(names: list[str]) -> str:
    seen: set[str] = set()
    return next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def _check_size(size: int, most: int, where: str) -> None:
    if size > most:
        raise DataError("data", expected=f"a list of at most {most} bytes", came=f"{size} ({where})")


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("data", expected="text in UTF-8", came=f"other bytes ({where})") from None
