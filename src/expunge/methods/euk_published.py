"""What stands as EU-k in published tables: batch norm's scale and shift are fine-tuned, and no layer starts afresh.

Not a method to use: it exists to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from expunge.errors import MethodError
from expunge.methods.cost import Passes, Sizes, training
from expunge.methods.phases import Context, Phases, Source, Train, classification
from expunge.models.classifier import PixelClassifier
from expunge.types import Augmentation, Optimizer


@dataclass(frozen=True)
class PublishedEUK:
    r"""EU-k of the code published with DLFD (Dasol-Choi/DLFD at 4ac0aa6), for comparison only.

    It re-initialises nothing, and what it trains on the retain set are scale and shift of the second batch norm of
    every block alone (those called `bn2`; none of the names by which it means to pick the head fits its network). All
    running statistics move too.

    $$\min_{\gamma, \beta} \; \mathbb{E}_{(x,y) \in \text{retain}} \; \mathrm{CE}(f_{\theta,\gamma,\beta}(x), y)$$

    Args:
        epochs: passes over the retain set (> 0).
        lr: learning rate of SGD with momentum .9 and no weight decay.
        batch_size: pictures per step; 64 as for emotions there, ages have 32.
        augment: change the pictures at random as in training.

    Cost: one forward and one backward pass per retain picture and epoch.
    Fails when: always: it is fine-tuning of very few parameters at a small rate.
    Source: unlearn/euk.py of the published code; settings of its notebooks.
    Differs from the published code: where no batch norm is called `bn2`, all of them are trained; the rate is constant
    at the mean of its two epochs (.001, then .0005).
    """

    epochs: float = 2.0
    lr: float = 0.00075
    batch_size: int = 64
    augment: bool = True


def euk_published(config: PublishedEUK, context: Context) -> Phases:
    """One phase that trains batch norm."""
    retain = context.task.retain
    yield Train(
        "published",
        {"retain": Source(retain, min(config.batch_size, len(retain)), Augmentation() if config.augment else None)},
        "retain",
        classification("retain"),
        Optimizer(lr=config.lr, weight_decay=0.0),
        epochs=config.epochs,
        parameters=scales_and_shifts,
        freeze_statistics=False,
    )


def cost(config: PublishedEUK, sizes: Sizes) -> Passes:
    """What the phase shows to networks."""
    return training(sizes.retain, config.batch_size, config.epochs)


def scales_and_shifts(model: PixelClassifier) -> list[nn.Parameter]:
    """Parameters of the batch norm layers called `bn2`, or of all of them where none is.

    Raises:
        MethodError: there are none.
    """
    norms = {name: module for name, module in model.named_modules() if isinstance(module, _BatchNorm)}
    chosen = [module for name, module in norms.items() if name.endswith("bn2")] or list(norms.values())
    if not any(module.affine for module in chosen):
        raise MethodError("method", expected="a network with batch norm for eu-k:published", came="one without")
    return [parameter for module in chosen for parameter in module.parameters()]
