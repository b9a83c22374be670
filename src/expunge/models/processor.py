"""The `preprocessor_config.json` of Hugging Face directories, read as plain numbers: no image library is asked.

A directory flows in, a `Preprocessing` flows out, in units of pictures in 0..1. What that cannot express is refused.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from expunge.errors import ModelError
from expunge.models.classifier import Preprocessing

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"


def processor(preprocessing: Preprocessing) -> dict[str, Any]:
    """The `preprocessor_config.json` of a network of ours."""
    height, width = preprocessing.size
    return {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": height, "width": width},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(preprocessing.mean),
        "image_std": list(preprocessing.std),
    }


def read_preprocessing(directory: Path) -> Preprocessing | None:
    """Size and normalisation as the directory states them, or None where it does not.

    Raises:
        ModelError: the file is there but cannot be understood, or asks for more than scaling and normalising.
    """
    path = directory / PROCESSOR
    if not path.exists():
        return None
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        found = Preprocessing(_picture_size(raw), *_normalisation(raw, _channels(directory, raw)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        expected = f"size, image_mean and image_std in {path}"
        came = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ModelError("model", expected=expected, came=came, remedy="mend the file") from None
    if _flipped(raw):
        raise ModelError("model", expected="a network that takes red, green, blue", came=f"another order in {path}")
    return found


def _picture_size(raw: Mapping[str, Any]) -> tuple[int, int]:
    cropped = raw.get("do_center_crop") and raw.get("crop_size") is not None
    size = _size(raw["crop_size"] if cropped else raw["size"])
    if min(size) < 1:
        raise ValueError(f"a size of {size}")
    return size


def _size(raw: Any) -> tuple[int, int]:
    if isinstance(raw, int):
        return raw, raw
    if isinstance(raw, list):
        height, width = raw
        return int(height), int(width)
    if "shortest_edge" in raw and "longest_edge" not in raw:
        return int(raw["shortest_edge"]), int(raw["shortest_edge"])
    return int(raw["height"]), int(raw["width"])


def _normalisation(raw: Mapping[str, Any], channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation that do to pictures in 0..1 what the processor does to bytes.

    It computes (scale * x - offset - mean) / deviation for x in 0..1, and some divide by the deviation once more.
    """
    scale = 255 * float(raw.get("rescale_factor", 1 / 255)) if raw.get("do_rescale", True) else 255.0
    scale = 1.0 if math.isclose(scale, 1.0, rel_tol=1e-6) else scale
    offset = 1.0 if raw.get("rescale_offset") else 0.0
    twice = raw.get("include_top", "EfficientNet" in str(raw.get("image_processor_type", "")))
    plain = not raw.get("do_normalize", True)
    mean = (0.0,) * channels if plain else _each(raw["image_mean"], channels)
    std = (1.0,) * channels if plain else _each(raw["image_std"], channels)
    again = _each(raw["image_std"], channels) if twice else (1.0,) * channels
    widths = tuple(s * a / scale for s, a in zip(std, again, strict=True))
    if not all(0 < width < math.inf for width in widths) or not all(map(math.isfinite, mean)):
        raise ValueError(f"image_mean {mean} and image_std {std}")
    return tuple((m + offset) / scale for m in mean), widths


def _each(raw: Any, channels: int) -> tuple[float, ...]:
    values = tuple(map(float, raw)) if isinstance(raw, list) else (float(raw),) * channels
    if len(values) != channels:
        raise ValueError(f"{len(values)} values for {channels} channels")
    return values


def _channels(directory: Path, raw: Mapping[str, Any]) -> int:
    path = directory / CONFIG
    config = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    stated = raw.get("image_mean")
    return int(config.get("num_channels") or (len(stated) if isinstance(stated, list) else 3))


def _flipped(raw: Mapping[str, Any]) -> bool:
    by_default = "MobileViT" in str(raw.get("image_processor_type", ""))
    return bool(raw.get("do_flip_channel_order", by_default))
