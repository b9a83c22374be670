"""Which copies are found, and which strangers are taken for copies: on real faces that hold no copies of their own.

Recall: pictures are copied in ways people copy pictures, and searched for among their originals. False positives: the
kept pictures of MUFAC, from which near copies had been removed, are searched against each other.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance

from expunge.data.copies import find_copies, near_copies
from expunge.data.dataset import from_tensors
from expunge.data.sources import DataSpec, read_dataset
from expunge.types import PictureSet
from harness import write

FACES = Path(os.environ.get("EXPUNGE_FACES", Path(__file__).parents[2] / "shared/faces"))
PICTURES = 300
SIDE = 64


def jpeg(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert("RGB")


def crop(picture: Image.Image, share: float) -> Image.Image:
    """The middle of a picture, `share` of its side smaller, at the old size."""
    w, h = picture.size
    x, y = share * w / 2, share * h / 2
    return picture.resize((w, h), Image.Resampling.BILINEAR, box=(x, y, w - x, h - y))


def corner(picture: Image.Image, share: float) -> Image.Image:
    """The same from the lower right corner."""
    w, h = picture.size
    return picture.resize((w, h), Image.Resampling.BILINEAR, box=(share * w, share * h, w, h))


def bright(picture: Image.Image, factor: float) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(factor)


def mirror(picture: Image.Image) -> Image.Image:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


# what a copy is made by, and the least share that must be found
COPIES: dict[str, tuple[Callable[[Image.Image], Image.Image], float]] = {
    "re-encoded, quality 75": (lambda p: jpeg(p, 75), 0.98),
    "re-encoded, quality 30": (lambda p: jpeg(p, 30), 0.9),
    "resized to 60 % and back": (lambda p: p.resize((77, 77)).resize(p.size), 0.95),
    "mirrored": (mirror, 0.98),
    "brightened by 20 %": (lambda p: bright(p, 1.2), 0.9),
    "darkened by 20 %": (lambda p: bright(p, 0.8), 0.98),
    "cropped by 2 %, middle": (lambda p: crop(p, 0.02), 0.95),
    "cropped by 5 %, corner": (lambda p: corner(p, 0.05), 0.9),
    "cropped by 10 %, middle": (lambda p: crop(p, 0.1), 0.9),
    "cropped by 10 %, corner": (lambda p: corner(p, 0.1), 0.8),
    "mirrored, cropped by 5 %, brightened, re-encoded": (lambda p: jpeg(bright(crop(mirror(p), 0.05), 1.15), 50), 0.8),
}
MOST_FALSE = 0.001  # largest share of kept pictures that may be in a confirmed pair of different people


def as_set(pictures: list[Image.Image]) -> PictureSet:
    pixels = np.stack([np.asarray(p.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) for p in pictures])
    labels = torch.arange(len(pixels))[:, None] % 2
    return from_tensors(torch.from_numpy(pixels).permute(0, 3, 1, 2), labels).pictures


def recall() -> list[dict[str, object]]:
    spec = DataSpec(path=str(FACES / "mufac.parquet"), labels=("age_class",), subject="identity", split="split")
    full = read_dataset(spec, size=(128, 128)).pictures
    chosen = torch.linspace(0, len(full) - 1, PICTURES).long()
    originals = [Image.fromarray(p.permute(1, 2, 0).numpy()) for p in full.pixels(chosen)]
    base, rows = as_set(originals), []
    for name, (change, least) in COPIES.items():
        pairs = near_copies(base, as_set([change(p) for p in originals])).pairs
        found = len({pair.first for pair in pairs if pair.first == pair.second}) / PICTURES
        wrong = sum(pair.first != pair.second for pair in pairs)
        row = {
            "name": f"recall: {name}",
            "value": found,
            "wrong_pairs": wrong,
            "threshold": least,
            "pictures": PICTURES,
        }
        rows.append({**row, "holds": found >= least})
        print(rows[-1], flush=True)
    return rows


def false_positives() -> dict[str, object]:
    spec = DataSpec(path=str(FACES / "mufac.parquet"), labels=("age_class",), subject="identity", split="split")
    kept = read_dataset(spec, size=(SIDE, SIDE)).pictures
    start = time.perf_counter()
    found = find_copies(kept)
    people = kept.subjects
    assert people is not None
    strangers = {
        p for pair in found.pairs if people[pair.first] != people[pair.second] for p in (pair.first, pair.second)
    }
    share = len(strangers) / len(kept)
    return {
        "name": "share of kept pictures taken for a copy of another person's",
        "value": share,
        "confirmed_pairs": len(found.pairs),
        "pictures": len(kept),
        "seconds": round(time.perf_counter() - start, 1),
        "threshold": MOST_FALSE,
        "holds": share <= MOST_FALSE,
    }


def main() -> None:
    if not (FACES / "mufac.parquet").exists():
        sys.exit("no real faces here: set EXPUNGE_FACES to a folder that holds mufac.parquet; nothing was measured")
    rows = [*recall(), false_positives()]
    print(rows[-1])
    write(__file__, rows)


if __name__ == "__main__":
    main()
