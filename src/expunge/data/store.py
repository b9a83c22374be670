"""Decoded pictures, once: encoded bytes stream in, a uint8 store that answers batches of rows comes out.

The store is keyed by the encoded bytes, the size, the channels and the decoder, and reused from a cache folder.
No label, no person and no file format enters; encoded bytes come batch by batch, so anonymous memory stays small.
"""

from __future__ import annotations

import hashlib
import mmap
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
import torch
from torch import Tensor

from expunge.data.decode import Pixels, UnreadablePicture, decode, decoder_name
from expunge.data.storefile import HASH_BYTES, Shape, StoreFile, hash_row, map_pixels, warm_up, write_batches
from expunge.errors import DataError

BATCH = 64
MAX_THREADS = 8
MEMORY_BYTES = 1 << 30
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Missing:
    """Stands in for the bytes of a picture that could not be fetched."""

    reason: str


class EncodedPictures(Protocol):
    """Encoded pictures in a fixed order, streamed; may be streamed more than once."""

    def __len__(self) -> int: ...

    def batches(self, size: int) -> Iterator[Sequence[bytes | Missing]]:
        """All pictures in order, in lists of at most `size`."""
        ...


class PictureStore:
    """Decoded pictures of one size, read by row; a `PixelSource`.

    Args:
        pixels: uint8 [n, height, width, channels], in memory or mapped.
        row_hashes: uint8 [n, 16], SHA-256 (first 16 bytes) of each decoded picture; computed on demand where None.
        unreadable: why a row could not be decoded (its pixels are 0), by row.

    Example:
        >>> store = PictureStore(np.zeros((5, 4, 4, 3), np.uint8))
        >>> store.read(torch.tensor([4, 0])).shape
        torch.Size([2, 3, 4, 4])
    """

    def __init__(
        self, pixels: Pixels, *, row_hashes: Pixels | None = None, unreadable: Mapping[int, str] | None = None
    ) -> None:
        if pixels.dtype != np.uint8 or pixels.ndim != 4:
            raise DataError("pixels", expected="uint8 [n, h, w, c]", came=f"{pixels.dtype} {list(pixels.shape)}")
        self.pixels = pixels if pixels.flags.c_contiguous else np.ascontiguousarray(pixels)
        self.n, self.height, self.width, self.channels = self.pixels.shape
        self.unreadable = dict(unreadable or {})
        self._row_hashes = row_hashes
        self._map: mmap.mmap | None = getattr(self.pixels, "_mmap", None)
        with warnings.catch_warnings():  # a read-only array is fine: rows are only ever copied out of it
            warnings.simplefilter("ignore", UserWarning)
            self._flat = torch.from_numpy(self.pixels).view(self.n, self.height * self.width * self.channels)

    def __len__(self) -> int:
        return int(self.n)

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process, pixels that are mapped from a file by name are mapped there again, not copied."""
        known, path = self._row_hashes, getattr(self.pixels, "filename", None)
        pixels = np.asarray(self.pixels) if path is None else Path(path)
        return _reopened, (pixels, self.pixels.shape, known, self.unreadable)

    def read(self, rows: Tensor) -> Tensor:
        """Pixels of `rows` (int64 [b]) as uint8 [b, C, H, W] in channels_last order, 0..255; always a copy."""
        rows = rows.to("cpu")
        self.announce(rows)
        picked = self._flat.index_select(0, rows)
        return picked.view(-1, self.height, self.width, self.channels).permute(0, 3, 1, 2)

    def announce(self, rows: Tensor) -> None:
        """Ask the system for all rows at once: one page fault after the other would wait for the disk each time.

        Returns at once; of rows announced before they are needed, the disk is not waited for at all.
        """
        if self._map is None or not hasattr(mmap, "MADV_WILLNEED"):
            return
        row = self.pixels[0].nbytes
        for start in (rows.to("cpu") * row).tolist():
            if 0 <= start < self.pixels.nbytes:  # the gather itself refuses the others
                page = start - start % mmap.PAGESIZE
                self._map.madvise(mmap.MADV_WILLNEED, page, start + row - page)

    @cached_property
    def row_hashes(self) -> Pixels:
        """uint8 [n, 16]: equal rows are equal pictures."""
        if self._row_hashes is not None:
            return self._row_hashes
        return np.stack([hash_row(p) for p in self.pixels]) if self.n else np.empty((0, HASH_BYTES), np.uint8)

    @cached_property
    def content_hash(self) -> str:
        """Hexadecimal SHA-256 over the shape and all row hashes: equal stores hold equal pixels."""
        shape = np.array(self.pixels.shape, np.int64)
        return hashlib.sha256(shape.tobytes() + self.row_hashes.tobytes()).hexdigest()


def _reopened(
    pixels: Pixels | Path, shape: Shape, row_hashes: Pixels | None, unreadable: Mapping[int, str]
) -> PictureStore:
    found = map_pixels(pixels, shape) if isinstance(pixels, Path) else pixels
    return PictureStore(found, row_hashes=row_hashes, unreadable=unreadable)


def open_store(
    encoded: EncodedPictures,
    *,
    size: tuple[int, int],
    channels: int,
    cache: Path | None = None,
    memory_bytes: int = MEMORY_BYTES,
    progress: Progress | None = None,
) -> PictureStore:
    """Decode pictures once; the next call with the same bytes, size, channels and decoder reads the cache.

    Args:
        encoded: the pictures; streamed once for the key (with a cache) and once for decoding.
        size: height and width in pixels.
        channels: 3 (RGB) or 1 (grey).
        cache: folder of stores; without one nothing is kept for the next run.
        memory_bytes: a larger store is mapped from its file (without a cache: from a nameless temporary file).
        progress: called as `progress(done, total)` after each decoded batch.

    Returns:
        The store; rows that could not be decoded are in `store.unreadable` and are 0.

    Raises:
        DataError: size or channels that cannot be, or a cache that cannot be written.
    """
    if channels not in (1, 3):
        raise DataError("channels", expected="1 or 3", came=str(channels))
    if len(size) != 2 or min(size) < 1:
        raise DataError("size", expected="a positive height and width", came=str(size))
    shape = (len(encoded), size[0], size[1], channels)
    work = _Decoding(encoded, size, channels, progress)
    if cache is None:
        return keep_pixels(work, shape=shape, memory_bytes=memory_bytes, unreadable=work.unreadable)
    key = store_key(encoded, size=size, channels=channels)
    return keep_pixels(work, shape=shape, memory_bytes=memory_bytes, unreadable=work.unreadable, cache=cache, key=key)


def keep_pixels(
    batches: Iterable[tuple[Pixels, Pixels]],
    *,
    shape: Shape,
    memory_bytes: int = MEMORY_BYTES,
    unreadable: Mapping[int, str] | None = None,
    cache: Path | None = None,
    key: str = "",
) -> PictureStore:
    """A store from batches of pixels; what is in `cache` under `key` already is not asked for again.

    Args:
        batches: (pixels uint8 [b, h, w, c], row hashes uint8 [b, 16]); `hashed` adds the hashes.
        shape: pictures, height, width, channels of all batches together.
        memory_bytes: a larger store is mapped from its file.
        unreadable: reasons by row; read after the last batch.
        cache: folder of stores, or None.
        key: hexadecimal name of this content in `cache`.

    Raises:
        DataError: the cache cannot be written.
    """
    unreadable = {} if unreadable is None else unreadable
    if cache is not None:
        return _cached(StoreFile(cache, key, shape), batches, unreadable, memory_bytes)
    if int(np.prod(shape, dtype=np.int64)) > memory_bytes:
        with tempfile.TemporaryFile() as file:
            hashes = write_batches(cast(BinaryIO, file), batches)
            file.flush()
            return PictureStore(map_pixels(cast(BinaryIO, file), shape), row_hashes=hashes, unreadable=unreadable)
    pixels, hashes = np.empty(shape, np.uint8), np.empty((shape[0], HASH_BYTES), np.uint8)
    done = 0
    for batch, rows in batches:
        pixels[done : done + len(batch)], hashes[done : done + len(batch)] = batch, rows
        done += len(batch)
    return PictureStore(pixels, row_hashes=hashes, unreadable=unreadable)


def hashed(chunks: Iterable[Pixels]) -> Iterator[tuple[Pixels, Pixels]]:
    """Batches of pixels with their row hashes, as `keep_pixels` wants them."""
    for pixels in chunks:
        yield pixels, np.stack([hash_row(picture) for picture in pixels])


def store_key(encoded: EncodedPictures, *, size: tuple[int, int], channels: int) -> str:
    """Hexadecimal key of the decoded store: encoded bytes in order, size, channels, decoder."""
    digest = hashlib.sha256(f"{decoder_name()}|{size[0]}x{size[1]}x{channels}|{len(encoded)}".encode())
    for batch in encoded.batches(BATCH):
        for data in batch:
            digest.update(b"missing" if isinstance(data, Missing) else len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:40]


def _cached(
    file: StoreFile, batches: Iterable[tuple[Pixels, Pixels]], unreadable: Mapping[int, str], memory_bytes: int
) -> PictureStore:
    stored = file.load(memory_bytes=memory_bytes)
    if stored is None:
        file.save(batches, unreadable)
        stored = file.load(memory_bytes=memory_bytes)
    if stored is None:
        raise DataError("cache", expected="the store just written", came="a damaged file", remedy="check that disk")
    if isinstance(stored.pixels, np.memmap):
        warm_up(file.pixels_path)
    return PictureStore(stored.pixels, row_hashes=stored.row_hashes, unreadable=stored.unreadable)


@dataclass
class _Decoding:
    """All pictures, decoded batch by batch in threads (Pillow and hashing let go of the interpreter lock)."""

    encoded: EncodedPictures
    size: tuple[int, int]
    channels: int
    progress: Progress | None
    unreadable: dict[int, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[Pixels, Pixels]]:
        done, total = 0, len(self.encoded)
        with ThreadPoolExecutor(min(MAX_THREADS, torch.get_num_threads())) as threads:
            for batch in self.encoded.batches(BATCH):
                decoded = list(threads.map(self._one, batch))
                self.unreadable.update({done + i: reason for i, (_, _, reason) in enumerate(decoded) if reason})
                yield np.stack([pixels for pixels, _, _ in decoded]), np.stack([row for _, row, _ in decoded])
                done += len(batch)
                if self.progress is not None:
                    self.progress(done, total)

    def _one(self, data: bytes | Missing) -> tuple[Pixels, Pixels, str]:
        reason = ""
        try:
            if isinstance(data, Missing):
                raise UnreadablePicture(data.reason)
            pixels = decode(data, size=self.size, channels=self.channels)
        except UnreadablePicture as error:
            pixels, reason = np.zeros((*self.size, self.channels), np.uint8), str(error)
        return pixels, hash_row(pixels), reason
