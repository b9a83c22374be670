"""How a picture store lies on disk: one file of pixels and row hashes, one small manifest written last.

Arrays and hashes go in and come out; a file that is short, torn or from elsewhere is answered with None, never used.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from expunge.data.decode import Pixels
from expunge.errors import DataError

HASH_BYTES = 16
FORMAT = 1
SAMPLED_ROWS = 64
STALE_SECONDS = 3600.0
WARM_BYTES = 8 << 20

Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Stored:
    """What a store file holds: pixels [n, h, w, c], row hashes [n, 16], reasons by unreadable row."""

    pixels: Pixels
    row_hashes: Pixels
    unreadable: Mapping[int, str]


def hash_row(picture: Pixels) -> Pixels:
    """First 16 bytes of the SHA-256 of one decoded picture, uint8 [16]."""
    digest = hashlib.sha256(np.ascontiguousarray(picture).data).digest()[:HASH_BYTES]
    return np.frombuffer(digest, dtype=np.uint8)


@dataclass(frozen=True)
class StoreFile:
    """The place of one store: `<key>.pixels` (pixels, then row hashes) and `<key>.json` in `folder`.

    Args:
        folder: the cache folder; made when first written to.
        key: hexadecimal name that stands for content, size, channels and decoder.
        shape: pictures, height, width, channels.
    """

    folder: Path
    key: str
    shape: Shape

    @property
    def pixels_path(self) -> Path:
        """The file of pixels, with the row hashes behind them."""
        return self.folder / f"{self.key}.pixels"

    @property
    def manifest_path(self) -> Path:
        """The manifest; a pixel file without it counts as never written."""
        return self.folder / f"{self.key}.json"

    @property
    def pixel_bytes(self) -> int:
        """Bytes of the pixels alone."""
        return int(np.prod(self.shape, dtype=np.int64))

    def save(self, batches: Iterable[tuple[Pixels, Pixels]], unreadable: Mapping[int, str]) -> None:
        """Write batches of (pixels, row hashes) atomically; `unreadable` is read after the last batch.

        Raises:
            DataError: the disk is full or the folder cannot be written.
        """
        with _writing(self.folder, self.pixel_bytes):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            with _replacing(self.pixels_path) as file:
                hashes = write_batches(file, batches)
                file.write(hashes.tobytes())
            manifest = {
                "format": FORMAT,
                "shape": list(self.shape),
                "hashes": hashlib.sha256(hashes.tobytes()).hexdigest(),
                "unreadable": {str(row): reason for row, reason in unreadable.items()},
            }
            with _replacing(self.manifest_path) as file:
                file.write(json.dumps(manifest).encode())

    def load(self, *, memory_bytes: int) -> Stored | None:
        """What is stored, in memory up to `memory_bytes` and mapped beyond; None where it is missing or damaged.

        Pixels read into memory are all checked against their hashes, of mapped ones an even sample.
        """
        manifest = self._manifest()
        if manifest is None:
            return None
        hashes = np.fromfile(self.pixels_path, dtype=np.uint8, offset=self.pixel_bytes).reshape(-1, HASH_BYTES)
        if hashlib.sha256(hashes.tobytes()).hexdigest() != manifest["hashes"]:
            return None
        mapped = self.pixel_bytes > memory_bytes
        pixels = map_pixels(self.pixels_path, self.shape) if mapped else self._in_memory()
        rows = _sample(len(pixels)) if mapped else range(len(pixels))
        if any(not np.array_equal(hash_row(pixels[row]), hashes[row]) for row in rows):
            return None
        return Stored(pixels, hashes, manifest["unreadable"])

    def _in_memory(self) -> Pixels:
        return np.fromfile(self.pixels_path, dtype=np.uint8, count=self.pixel_bytes).reshape(self.shape)

    def _manifest(self) -> dict[str, Any] | None:
        try:
            manifest: dict[str, Any] = json.loads(self.manifest_path.read_bytes())
            size = self.pixels_path.stat().st_size
            fits = manifest["format"] == FORMAT and manifest["shape"] == list(self.shape)
            reasons = {int(row): str(reason) for row, reason in manifest["unreadable"].items()}
            known = "hashes" in manifest and all(0 <= row < self.shape[0] for row in reasons)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        manifest["unreadable"] = reasons
        return manifest if fits and known and size == self.pixel_bytes + self.shape[0] * HASH_BYTES else None

    def _sweep(self) -> None:
        """Remove what killed writers left behind; young files may belong to a living one."""
        for path in self.folder.glob("*.tmp"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE_SECONDS:
                    path.unlink()


def store_at(pixels: Path) -> StoreFile | None:
    """The store whose file of pixels this is; None where its manifest is missing or no manifest."""
    place = StoreFile(pixels.parent, pixels.stem, (0, 0, 0, 0))
    try:
        n, height, width, channels = map(int, json.loads(place.manifest_path.read_bytes())["shape"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return replace(place, shape=(n, height, width, channels))


def map_pixels(file: Path | BinaryIO, shape: Shape) -> Pixels:
    """The pixels of a file, mapped; private (copy-on-write), so that nothing in memory can change the file."""
    return np.memmap(file, dtype=np.uint8, mode="c", shape=shape)


def warm_up(path: Path) -> threading.Thread | None:
    """Read a file once from front to back in the background, so that rows in random order need not wait for the disk.

    The pages belong to the system, which takes them back when it needs them. Nothing is done, and None is the answer,
    where the file is larger than half of the machine's memory.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    if path.stat().st_size > memory // 2:
        return None
    thread = threading.Thread(target=_read_through, args=(path,), name="expunge-warm-up", daemon=True)
    thread.start()
    return thread


def _read_through(path: Path) -> None:
    buffer = bytearray(WARM_BYTES)
    with suppress(OSError), path.open("rb", buffering=0) as file:  # a file that went away needs no warming
        while file.readinto(buffer):
            pass


def write_batches(file: BinaryIO, batches: Iterable[tuple[Pixels, Pixels]]) -> Pixels:
    """Append the pixels of all batches to `file`; returns the row hashes, uint8 [n, 16]."""
    hashes = [np.empty((0, HASH_BYTES), np.uint8)]
    for pixels, rows in batches:
        # written, not mapped: a full disk is then an error and not a killed process
        file.write(np.ascontiguousarray(pixels).data)
        hashes.append(rows)
    return np.concatenate(hashes)


def _sample(n: int) -> list[int]:
    return sorted(set(np.linspace(0, n - 1, min(n, SAMPLED_ROWS)).astype(int).tolist()))


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A temporary file beside `path` that takes its place when the block ends well."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{time.time_ns()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _writing(folder: Path, needed_bytes: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise DataError(
            "cache",
            expected=f"{needed_bytes:,} free bytes in {folder}" if full else f"a folder that can be written ({folder})",
            came=error.strerror or str(error),
            remedy="free some space, or name another cache folder" if full else "name another cache folder",
        ) from error
