"""The other side of oracle tests: a network with two normalised layers, and training written out in plain torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from expunge.engine.settings import EngineSettings
from expunge.engine.streams import Stream
from expunge.methods.phases import Source
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.types import PictureSet
from tests.helpers import pictures

SETTINGS = EngineSettings(seed=1, precision="fp32", channels_last="off")


def stacked(seed: int = 0) -> PixelClassifier:
    """Two convolutions with batch norm, and a head: three layers. Everything that runs is a child of `net`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = nn.Sequential(
            nn.Conv2d(3, 6, 3, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 6, 3, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(96, 3),
        )
    return PixelClassifier(body, Preprocessing((8, 8), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4)), pictures(1).spec)


def batches(given: PictureSet, size: int, steps: int, *names: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures in 0..1 and labels of the one attribute, in the order in which a run with seed 1 shows them."""
    stream = Stream(Source(given, size), 1, *names)
    for step in range(steps):
        index = stream.index(step)
        yield given.pixels(index).float() / 255, given.labels[index, 0]


def descend(
    parameters: Iterable[Tensor], losses: Iterable[Callable[[], Tensor]], *, lr: float, weight_decay: float
) -> None:
    """SGD with momentum .9, written out."""
    trained = list(parameters)
    speeds = [torch.zeros_like(p) for p in trained]
    for loss in losses:
        gradients = torch.autograd.grad(loss(), trained)
        with torch.no_grad():
            for parameter, speed, gradient in zip(trained, speeds, gradients, strict=True):
                speed.mul_(0.9).add_(gradient + weight_decay * parameter)
                parameter.sub_(lr * speed)


def assert_same(ours: PixelClassifier, theirs: PixelClassifier) -> None:
    """Same weights and running statistics, up to the rounding of another order of sums."""
    expected = theirs.state_dict()
    for name, value in ours.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-5, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
