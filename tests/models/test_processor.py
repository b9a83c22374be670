"""Preprocessing files in all their shapes give the numbers that transformers' own processors compute with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import EfficientNetImageProcessor, ViTImageProcessor

from expunge.errors import ModelError
from expunge.models.processor import read_preprocessing

BASE = {"size": {"height": 32, "width": 32}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]}


def written(directory: Path, raw: Any, config: dict[str, Any] | None = None) -> Path:
    (directory / "preprocessor_config.json").write_text(json.dumps(raw))
    if config is not None:
        (directory / "config.json").write_text(json.dumps(config))
    return directory


@pytest.mark.parametrize(
    ("change", "size"),
    [
        ({"size": 24}, (24, 24)),
        ({"size": [24, 28]}, (24, 28)),
        ({"size": {"height": 24, "width": 28}}, (24, 28)),
        ({"size": {"shortest_edge": 24}}, (24, 24)),
        ({"size": {"shortest_edge": 32}, "do_center_crop": True, "crop_size": 28}, (28, 28)),
        ({"size": 32, "do_center_crop": True, "crop_size": {"height": 28, "width": 24}}, (28, 24)),
        ({"size": 32, "do_center_crop": False, "crop_size": 28}, (32, 32)),
    ],
)
def test_sizes(tmp_path: Path, change: dict[str, Any], size: tuple[int, int]) -> None:
    found = read_preprocessing(written(tmp_path, BASE | change))
    assert found is not None and found.size == size


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (ViTImageProcessor, {}),
        (ViTImageProcessor, {"rescale_factor": 1 / 127.5}),
        (ViTImageProcessor, {"do_rescale": False}),
        (ViTImageProcessor, {"do_normalize": False}),
        (EfficientNetImageProcessor, {}),
        (EfficientNetImageProcessor, {"include_top": False}),
        (EfficientNetImageProcessor, {"rescale_offset": True, "rescale_factor": 1 / 127.5}),
    ],
)
def test_numbers_are_those_of_transformers(tmp_path: Path, kind: Any, change: dict[str, Any]) -> None:
    own = (
        kind(**(BASE | {"do_center_crop": False} | change)) if kind is not ViTImageProcessor else kind(**BASE | change)
    )
    own.save_pretrained(tmp_path)
    found = read_preprocessing(tmp_path)
    assert found is not None
    x = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    theirs = own(x.numpy(), return_tensors="pt", input_data_format="channels_first")["pixel_values"][0]
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (found.mean, found.std))
    torch.testing.assert_close((x / 255 - mean) / std, theirs.float(), atol=1e-4, rtol=1e-4)


def test_channels_come_from_the_configuration(tmp_path: Path) -> None:
    raw = {"size": 8, "image_mean": 0.5, "image_std": 0.5}
    found = read_preprocessing(written(tmp_path, raw, {"num_channels": 1}))
    assert found is not None and found.mean == (0.5,)
    with pytest.raises(ModelError, match="3 values for 1 channels"):
        read_preprocessing(written(tmp_path, BASE))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({**BASE, "size": {"longest_edge": 3}}, "no 'height'"),
        ({**BASE, "size": 0}, r"a size of \(0, 0\)"),
        ({k: v for k, v in BASE.items() if k != "image_mean"}, "no 'image_mean'"),
        ({**BASE, "image_std": [0.2, 0, 0.2]}, "image_std"),
        ({**BASE, "image_mean": [0.2, float("nan"), 0.2]}, "image_mean"),
        ({**BASE, "rescale_factor": 0}, "division by zero|image_std"),
        ({**BASE, "do_flip_channel_order": True}, "red, green, blue"),
        ([1], "list"),
        ("x", "str"),
    ],
)
def test_what_cannot_be_understood_is_one_line(tmp_path: Path, raw: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        read_preprocessing(written(tmp_path, raw))
    assert "\n" not in str(caught.value)


def test_no_file_is_no_answer(tmp_path: Path) -> None:
    assert read_preprocessing(tmp_path) is None
