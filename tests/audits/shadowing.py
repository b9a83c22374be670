"""A tiny study that tests of shadows share, in a module of its own so that other processes can import it.

A shadow is trained by a few steps of plain gradient descent, which is no engine but has all that matters: it depends
on the pictures, the seed, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from expunge.audits.shadows import ShadowPlan, Training, Unlearning
from expunge.functional.losses import mean_loss
from expunge.functional.seeding import generator
from expunge.types import PictureSet, SteeringTask
from tests.helpers import net, pictures

CLASSES = (3, 2)


@dataclass(frozen=True)
class Descent:
    """Trains on ten random batches, and leaves its seed in `TRAINED`."""

    lr: float = 0.3

    def __call__(self, subset: PictureSet, seed: int) -> nn.Module:
        TRAINED.append(seed)
        model = net(subset.spec, seed=seed, dropout=0.0)
        descend(model, subset, seed, self.lr)
        return model.eval()


def ascend(model: nn.Module, task: SteeringTask, seed: int) -> nn.Module:
    """Unlearns by going up."""
    descend(model, task.forget, seed, -0.05)
    return model.eval()


def descend(model: nn.Module, subset: PictureSet, seed: int, lr: float) -> None:
    model.train()
    drawn = generator(seed, "batches")
    for _ in range(10):
        at = torch.randint(0, len(subset), (16,), generator=drawn)
        loss = mean_loss(model(subset.pixels(at).float() / 255), subset.labels[at], sizes=subset.spec.sizes)
        weights = list(model.parameters())
        with torch.no_grad():
            for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight -= lr * slope


TRAINED: list[int] = []
EVERYBODY = pictures(64, seed=5, classes=CLASSES)
FORGET, RETAIN = EVERYBODY.subset(torch.arange(8)), EVERYBODY.subset(torch.arange(8, 48))
TUNING, REPORTING = EVERYBODY.subset(torch.arange(48, 56)), EVERYBODY.subset(torch.arange(56, 64))
TOLD: dict[str, Any] = {"recipe": {"lr": 0.3}, "architecture": "tiny", "expunge": "1"}
UNLEARNING = Unlearning(ascend, {"method": "ascent", "settings": {"lr": 0.05}}, FORGET, TUNING)
PLAN = ShadowPlan(EVERYBODY, EVERYBODY, Training(Descent(), TOLD), seed=3)
NEVER = ShadowPlan(RETAIN, EVERYBODY, Training(Descent(), TOLD), seed=3)
