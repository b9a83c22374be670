"""The shelf of finished shadows: statistics, weights where wanted, and the ingredients by which they are found again.

Shadows flow in and out. A file is whole or absent; one whose ingredients or numbers were changed is refused.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from expunge.audits.arrays import Array, read_arrays
from expunge.errors import DataError


@dataclass(frozen=True)
class Shadow:
    """What one shadow answers to n pictures.

    Args:
        scaled: float32 [n, k], log odds of the label of each attribute.
        inside: bool [n], whether it was trained on a picture.
        pictures: how many it was trained on.
        seconds: that it took.
        weights: of its network, where wanted.
    """

    scaled: Array
    inside: Array
    pictures: int
    seconds: float
    weights: Mapping[str, Tensor] | None = None


@dataclass(frozen=True)
class ShadowCache:
    """A folder with up to three files a shadow, named by the hash of its ingredients.

    `KEY.npz` holds the statistics, `KEY.safetensors` the weights, `KEY.json` the ingredients and what the others hash
    to; it is written last, so that a shadow without it is not finished.
    """

    place: Path

    def has(self, ingredients: Mapping[str, Any], *, weights: bool = False) -> bool:
        """Whether this shadow is finished, with its weights where these are wanted."""
        endings = ("json", "safetensors") if weights else ("json",)
        return all(self.path(ingredients, ending).exists() for ending in endings)

    def write(self, ingredients: Mapping[str, Any], shadow: Shadow) -> None:
        """Keep a finished shadow.

        Raises:
            DataError: the folder cannot be written.
        """
        contents = {"npz": _packed(shadow)}
        if shadow.weights is not None:
            contents["safetensors"] = save(dict(shadow.weights))
        told = {
            "ingredients": ingredients,
            "pictures": shadow.pictures,
            "seconds": round(shadow.seconds, 3),
            "sha256": {ending: hashlib.sha256(content).hexdigest() for ending, content in contents.items()},
        }
        contents["json"] = (json.dumps(told, indent=1, sort_keys=True) + "\n").encode()
        try:
            self.place.mkdir(parents=True, exist_ok=True)
            self.path(ingredients, "json").unlink(missing_ok=True)  # until all is there again it is unfinished
            for ending, content in contents.items():
                write_whole(self.path(ingredients, ending), content)
        except OSError as error:
            raise DataError("shadow cache", expected=f"{self.place} to be writable", came=str(error)) from error

    def read(self, ingredients: Mapping[str, Any]) -> Shadow:
        """The statistics of a finished shadow.

        Raises:
            DataError: they are not what was written, or were made from other ingredients.
        """
        told, content = self._checked(ingredients, "npz")
        try:
            return _unpacked(content, told["pictures"], told["seconds"])
        except (KeyError, TypeError, ValueError) as error:
            raise _refused(self.path(ingredients, "npz"), str(error)) from None

    def weights(self, ingredients: Mapping[str, Any]) -> dict[str, Tensor]:
        """The weights of a finished shadow's network.

        Raises:
            DataError: as in `read`, or they were not kept.
        """
        content = self._checked(ingredients, "safetensors")[1]
        try:
            return load(content)
        except SafetensorError as error:
            raise _refused(self.path(ingredients, "safetensors"), str(error)) from None

    def path(self, ingredients: Mapping[str, Any], ending: str) -> Path:
        """Where a file of this shadow lies, e.g. with the ending `npz`."""
        return self.place / f"{key_of(ingredients)}.{ending}"

    def _checked(self, ingredients: Mapping[str, Any], ending: str) -> tuple[dict[str, Any], bytes]:
        """What is told about a shadow, and the content of one of its files."""
        told_in, path = self.path(ingredients, "json"), self.path(ingredients, ending)
        try:
            told: dict[str, Any] = json.loads(told_in.read_text(encoding="utf-8"))
            made_from, expected = key_of(told["ingredients"]), told["sha256"][ending]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise _refused(told_in, f"{type(error).__name__}: {error}") from error
        if made_from != key_of(ingredients):
            raise _refused(told_in, "ingredients that were changed afterwards")
        content = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(content).hexdigest() != expected:
            raise _refused(path, "a file that was damaged or changed")
        return told, content


def key_of(ingredients: Mapping[str, Any]) -> str:
    """Hash of everything that decides a shadow, as plain JSON values.

    Example:
        >>> key_of({"a": 1, "b": (2,)}) == key_of({"b": [2], "a": 1}), key_of({"a": 1}) == key_of({"a": 2})
        (True, False)
    """
    return hashlib.sha256(json.dumps(ingredients, sort_keys=True, allow_nan=False).encode()).hexdigest()[:40]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is either whole or absent, whoever else writes the same one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _packed(shadow: Shadow) -> bytes:
    content = io.BytesIO()
    np.savez(content, scaled=shadow.scaled.astype(np.float32), inside=np.packbits(shadow.inside))
    return content.getvalue()


def _unpacked(content: bytes, pictures: object, seconds: object) -> Shadow:
    """A shadow of what `_packed` made, and what is told beside it.

    Raises:
        ValueError, KeyError, TypeError: it is something else.
    """
    found = read_arrays(io.BytesIO(content))
    scaled, bits = found["scaled"], found["inside"]
    if scaled.dtype != np.float32 or scaled.ndim != 2 or np.isnan(scaled).any():
        raise ValueError("statistics that are not numbers")
    if bits.shape != (math.ceil(len(scaled) / 8),):
        raise ValueError(f"{len(scaled)} pictures, and {len(bits)} bytes of who was trained on")
    if not isinstance(pictures, int) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise ValueError("a cost that is no number")
    return Shadow(scaled, np.unpackbits(bits, count=len(scaled)).astype(bool), pictures, float(seconds))


def _refused(path: Path, came: str) -> DataError:
    return DataError(
        "shadow cache", expected=f"{path} as it was written", came=came, remedy="delete the files of that name"
    )
