"""Random changes of a batch of pictures, on whatever device it lies: one gather, one optional scaling.

uint8 batches and a CPU generator go in, uint8 batches come out. No store, no model, no randomness of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from expunge.types import Augmentation


@dataclass(frozen=True)
class Draws:
    """What was drawn for each of b pictures.

    Args:
        flip: bool [b], mirror left-right.
        down, right: int64 [b], how far the picture moves, in pixels.
        brightness: float32 [b], the factor of every channel.
    """

    flip: Tensor
    down: Tensor
    right: Tensor
    brightness: Tensor


def draw(pictures: int, height: int, width: int, spec: Augmentation, generator: torch.Generator) -> Draws:
    """The random numbers for a batch, on the CPU: always the same count, so that settings do not shift the stream."""
    u = torch.rand(4, pictures, generator=generator)
    return Draws(
        (u[0] < 0.5) if spec.flip else torch.zeros(pictures, dtype=torch.bool),
        _step(u[1], _reach(spec.shift, height)),
        _step(u[2], _reach(spec.shift, width)),
        1 + spec.brightness * (2 * u[3] - 1),
    )


def augment(x: Tensor, spec: Augmentation, generator: torch.Generator) -> Tensor:
    """Flip, shift (reflecting at the borders) and brighten each picture by its own draw.

    Args:
        x: uint8 [b, C, H, W], 0..255, on any device; fastest in channels_last order.
        spec: what may happen, and how much of it.
        generator: a CPU generator, whatever the device of `x`: the same draws everywhere.

    Returns:
        uint8 [b, C, H, W] in channels_last order, on the device of `x`.

    Example:
        >>> x = torch.arange(48, dtype=torch.uint8).view(1, 3, 4, 4)
        >>> augment(x, Augmentation(flip=False, shift=0.0), torch.Generator()).equal(x)
        True
    """
    b, _, height, width = x.shape
    draws = draw(b, height, width, spec, generator)
    moved = _move(x, draws) if spec.flip or spec.shift else x.contiguous(memory_format=torch.channels_last)
    return _brighten(moved, draws.brightness) if spec.brightness else moved


def _move(x: Tensor, draws: Draws) -> Tensor:
    """Every pixel of the answer is looked up in the batch: one gather of pixels for flips and shifts together."""
    b, channels, height, width = x.shape
    rows = _reflected(torch.arange(height) - draws.down[:, None], height)
    columns = _reflected(torch.arange(width) - draws.right[:, None], width)
    columns = torch.where(draws.flip[:, None], width - 1 - columns, columns)
    first = torch.arange(b)[:, None] * height
    # the index is built where the pixels are: two small copies instead of one large
    starts, columns = ((first + rows) * width).to(x.device), columns.to(x.device)
    index = starts[:, :, None] + columns[:, None, :]
    pixels = x.permute(0, 2, 3, 1).reshape(-1, channels)
    return pixels.index_select(0, index.view(-1)).view(b, height, width, channels).permute(0, 3, 1, 2)


def _brighten(x: Tensor, factor: Tensor) -> Tensor:
    scaled = x.to(torch.float32).mul_(factor.to(x.device).view(-1, 1, 1, 1))
    return scaled.round_().clamp_(0, 255).to(torch.uint8)


def _reach(share: float, side: int) -> int:
    # a reflection can reach no further than the opposite border
    return min(round(share * side), side - 1)


def _step(u: Tensor, reach: int) -> Tensor:
    """Whole numbers -reach..reach, each equally likely, from `u` in 0..1."""
    return (u * (2 * reach + 1)).to(torch.int64).clamp_(max=2 * reach) - reach


def _reflected(index: Tensor, side: int) -> Tensor:
    index = index.abs()
    return torch.where(index >= side, 2 * (side - 1) - index, index)
