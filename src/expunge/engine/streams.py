"""Which pictures are in which batch: a pure function of (seed, phase, step), so that any step can be revisited."""

from __future__ import annotations

import torch
from torch import Tensor

from expunge.data.augment import augment
from expunge.functional.seeding import derive_seed, generator
from expunge.methods.phases import Labelled, Source


class Stream:
    """An endless sequence of passes over a source, each pass in its own order, cut into batches.

    Every picture is seen exactly once per pass; a batch may straddle two passes, so none is dropped.

    Args:
        source: pictures, batch size, augmentation, order.
        seed: of the run.
        names: phase and source name; orders of different phases are independent.
    """

    def __init__(self, source: Source, seed: int, *names: str) -> None:
        self.source, self.seed, self.names = source, seed, names
        self._orders: dict[int, Tensor] = {}

    def index(self, batch: int) -> Tensor:
        """Positions (int64 [b]) of the pictures of batch number `batch`."""
        n, size = len(self.source.pictures), self.source.batch_size
        positions = torch.arange(batch * size, (batch + 1) * size)
        passes = positions // n
        parts = [self._permutation(int(p))[positions[passes == p] % n] for p in torch.unique(passes)]
        return torch.cat(parts)

    def read(self, batch: int, device: torch.device, layout: torch.memory_format) -> Labelled:
        """The pictures of batch number `batch`, augmented, as float32 in 0..1 on `device`."""
        index = self.index(batch)
        pictures = self.source.pictures
        pixels = pictures.pixels(index).to(device, non_blocking=True)
        pictures.source.announce(pictures.rows[self.index(batch + 1)])  # the disk works while the model does
        if self.source.augmentation is not None:
            pixels = augment(pixels, self.source.augmentation, generator(self.seed, *self.names, "augment", batch))
        x = pixels.to(torch.float32, memory_format=layout).div_(255)
        return Labelled(x, pictures.labels[index].to(device), index)

    def _permutation(self, number: int) -> Tensor:
        if number not in self._orders:
            n = len(self.source.pictures)
            order = generator(self.seed, *self.names, "order", number)
            made = torch.randperm(n, generator=order) if self.source.shuffle else torch.arange(n)
            # a batch that straddles passes needs two of them; more would add up over a long run
            self._orders = {k: v for k, v in self._orders.items() if k == number - 1} | {number: made}
        return self._orders[number]


def batch_seed(seed: int, phase: str, batch: int) -> int:
    """The seed a loss may use for its own randomness in micro-batch number `batch` of a phase."""
    return derive_seed(seed, phase, "loss", batch)
