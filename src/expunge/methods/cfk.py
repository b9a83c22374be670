"""Catastrophic forgetting of the last k layers (CF-k): fine-tune these on the retain set, leave all others alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from expunge.methods.cost import Passes, Sizes, training
from expunge.methods.phases import Context, Phases, Source, Train, classification
from expunge.models.classifier import PixelClassifier
from expunge.models.layers import last_layers, own_parameters
from expunge.types import Augmentation, Optimizer


@dataclass(frozen=True)
class CFK:
    r"""Fine-tune the last k layers on the retain set, with all layers before them frozen.

    What these layers remember of single pictures is meant to fade as it does in continual learning. The frozen layers
    keep their weights and their running statistics, bit by bit. A layer is counted where it runs, whatever it is
    called; a normalisation layer belongs to the layer before it.

    $$\min_{\theta_{\text{last } k}} \; \mathbb{E}_{(x,y) \in \text{retain}} \; \mathrm{CE}(f_\theta(x), y)$$

    Args:
        k: number of layers that are trained (>= 1); 11 are the last two stages and the head of a
            ResNet-18.
        epochs: passes over the retain set (> 0).
        lr: peak learning rate (> 0).
        schedule: `cosine`, `linear` or `constant`.
        batch_size: pictures per step.
        weight_decay: of SGD with momentum .9.
        augment: change the pictures at random as in training.
        freeze_statistics: False lets running statistics of frozen layers move, as code behind published tables does.

    Cost: one forward and one backward pass per retain picture and epoch; the backward pass ends at the k-th last layer.
    Fails when: the layers before the last k remember the forget set: nothing reaches them.
    Source: Goel et al. 2022, "Towards adversarial evaluations for inexact machine unlearning" (arXiv 2201.06640).
    Differs from published tables: these train the three linear layers behind a ResNet's convolutions at a rate of .001,
    which changes next to nothing; `cf-k:published` does so. Their rate swings between .001 and 0 every few steps, ours
    falls once; the mean is the same.
    """

    k: int = 11
    epochs: float = 2.0
    lr: float = 0.032
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    batch_size: int = 64
    weight_decay: float = 0.073
    augment: bool = True
    freeze_statistics: bool = True


# settings of cfk.py in the code published with DLFD (Dasol-Choi/DLFD at 4ac0aa6), whose head has three linear layers;
# batches of 64 for emotions, 32 for ages
PUBLISHED = CFK(k=3, epochs=2.0, lr=0.001, schedule="cosine", weight_decay=0.0, freeze_statistics=False)


def cfk(config: CFK, context: Context) -> Phases:
    """One phase of plain training of the last k layers."""
    retain = context.task.retain
    augmentation = Augmentation() if config.augment else None

    def trained(model: PixelClassifier) -> list[nn.Parameter]:
        return own_parameters(model, last_layers(model, config.k))

    yield Train(
        "finetune-last",
        {"retain": Source(retain, min(config.batch_size, len(retain)), augmentation)},
        "retain",
        classification("retain"),
        Optimizer(lr=config.lr, schedule=config.schedule, weight_decay=config.weight_decay),
        epochs=config.epochs,
        parameters=trained,
        freeze_statistics=config.freeze_statistics,
    )


def cost(config: CFK, sizes: Sizes) -> Passes:
    """What the phase shows to networks."""
    return training(sizes.retain, config.batch_size, config.epochs)
