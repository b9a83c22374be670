"""Memory of a network, against counts by hand."""

from __future__ import annotations

import torch
from torch import nn

from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.footprint import footprint
from expunge.types import LabelSpec

SPEC = LabelSpec(("label",), (("a", "b"),))


def test_weights_and_what_a_picture_leaves_behind_are_counted() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 2))
    model = PixelClassifier(net, Preprocessing((2, 2)), SPEC)
    found = footprint(model, torch.zeros(4, 3, 2, 2, dtype=torch.uint8))
    buffers = model.mean.nbytes + model.std.nbytes
    assert found.weights_bytes == 4 * (12 * 10 + 10 + 10 * 2 + 2) + buffers
    # the input of both layers (the second is also what the ReLU keeps), and the answer
    assert found.picture_bytes == 4 * (12 + 10 + 2)


def test_training_needs_gradients_momentum_and_a_batch() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    found = footprint(PixelClassifier(net, Preprocessing((2, 2)), SPEC), torch.zeros(2, 3, 2, 2, dtype=torch.uint8))
    more = found.training_bytes(64, networks=2) - found.training_bytes(32, networks=1)
    assert more == found.weights_bytes + 32 * found.picture_bytes
