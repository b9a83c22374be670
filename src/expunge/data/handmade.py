"""Features of pictures that no training made: colours, edges, and the answers of filters drawn at random.

Pixels flow in, numbers flow out. They say whether two sets of pictures are of one kind; a trained model's own features
would also say which of them it was trained on.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from expunge.functional.seeding import generator
from expunge.types import PictureSet

Array = np.ndarray[Any, np.dtype[Any]]

SIDE = 32
LEVELS = 8  # of a colour histogram
DIRECTIONS = 8
FILTERS, FIELD = 32, 5
CHUNK = 512


def handmade_features(pictures: PictureSet) -> Array:
    """What pictures look like in 120 numbers each, read once: float64 [n, 120].

    24 are shares of 8 levels of each colour, 32 strengths of edges in 8 directions in each quarter, 64 mean and
    deviation of the answers of 32 fixed random 5x5 filters, all at 32x32 pixels.

    Example:
        >>> from expunge.data.synthetic import synthetic_faces
        >>> handmade_features(synthetic_faces(8, 1).pictures).shape
        (8, 120)
    """
    parts = [_features(pictures, index) for index in torch.arange(len(pictures)).split(CHUNK)]
    found: Array = torch.cat(parts).double().numpy()
    return found


def _features(pictures: PictureSet, index: Tensor) -> Tensor:
    x = pictures.pixels(index).float().div(255)
    x = interpolate(x.expand(-1, 3, -1, -1), (SIDE, SIDE), mode="area")
    return torch.cat([_colours(x), _edges(x.mean(1, keepdim=True)), _answers(x)], 1)


def _colours(x: Tensor) -> Tensor:
    level = (x * LEVELS).long().clamp(max=LEVELS - 1).flatten(2)
    counts = torch.zeros(*level.shape[:2], LEVELS).scatter_add_(2, level, torch.ones_like(level, dtype=torch.float32))
    return counts.flatten(1) / SIDE**2


def _edges(grey: Tensor) -> Tensor:
    """Gradients of each quarter, summed by direction, on a logarithmic scale."""
    right, down = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2], grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
    turn = torch.atan2(down, right) / (2 * torch.pi) % 1
    direction = (turn * DIRECTIONS).long().clamp(max=DIRECTIONS - 1)
    strength = torch.hypot(right, down)
    by_direction = torch.cat([strength * (direction == d) for d in range(DIRECTIONS)], 1)
    quarters: Tensor = avg_pool2d(by_direction, (SIDE - 2) // 2)
    return quarters.flatten(1).mul(100).log1p()


def _answers(x: Tensor) -> Tensor:
    seen = conv2d(x - x.mean((1, 2, 3), keepdim=True), _filters()).relu()
    return torch.cat([seen.mean((2, 3)), seen.std((2, 3))], 1)


@cache
def _filters() -> Tensor:
    drawn = torch.randn(FILTERS, 3, FIELD, FIELD, generator=generator(0, "handmade features"))
    unit: Tensor = drawn / drawn.flatten(1).norm(dim=1)[:, None, None, None]
    return unit
