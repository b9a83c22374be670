"""Features that no training made: always the same, of each picture alone, sensitive to what they describe."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from expunge.data.dataset import from_tensors
from expunge.data.handmade import handmade_features
from expunge.types import PictureSet
from tests.helpers import pictures


def shown(pixels: torch.Tensor) -> PictureSet:
    return from_tensors(pixels, torch.zeros(len(pixels), dtype=torch.int64)).pictures


def noise(n: int, channels: int = 3, size: int = 40) -> torch.Tensor:
    made = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, size, size), generator=made, dtype=torch.uint8)


def test_a_picture_has_its_features_whatever_stands_beside_it() -> None:
    some = pictures(9, size=16)
    found = handmade_features(some)
    assert found.shape == (9, 120) and np.isfinite(found).all()
    assert np.allclose(handmade_features(some.subset([4])), found[4:5], atol=1e-5)


def test_a_histogram_of_a_plain_colour_is_one_level() -> None:
    found = handmade_features(shown(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)))[0]
    assert found[[7, 15, 23]].tolist() == [1, 1, 1] and found[:24].sum() == 3 and found[24:56].max() == 0


def test_edges_know_their_direction_and_their_quarter() -> None:
    pixels = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    pixels[..., :16, 8:] = 200  # brighter to the right, in the upper left
    edges = handmade_features(shown(pixels))[0][24:56].reshape(8, 2, 2)
    assert edges.argmax() == 0 and edges[0, 1, 1] == 0


@pytest.mark.parametrize("change", [lambda x: x // 2, lambda x: x.transpose(2, 3), lambda x: x.flip(1)])
def test_brightness_direction_and_colour_show(change: object) -> None:
    pixels = noise(4)
    pixels[:, :, ::2] //= 2  # stripes
    pixels[:, 0] //= 3
    changed = change(pixels)  # type: ignore[operator]
    assert np.abs(handmade_features(shown(pixels)) - handmade_features(shown(changed))).max() > 0.05


def test_grey_pictures_have_as_many_features() -> None:
    assert handmade_features(shown(noise(2, channels=1, size=8))).shape == (2, 120)
