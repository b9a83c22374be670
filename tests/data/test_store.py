"""The store: decoding, keys, reuse, and that nothing torn is ever used again."""

from __future__ import annotations

import errno
import hashlib
import json
import mmap
import os
import pickle
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from expunge.data import storefile
from expunge.data.decode import UnreadablePicture, decode
from expunge.data.store import Missing, PictureStore, hashed, keep_pixels, open_store, store_key
from expunge.errors import DataError

SIZE = (6, 5)


class Pictures:
    """Encoded pictures in a list, which count how often they are streamed."""

    def __init__(self, items: list[bytes | Missing]) -> None:
        self.items, self.passes = items, 0

    def __len__(self) -> int:
        return len(self.items)

    def batches(self, size: int) -> Iterator[list[bytes | Missing]]:
        self.passes += 1
        for start in range(0, len(self), size):
            yield self.items[start : start + size]


def noise(seed: int, height: int = 6, width: int = 5, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels.squeeze()).save(file, kind, **options)
    return file.getvalue()


def pictures(n: int = 70, first: int = 0) -> Pictures:
    return Pictures([encoded(noise(first + i)) for i in range(n)])


def test_pixels_come_back_as_they_were_in_channels_last_order() -> None:
    store = open_store(pictures(), size=SIZE, channels=3)
    got = store.read(torch.tensor([69, 3, 3]))
    assert got.shape == (3, 3, 6, 5) and got.is_contiguous(memory_format=torch.channels_last)
    for picture, seed in zip(got, (69, 3, 3), strict=True):
        assert np.array_equal(picture.permute(1, 2, 0).numpy(), noise(seed))


def test_reading_gives_a_copy() -> None:
    store = open_store(pictures(2), size=SIZE, channels=3)
    store.read(torch.tensor([0])).zero_()
    assert store.pixels[0].any()


@pytest.mark.parametrize("memory_bytes", [1 << 30, 0])
@pytest.mark.parametrize("cached", [True, False])
def test_mapped_or_not_cached_or_not_the_pixels_are_the_same(tmp_path: Path, memory_bytes: int, cached: bool) -> None:
    store = open_store(pictures(), size=SIZE, channels=3, cache=tmp_path if cached else None, memory_bytes=memory_bytes)
    assert isinstance(store.pixels, np.memmap) == (memory_bytes == 0)
    plain = open_store(pictures(), size=SIZE, channels=3)
    rows = torch.arange(70)
    assert torch.equal(store.read(rows), plain.read(rows))
    assert np.array_equal(store.row_hashes, plain.row_hashes) and store.content_hash == plain.content_hash


@pytest.mark.parametrize("memory_bytes", [1 << 30, 0])
@pytest.mark.parametrize("cached", [True, False])
def test_sent_to_another_process_it_holds_the_same_pixels(tmp_path: Path, memory_bytes: int, cached: bool) -> None:
    store = open_store(pictures(), size=SIZE, channels=3, cache=tmp_path if cached else None, memory_bytes=memory_bytes)
    content = pickle.dumps(store)
    again = pickle.loads(content)
    rows = torch.arange(70)
    assert torch.equal(again.read(rows), store.read(rows)) and again.content_hash == store.content_hash
    by_name = cached and memory_bytes == 0
    assert isinstance(again.pixels, np.memmap) == by_name and (len(content) < store.pixels.nbytes) == by_name


def test_the_second_time_nothing_is_decoded(tmp_path: Path) -> None:
    first = open_store(pictures(), size=SIZE, channels=3, cache=tmp_path)
    again = pictures()
    with mock.patch("expunge.data.store.decode", side_effect=AssertionError("decoded again")):
        second = open_store(again, size=SIZE, channels=3, cache=tmp_path)
    assert again.passes == 1 and second.content_hash == first.content_hash


def test_rows_of_a_mapped_store_are_asked_for_before_they_are_read(tmp_path: Path) -> None:
    store = open_store(pictures(), size=SIZE, channels=3, cache=tmp_path, memory_bytes=0)
    asked = mock.Mock()
    store._map = asked
    store.read(torch.tensor([0, 69]))
    first, last = ((start, start + length) for _, start, length in (call.args for call in asked.madvise.call_args_list))
    assert first == (0, 90)
    assert last[0] % mmap.PAGESIZE == 0 and last[0] <= 69 * 90 and last[1] == 70 * 90
    with pytest.raises(IndexError):
        store.read(torch.tensor([70]))


def test_a_mapped_file_is_warmed_up_unless_it_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100))
    thread = storefile.warm_up(tmp_path / "file")
    assert thread is not None
    thread.join(5)
    assert not thread.is_alive()
    with mock.patch("os.sysconf", return_value=10):
        assert storefile.warm_up(tmp_path / "file") is None


def test_writing_to_a_mapped_store_does_not_reach_the_file(tmp_path: Path) -> None:
    store = open_store(pictures(), size=SIZE, channels=3, cache=tmp_path, memory_bytes=0)
    before = hashlib.sha256(next(tmp_path.glob("*.pixels")).read_bytes()).hexdigest()
    store.pixels[:] = 0
    assert hashlib.sha256(next(tmp_path.glob("*.pixels")).read_bytes()).hexdigest() == before


@pytest.mark.parametrize("memory_bytes", [1 << 30, 0])
@pytest.mark.parametrize("damage", ["short", "long", "flipped", "hashes", "no manifest", "torn manifest", "no pixels"])
def test_a_damaged_store_is_decoded_anew(tmp_path: Path, damage: str, memory_bytes: int) -> None:
    good = open_store(pictures(), size=SIZE, channels=3, cache=tmp_path)
    [pixels], [manifest] = tmp_path.glob("*.pixels"), tmp_path.glob("*.json")
    data = bytearray(pixels.read_bytes())
    if damage == "short":
        pixels.write_bytes(data[:-100])
    elif damage == "long":
        pixels.write_bytes(data + b"\0")
    elif damage in ("flipped", "hashes"):
        data[5 if damage == "flipped" else -5] ^= 255
        pixels.write_bytes(data)
    elif damage == "no manifest":
        manifest.unlink()
    elif damage == "torn manifest":
        manifest.write_bytes(manifest.read_bytes()[:20])
    else:
        pixels.unlink()
    again = pictures()
    store = open_store(again, size=SIZE, channels=3, cache=tmp_path, memory_bytes=memory_bytes)
    assert again.passes == 2, "the damaged file was used"
    assert np.array_equal(store.pixels, good.pixels)


def test_a_changed_picture_changes_key_row_hash_and_content(tmp_path: Path) -> None:
    one, two = pictures(3), pictures(3)
    two.items[1] = encoded(noise(99))
    a, b = (open_store(p, size=SIZE, channels=3, cache=tmp_path) for p in (one, two))
    assert store_key(one, size=SIZE, channels=3) != store_key(two, size=SIZE, channels=3)
    assert (a.row_hashes != b.row_hashes).any(1).tolist() == [False, True, False]
    assert a.content_hash != b.content_hash


def test_the_key_knows_size_channels_order_and_decoder() -> None:
    here = pictures(3)
    keys = {store_key(here, size=size, channels=c) for size in (SIZE, (5, 6)) for c in (1, 3)}
    keys.add(store_key(Pictures(here.items[::-1]), size=SIZE, channels=3))
    with mock.patch("expunge.data.store.decoder_name", return_value="another"):
        keys.add(store_key(here, size=SIZE, channels=3))
    assert len(keys) == 6


def test_equal_pixels_in_other_files_have_equal_row_hashes() -> None:
    store = open_store(
        Pictures([encoded(noise(1)), encoded(noise(1), "BMP"), encoded(noise(2))]), size=SIZE, channels=3
    )
    assert np.array_equal(store.row_hashes[0], store.row_hashes[1])
    assert not np.array_equal(store.row_hashes[0], store.row_hashes[2])
    assert np.array_equal(store.row_hashes, PictureStore(store.pixels).row_hashes)


def test_unreadable_rows_are_named_and_blank_also_when_reused(tmp_path: Path) -> None:
    broken = pictures(4)
    broken.items[1], broken.items[3] = b"junk", Missing("no such file")
    for _ in range(2):
        store = open_store(broken, size=SIZE, channels=3, cache=tmp_path)
        assert store.unreadable == {1: "not a picture in a known format", 3: "no such file"}
        assert not store.pixels[[1, 3]].any()


def test_progress_is_told_after_every_batch() -> None:
    told: list[tuple[int, int]] = []
    open_store(pictures(70), size=SIZE, channels=3, progress=lambda done, total: told.append((done, total)))
    assert told == [(64, 70), (70, 70)]


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        mock.patch.object(storefile, "write_batches", side_effect=OSError(errno.ENOSPC, "No space left on device")),
        pytest.raises(DataError, match=r"cache: expected .* free bytes .* No space left"),
    ):
        open_store(pictures(3), size=SIZE, channels=3, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_killed_writers_are_swept_but_young_ones_stay(tmp_path: Path) -> None:
    old, young = tmp_path / "a.pixels.1.1.tmp", tmp_path / "b.pixels.1.1.tmp"
    old.write_bytes(b"x")
    young.write_bytes(b"x")
    long_ago = time.time() - 2 * storefile.STALE_SECONDS
    os.utime(old, (long_ago, long_ago))
    open_store(pictures(2), size=SIZE, channels=3, cache=tmp_path)
    assert not old.exists() and young.exists()


def test_the_manifest_is_small_and_readable(tmp_path: Path) -> None:
    open_store(pictures(), size=SIZE, channels=1, cache=tmp_path)
    manifest = json.loads(next(tmp_path.glob("*.json")).read_text())
    assert manifest["shape"] == [70, 6, 5, 1] and manifest["unreadable"] == {}


@pytest.mark.parametrize(("size", "channels", "field"), [((0, 4), 3, "size"), ((4, 4), 2, "channels")])
def test_absurd_settings_are_refused(size: tuple[int, int], channels: int, field: str) -> None:
    with pytest.raises(DataError) as caught:
        open_store(pictures(1), size=size, channels=channels)
    assert caught.value.field == field


def test_pixels_made_elsewhere_can_be_kept(tmp_path: Path) -> None:
    chunks = [np.stack([noise(i), noise(i + 1)]) for i in (0, 2)]
    store = keep_pixels(hashed(chunks), shape=(4, 6, 5, 3), cache=tmp_path, key="abc", memory_bytes=0)
    assert np.array_equal(store.pixels, np.concatenate(chunks))

    def never() -> Iterator[np.ndarray]:
        raise AssertionError("asked for again")
        yield

    again = keep_pixels(hashed(never()), shape=(4, 6, 5, 3), cache=tmp_path, key="abc")
    assert again.content_hash == store.content_hash


def test_a_wrong_array_is_refused() -> None:
    with pytest.raises(DataError, match="pixels: expected uint8"):
        PictureStore(np.zeros((2, 3, 4), np.uint8))


def test_exif_orientation_is_honoured() -> None:
    picture = Image.fromarray(noise(0, 8, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    file = BytesIO()
    picture.save(file, "PNG", exif=exif)
    got = decode(file.getvalue(), size=(4, 8), channels=3)
    assert np.array_equal(got, np.rot90(noise(0, 8, 4), -1))


def test_shrinking_is_antialiased() -> None:
    checks = np.indices((64, 64)).sum(0) % 2 * 255
    got = decode(encoded(checks.astype(np.uint8)), size=(8, 8), channels=1)
    assert np.abs(got.astype(int) - 127).max() <= 2


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    deep = np.full((4, 4), 0x8000, np.uint16)
    assert (decode(encoded(deep), size=(4, 4), channels=1) == 0x80).all()


@pytest.mark.parametrize("mode", ["P", "RGBA", "L", "CMYK", "1"])
def test_every_common_mode_becomes_rgb(mode: str) -> None:
    file = BytesIO()
    Image.fromarray(noise(3, 16, 16)).convert(mode).save(file, "TIFF")
    assert decode(file.getvalue(), size=(16, 16), channels=3).shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no bytes"),
        (b"junk", "not a picture"),
        (encoded(noise(1, 64, 64), "JPEG")[:-300], "truncated"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 4 4\n", "not a picture"),
    ],
)
def test_what_is_no_picture_has_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadablePicture, match=reason):
        decode(data, size=SIZE, channels=3)


def test_a_decompression_bomb_is_refused_before_it_is_decoded() -> None:
    bomb = encoded(np.zeros((64, 64), np.uint8))
    with (
        mock.patch("expunge.data.decode.MAX_PICTURE_PIXELS", 64 * 64 - 1),
        mock.patch("PIL.Image.Image.convert", side_effect=AssertionError("decoded")),
        pytest.raises(UnreadablePicture, match="64x64 is more than"),
    ):
        decode(bomb, size=SIZE, channels=3)
