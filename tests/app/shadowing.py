"""A tiny study on a tiny network, in a module of its own so that other processes can import it."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from expunge.app.desk import ProgressReport, Silent
from expunge.app.references import Retraining
from expunge.app.shadows import shadow_statistics, shadow_training
from expunge.audits.shadows import ShadowPlan
from expunge.data.dataset import from_tensors
from expunge.engine.jobs import Workers
from expunge.engine.settings import EngineSettings
from expunge.models.artefact import ModelArtefact
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.load import wrap_module
from expunge.types import Augmentation, ErasureTask, Optimizer, PictureSet, TrainRecipe
from tests.helpers import pictures

SETTINGS = EngineSettings(device="cpu", precision="fp32", channels_last="off", threads=1)
RECIPE = TrainRecipe(epochs=1, batch_size=16, optimizer=Optimizer(lr=0.05), augmentation=Augmentation())
HERE = Workers("in-process", threads=1)


@functools.cache
def everybody() -> PictureSet:
    """72 pictures of 18 people in a store."""
    made = pictures(72, seed=6)
    assert made.subjects is not None
    pixels, owners = made.pixels(torch.arange(72)).contiguous(), made.subjects.tolist()
    return from_tensors(pixels, made.labels, ids=made.ids.tolist(), subjects=owners).pictures


def part(first: int, last: int) -> PictureSet:
    return everybody().subset(torch.arange(first, last))


TASK = ErasureTask(retain=part(8, 48), forget=part(0, 8), tuning=part(48, 60), reporting=part(60, 72))


def network(width: int = 4, slope: float = 0.0) -> nn.Module:
    """A network with batch norm, small enough for a test."""
    layers = [nn.Conv2d(3, width, 3, bias=False), nn.BatchNorm2d(width), nn.LeakyReLU(slope)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, 3))


def artefact(*, width: int = 4, slope: float = 0.0, seed: int = 0) -> ModelArtefact:
    """An original of that network, whose weights do not matter."""
    build = functools.partial(network, width, slope)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = build()
    return wrap_module(made, everybody().spec, Preprocessing((8, 8)), factory=build)


def retraining() -> Retraining:
    """How the original is said to have been trained."""
    return Retraining(artefact(), TASK.retain, RECIPE, None, SETTINGS)


def plan() -> ShadowPlan:
    """Shadows of everybody."""
    return ShadowPlan(everybody(), everybody(), shadow_training(retraining()))


@dataclass(frozen=True)
class Fails:
    """A training that fails for one seed."""

    seed: int

    def __call__(self, subset: PictureSet, seed: int) -> PixelClassifier:
        if seed == self.seed:
            raise ValueError("not this one")
        return artefact().classifier


class Listener(Silent):
    """Remembers what it hears, and answers what it is told to."""

    def __init__(self, *, answer: bool = True) -> None:
        super().__init__()
        self.answer, self.said, self.done = answer, list[str](), list[tuple[int, int]]()

    def say(self, text: str) -> None:
        self.said.append(text)

    def progress(self, report: ProgressReport) -> None:
        self.done.append((report.step, report.steps))

    def confirm(self, question: str, *, unasked: bool = True) -> bool:
        return self.answer


if __name__ == "__main__":
    shadow_statistics(plan(), 200, cache=Path(sys.argv[1]), workers=Workers("pool", 2, 2), desk=Silent())
