"""Files of evidence: read with a limit, written whole or not at all, secret ones for their owner alone.

Paths flow in; bytes and hashes flow out. What the files mean is not known here.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from expunge.errors import InputError

SECRET, PUBLIC = 0o600, 0o644
OTHERS = 0o077
PICTURE_BYTES = 64 << 20


def read_file(path: Path, field: str, *, most: int) -> bytes:
    """The bytes of a file.

    Args:
        path: where. field: what it is, for people. most: a larger file is not read.

    Raises:
        InputError: it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        raise InputError(field, expected="a readable file", came=f"{str(path)!r} ({_reason(error)})") from None
    if len(data) > most:
        raise InputError(field, expected=f"at most {most} bytes", came=f"more in {path}")
    return data


def write_new(path: Path, data: bytes, field: str, *, mode: int = PUBLIC) -> None:
    """Write a file where none is, so that it is either whole or absent.

    Raises:
        InputError: there is one already, or none can be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        _write(part, data, mode)
        try:
            # a link fails where the name is taken; a rename would replace what is there
            os.link(part, path)
        finally:
            part.unlink()
    except FileExistsError:
        raise InputError(field, expected="a new file", came=f"{path}, which is there already") from None
    except OSError as error:
        raise InputError(field, expected="a place that can be written", came=f"{path} ({_reason(error)})") from None


def replace_file(path: Path, data: bytes, *, mode: int = PUBLIC) -> None:
    """Write a file over the one that is there, so that a reader finds either the old or the new one.

    Raises:
        InputError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.unlink(missing_ok=True)
        _write(part, data, mode)
        os.replace(part, path)
    except OSError as error:
        raise InputError(path.name, expected="a place that can be written", came=f"{path} ({_reason(error)})") from None


def check_private(path: Path, field: str) -> None:
    """Refuse a secret that others may read.

    Raises:
        InputError: its mode lets others in.
    """
    if path.exists() and path.stat().st_mode & OTHERS:
        mode = f"{path.stat().st_mode & 0o777:o}"
        raise InputError(field, expected="a file for you alone (mode 600)", came=mode, remedy=f"chmod 600 {path}")


def hash_files(directory: Path, field: str) -> dict[str, str]:
    """SHA-256 of every file below a directory, by its name with `/` between folders, in order of the names.

    Raises:
        InputError: no such directory, no file in it, a link, or something that cannot be read.
    """
    if not directory.is_dir():
        raise InputError(field, expected="a directory", came=str(directory))
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(directory, followlinks=False):
        for name in (*folders, *files):
            place = Path(folder, name)
            # a link could lead to other bytes tomorrow without a change in here
            if place.is_symlink() or not (place.is_dir() or place.is_file()):
                raise InputError(field, expected="files and folders only", came=f"{str(place)!r}")
        for name in files:
            place = Path(folder, name)
            found[place.relative_to(directory).as_posix()] = hash_file(place, field)
    if not found:
        raise InputError(field, expected="at least one file", came=f"an empty {directory}")
    return dict(sorted(found.items()))


def hash_file(path: Path, field: str) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise InputError(field, expected="a readable file", came=f"{str(path)!r} ({_reason(error)})") from None


def _write(path: Path, data: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).lower()
