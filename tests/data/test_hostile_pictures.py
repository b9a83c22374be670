"""Strange and hostile picture files: each is read correctly, or refused in one line that names it."""

from __future__ import annotations

import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from expunge.data.decode import MAX_PICTURE_PIXELS, Pixels, UnreadablePicture, decode
from expunge.data.sources import DataSpec, read_dataset
from expunge.errors import DataError

SIDE = 16
# a picture of flat 8x8 blocks, so that lossy formats and chroma subsampling change it little
PIXELS = np.kron(np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
PICTURE = Image.fromarray(PIXELS)
NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8))
TRUNCATED = r"truncated|decoder|broken data stream|known format|Truncated"


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def zipped() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("payload.txt", "x" * 1000)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, bits: int, rows: bytes, *extra: bytes) -> bytes:
    """An RGB PNG by hand, so that its header may say anything."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def rows_of(pixels: np.ndarray) -> bytes:
    return b"".join(b"\0" + line.tobytes() for line in pixels)


def turned(orientation: int) -> tuple[Image.Image, Image.Exif]:
    """The picture stored as a camera held otherwise would, and what its EXIF says about it."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    return PICTURE.transpose(undo[orientation]) if orientation in undo else PICTURE, exif


def rotated(kind: str, orientation: int) -> bytes:
    picture, exif = turned(orientation)
    return encoded(picture, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))


SIXTEEN = PIXELS.astype(">u2") * 257
MORE = {"save_all": True, "append_images": [Image.new("RGB", PICTURE.size)] * 3}

# what is read, and how far its grey levels may be from the plain picture's on average
READ: dict[str, tuple[bytes, float]] = {
    "JPEG": (encoded(PICTURE, "JPEG", quality=95), 4),
    "PNG": (encoded(PICTURE, "PNG"), 0),
    "WebP": (encoded(PICTURE, "WEBP", lossless=True), 0),
    "BMP": (encoded(PICTURE, "BMP"), 0),
    "TIFF": (encoded(PICTURE, "TIFF"), 0),
    "JPEG with a zip behind it": (encoded(PICTURE, "JPEG", quality=95) + zipped(), 4),
    "PNG with a zip behind it": (encoded(PICTURE, "PNG") + zipped(), 0),
    "GIF with a zip behind it": (encoded(PICTURE, "GIF") + zipped(), 0),
    "PNG with a script behind it": (encoded(PICTURE, "PNG") + b"<script>alert(1)</script>", 0),
    "animated GIF: its first frame": (encoded(PICTURE, "GIF", **MORE), 0),
    "animated WebP: its first frame": (encoded(PICTURE, "WEBP", lossless=True, **MORE), 0),
    "animated PNG: its first frame": (encoded(PICTURE, "PNG", **MORE), 0),
    "TIFF of many pages: the first": (encoded(PICTURE, "TIFF", **MORE), 0),
    "16 bits a channel": (png(32, 32, 16, rows_of(SIXTEEN)), 0),
    "CMYK JPEG": (encoded(PICTURE.convert("CMYK"), "JPEG", quality=95), 4),
    "CMYK TIFF": (encoded(PICTURE.convert("CMYK"), "TIFF"), 0),
    "palette": (encoded(PICTURE.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"), 0),
    "transparency": (encoded(PICTURE.convert("RGBA"), "PNG"), 0),
    "a colour profile of nonsense": (encoded(PICTURE, "PNG", icc_profile=b"nonsense"), 0),
    "EXIF of nonsense": (encoded(PICTURE, "JPEG", quality=95, exif=b"Exif\0\0nonsense"), 4),
    **{f"PNG turned as EXIF {o} says": (rotated("PNG", o), 0) for o in (1, 2, 3, 4, 5, 6, 7, 8, 99)},
    **{f"JPEG turned as EXIF {o} says": (rotated("JPEG", o), 4) for o in (3, 6, 8)},
}

ABOVE = Image.new("1", (9_500, 9_500))  # 90 million pixels in a few kB
REFUSED: dict[str, tuple[bytes, str]] = {
    "decompression bomb": (encoded(Image.new("1", (20_000, 10_000)), "PNG"), f"more than {MAX_PICTURE_PIXELS} pixels"),
    "bomb just above the limit": (
        encoded(ABOVE, "PNG"),
        f"more than {MAX_PICTURE_PIXELS} pixels",
    ),
    "bomb in GIF's clothes": (
        encoded(ABOVE, "GIF"),
        f"more than {MAX_PICTURE_PIXELS} pixels",
    ),
    "a header that lies": (png(60_000, 60_000, 8, b"\0" * 100), f"more than {MAX_PICTURE_PIXELS} pixels"),
    "a header larger than the pixels": (png(5_000, 5_000, 8, rows_of(PIXELS)), "truncated"),
    "text that unpacks to 100 MB": (
        png(32, 32, 8, rows_of(PIXELS), chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 100_000_000))),
        "Decompressed data too large",
    ),
    "no width": (png(0, 32, 8, b""), "known format"),
    "32 bits a channel": (encoded(Image.fromarray(PIXELS[..., 0].astype(np.float32)), "TIFF"), "32 bits a channel"),
    "a zip called a picture": (zipped(), "known format"),
    "a zip with a picture behind it": (zipped() + encoded(PICTURE, "PNG"), "known format"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "known format"),
    "EPS, which would start a program": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "known format"),
    "a pickle": (b"\x80\x04K\x01.", "known format"),
    "text": (b"not a picture at all", "known format"),
    "nothing": (b"", "no bytes"),
    **{
        f"{kind} cut off at {share:.0%}": (data[: int(len(data) * share)], TRUNCATED)
        for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "JPEG2000")
        for data in [encoded(NOISE, kind)]
        for share in (0.3, 0.6, 0.9)
    },
}


def plain() -> Pixels:
    return decode(encoded(PICTURE, "PNG"), size=(SIDE, SIDE), channels=3)


@pytest.mark.parametrize("name", READ)
def test_strange_pictures_that_are_read(name: str) -> None:
    data, apart = READ[name]
    found = decode(data, size=(SIDE, SIDE), channels=3)
    assert np.abs(found.astype(float) - plain()).mean() <= apart


def test_sixteen_bit_grey_keeps_its_upper_bits() -> None:
    grey = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 256 + 255)
    for kind in ("PNG", "TIFF"):
        assert np.array_equal(decode(encoded(grey, kind), size=(32, 32), channels=1)[..., 0], PIXELS[..., 0])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_hostile_pictures_that_are_refused(name: str) -> None:
    data, reason = REFUSED[name]
    with pytest.raises(UnreadablePicture, match=reason) as caught:
        decode(data, size=(SIDE, SIDE), channels=3)
    assert len(f"{caught.value}".splitlines()) == 1 and len(f"{caught.value}") <= 120


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", [name for name in REFUSED if "bomb" in name or "unpacks" in name or "lies" in name])
def test_a_bomb_is_refused_before_it_goes_off(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(UnreadablePicture):
            decode(REFUSED[name][0], size=(SIDE, SIDE), channels=3)
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def table(path: Path, pictures: dict[str, bytes]) -> DataSpec:
    """A parquet file of these pictures by name."""
    cells = [{"bytes": data, "path": name} for name, data in pictures.items()]
    labels = [str(i % 2) for i in range(len(cells))]
    pq.write_table(pa.table({"image": cells, "label": labels}), path)
    return DataSpec(str(path))


def spoiled() -> Iterator[str]:
    yield from ("decompression bomb", "JPEG cut off at 60%", "a zip called a picture", "32 bits a channel", "nothing")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("name", spoiled())
def test_the_one_line_names_the_picture(tmp_path: Path, name: str) -> None:
    good = encoded(PICTURE, "PNG")
    spec = table(tmp_path / "faces.parquet", {"good.png": good, "bad\none.png": REFUSED[name][0], "also.png": good})
    with pytest.raises(DataError) as caught:
        read_dataset(spec, size=(SIDE, SIDE))
    line = f"{caught.value}"
    assert "one.png (row 1)" in line and "good.png" not in line and "also.png" not in line
    assert "--skip-unreadable" in line and "\n" not in line.replace("bad\none", "")


def test_a_wrong_extension_is_no_matter(tmp_path: Path) -> None:
    """Bytes decide: a PNG called .jpg is read as what it is."""
    folder = tmp_path / "faces"
    for name, label in (("one.jpg", "a"), ("two.gif", "b")):
        (folder / label).mkdir(parents=True)
        (folder / label / name).write_bytes(encoded(PICTURE, "PNG"))
    found = read_dataset(DataSpec(str(folder)), size=(32, 32))
    assert all(np.array_equal(pixels, PIXELS) for pixels in found.store.pixels)


def test_a_picture_and_the_same_with_an_archive_behind_it_are_copies(tmp_path: Path) -> None:
    names = ("PNG", "PNG with a zip behind it")
    found = read_dataset(table(tmp_path / "faces.parquet", {n: READ[n][0] for n in names}), size=(SIDE, SIDE))
    assert np.array_equal(*found.store.row_hashes)
