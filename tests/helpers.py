"""Small pieces that tests of several rooms share: a task of random pictures and a tiny network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.types import ErasureTask, LabelSpec, PictureSet


class ArraySource:
    """Pixels in memory, read by row, counting how often which row was read."""

    def __init__(self, pixels: Tensor) -> None:
        self.stored = pixels
        self.read_rows: list[int] = []

    def read(self, rows: Tensor) -> Tensor:
        self.read_rows += rows.tolist()
        return self.stored[rows].contiguous(memory_format=torch.channels_last)

    def announce(self, rows: Tensor) -> None:
        pass


def pictures(n: int, *, seed: int = 0, size: int = 8, classes: tuple[int, ...] = (3,)) -> PictureSet:
    """`n` random pictures whose brightness tells their class, owned by subjects of four pictures each."""
    made = torch.Generator().manual_seed(seed)
    labels = torch.stack([torch.randint(0, c, (n,), generator=made) for c in classes], dim=1)
    noise = torch.randint(0, 90, (n, 3, size, size), generator=made)
    pixels = (noise + 60 * labels[:, :1, None, None]).clamp(0, 255).to(torch.uint8)
    spec = LabelSpec(tuple(f"label{i}" for i in range(len(classes))), tuple(tuple(map(str, range(c))) for c in classes))
    ids = np.array([f"p{seed}-{i}" for i in range(n)])
    owners = np.array([f"s{seed}-{i // 4}" for i in range(n)])
    return PictureSet(ArraySource(pixels), torch.arange(n), labels, ids, owners, spec)


def task(*, retain: int = 48, forget: int = 16, classes: tuple[int, ...] = (3,)) -> ErasureTask:
    """An erasure task of random pictures."""
    return ErasureTask(
        pictures(retain, seed=1, classes=classes),
        pictures(forget, seed=2, classes=classes),
        pictures(24, seed=3, classes=classes),
        pictures(24, seed=4, classes=classes),
    )


def net(spec: LabelSpec, *, seed: int = 0, dropout: float = 0.2) -> PixelClassifier:
    """A convolutional network with batch norm and dropout, small enough for a test."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(32, 16),
            nn.ReLU(),
            nn.Linear(16, spec.logits),
        )
    return PixelClassifier(body, Preprocessing((8, 8)), spec)
