"""Fine-tuning on the retain set as a warm restart: the baseline that any method has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from expunge.methods.cost import Passes, Sizes, training
from expunge.methods.phases import Context, Phases, Source, Train, classification
from expunge.types import Augmentation, Optimizer


@dataclass(frozen=True)
class FineTune:
    r"""Go on training on the retain set alone and let what is not repeated fade.

    $$\min_\theta \; \mathbb{E}_{(x,y) \in \text{retain}} \; \mathrm{CE}(f_\theta(x), y)$$

    Args:
        epochs: passes over the retain set (> 0).
        lr: peak learning rate (> 0). A rate as high as in training, falling to 0, forgets; a small one does not.
        schedule: `cosine`, `linear` or `constant`.
        batch_size: pictures per step.
        weight_decay: of SGD with momentum .9.
        augment: change the pictures at random as in training.

    Cost: one forward and one backward pass per retain picture and epoch.
    Fails when: the rate is small: then nothing is forgotten. High rates cost accuracy on the retain set.
    Source: the usual baseline; as a warm restart after Loshchilov and Hutter 2017.
    Differs from published tables: these run it at a rate of .001, at which it changes next to nothing;
    `finetune:published` does so. Their rate swings between .001 and 0 every few steps, ours falls once; the mean is the
    same.
    """

    epochs: float = 2.0
    lr: float = 0.043
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    batch_size: int = 64
    weight_decay: float = 3.4e-4
    augment: bool = True


# settings of the notebooks published with DLFD (Dasol-Choi/DLFD at 4ac0aa6); batches of 64 for emotions, 32 for ages
PUBLISHED = FineTune(epochs=2.0, lr=0.001, schedule="cosine", weight_decay=5e-4)


def finetune(config: FineTune, context: Context) -> Phases:
    """One phase of plain training on the retain set."""
    retain = context.task.retain
    augmentation = Augmentation() if config.augment else None
    yield Train(
        "finetune",
        {"retain": Source(retain, min(config.batch_size, len(retain)), augmentation)},
        "retain",
        classification("retain"),
        Optimizer(lr=config.lr, schedule=config.schedule, weight_decay=config.weight_decay),
        epochs=config.epochs,
    )


def cost(config: FineTune, sizes: Sizes) -> Passes:
    """What the phase shows to networks."""
    return training(sizes.retain, config.batch_size, config.epochs)
