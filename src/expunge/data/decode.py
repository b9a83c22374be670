"""One encoded picture in, one uint8 array of the asked size out: the only place that opens picture files.

Decoding is part of the store's key (`DECODER`): whatever changes a pixel here must change that string.
No file path enters; bytes come from `sources`, arrays leave to `store`.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError, features

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

# Formats that decode without running other programs (EPS would start ghostscript).
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000")
MAX_PICTURE_PIXELS = 89_478_485  # Pillow's own warning level: 256 MiB of RGB
REDUCING_GAP = 2  # shrink cheaply (JPEG scaling, box) to no less than this many times the asked side
VERSION = 1


class UnreadablePicture(Exception):
    """A picture that cannot be decoded; the message is the reason, the same on every machine."""


def decoder_name() -> str:
    """Everything that decides which pixels come out of the same bytes."""
    jpeg = features.version("libjpeg_turbo") or features.version("jpg")
    return f"expunge {VERSION}, Pillow {features.version('pil')}, jpeg {jpeg}"


def decode(data: bytes, *, size: tuple[int, int], channels: int) -> Pixels:
    """Decode one picture: upright by its EXIF orientation, stretched to `size`, in 1 or 3 channels.

    Resizing is Pillow's antialiased bilinear; pictures more than twice as large are first shrunk by whole factors
    (JPEG scaling, box). Transparency is dropped, 16-bit grey keeps its upper 8 bits, an animation its first frame.
    What the bytes are decides, not what a file is called; what follows a picture's end (an archive, say) is not read.

    Args:
        data: an encoded picture (JPEG, PNG, WebP, BMP, GIF, TIFF, PPM, AVIF, JPEG 2000).
        size: height and width in pixels of what comes out.
        channels: 3 for RGB, 1 for grey.

    Returns:
        uint8 [height, width, channels], 0..255.

    Raises:
        UnreadablePicture: not a picture, cut short, or larger than `MAX_PICTURE_PIXELS`.

    Example:
        >>> file = BytesIO()
        >>> Image.new("RGB", (8, 6), "white").save(file, "PNG")
        >>> decode(file.getvalue(), size=(3, 4), channels=1).shape
        (3, 4, 1)
    """
    try:
        with Image.open(BytesIO(data), formats=_formats()) as picture:
            return _pixels(picture, size, channels)
    except UnreadablePicture:
        raise
    except Image.DecompressionBombError:  # Pillow's own refusal, from twice our limit on
        raise UnreadablePicture(f"more than {MAX_PICTURE_PIXELS} pixels") from None
    except UnidentifiedImageError:  # its message holds a memory address
        raise UnreadablePicture("not a picture in a known format" if data else "no bytes") from None
    except Exception as error:  # Pillow's plugins raise nearly anything on broken files
        raise UnreadablePicture(" ".join(f"{error}".split())[:120] or type(error).__name__) from error


def least_side(data: bytes) -> int:
    """The shorter side of an encoded picture in pixels; 0 where it is none."""
    try:
        with Image.open(BytesIO(data), formats=_formats()) as picture:
            return min(picture.size)
    except Exception:  # as in `decode`
        return 0


@cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _pixels(picture: Image.Image, size: tuple[int, int], channels: int) -> Pixels:
    if picture.width * picture.height > MAX_PICTURE_PIXELS:
        raise UnreadablePicture(f"{picture.width}x{picture.height} is more than {MAX_PICTURE_PIXELS} pixels")
    least = REDUCING_GAP * max(size)
    picture.draft(None, (least, least))  # JPEG only: decode at 1/2, 1/4 or 1/8
    upright = ImageOps.exif_transpose(picture)
    plain = _eight_bits(upright).convert("RGB" if channels == 3 else "L")
    height, width = size
    if plain.size != (width, height):
        plain = plain.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
    return np.asarray(plain, dtype=np.uint8).reshape(height, width, channels)


def _eight_bits(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16"):  # Pillow would clip at 255, not scale
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise UnreadablePicture(f"pictures of mode {picture.mode} (32 bits a channel) are not read")
    return picture
