"""Folders in which a purge may look and delete: never through a link, never outside.

Roots flow in, files flow out; a file is deleted relative to its root, folder by folder, so that a link that appears in
the meantime leads nowhere.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from expunge.errors import InputError

FIELD = "root (--root)"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@dataclass(frozen=True)
class Walked:
    """What lies below the roots.

    Args:
        files: regular files. links: links, which were not followed. closed: files and folders that cannot be read.
    """

    files: tuple[Path, ...]
    links: tuple[Path, ...]
    closed: tuple[Path, ...]


@dataclass(frozen=True)
class Opened:
    """A file about to be deleted: nobody can put another one in its place unnoticed."""

    folder: int
    name: str
    sha256: str
    bytes: int

    def unlink(self) -> None:
        """Delete it, and make that last.

        Raises:
            InputError: it cannot be deleted.
        """
        try:
            os.unlink(self.name, dir_fd=self.folder)
            os.fsync(self.folder)
        except OSError as error:
            raise InputError(
                FIELD, expected="files that can be deleted", came=f"{self.name} ({error.strerror})"
            ) from None


def roots_of(places: Sequence[Path]) -> tuple[Path, ...]:
    """The folders as they really are, without those that lie in another one.

    Raises:
        InputError: one is no folder, or is the whole file system.
    """
    found = []
    for place in places:
        real = place.resolve()
        if not real.is_dir() or real == real.parent:
            came = f"{place}, the whole file system" if real.is_dir() else str(place)
            raise InputError(FIELD, expected="an existing folder", came=came)
        found.append(real)
    outer = [one for one in found if not any(other in one.parents for other in found)]
    return tuple(dict.fromkeys(outer))


def root_around(path: Path, roots: Sequence[Path]) -> Path | None:
    """The root in which a path really lies, or None."""
    real = path.resolve()
    return next((root for root in roots if root == real or root in real.parents), None)


def walk(roots: Sequence[Path]) -> Walked:
    """All regular files below the roots, in order; links are listed and not followed."""
    files, links, closed = list[Path](), list[Path](), list[Path]()
    for root in roots:
        for folder, folders, names in os.walk(root, onerror=lambda error: closed.append(Path(str(error.filename)))):
            links += [Path(folder, name) for name in folders if Path(folder, name).is_symlink()]
            for name in names:
                place = Path(folder, name)
                mode = place.lstat().st_mode
                if stat.S_ISREG(mode):
                    (files if os.access(place, os.R_OK) else closed).append(place)
                elif stat.S_ISLNK(mode):
                    links.append(place)
    return Walked(tuple(sorted(files)), tuple(sorted(links)), tuple(sorted(closed)))


@contextmanager
def opened(path: Path, root: Path) -> Iterator[Opened | None]:
    """The file at a path below a root, hashed and ready to be deleted; None where there is no such file (any more).

    Raises:
        InputError: it lies outside the root or behind a link, or cannot be read.
    """
    if root not in path.parents or ".." in path.parts:
        raise InputError(FIELD, expected=f"a file below {root}", came=str(path))
    with ExitStack() as held:
        try:
            found = _open(path, root, held)
        except FileNotFoundError:
            found = None
        except OSError as error:
            expected = f"a file below {root}, not behind a link"
            raise InputError(FIELD, expected=expected, came=f"{path} ({error.strerror})") from None
        yield found


def _open(path: Path, root: Path, held: ExitStack) -> Opened:
    folder = os.open(root, FOLDER)
    held.callback(os.close, folder)
    for part in path.relative_to(root).parts[:-1]:
        folder = os.open(part, FOLDER, dir_fd=folder)
        held.callback(os.close, folder)
    with os.fdopen(os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Opened(folder, path.name, digest, os.fstat(file.fileno()).st_size)
