"""Gradient ascent on the forget set: the simplest error-maximising method, and how it over-shoots."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from expunge.methods.cost import Passes, Sizes, training
from expunge.methods.phases import Batch, Context, Phases, Source, Train, classification
from expunge.types import Optimizer


@dataclass(frozen=True)
class NegGrad:
    r"""Maximise the loss on the forget set.

    $$\max_\theta \; \mathbb{E}_{(x,y) \in \text{forget}} \; \mathrm{CE}(f_\theta(x), y)$$

    Args:
        epochs: passes over the forget set (> 0).
        lr: learning rate (> 0).
        batch_size: pictures per step.
        weight_decay: of SGD with momentum .9.

    Cost: one forward and one backward pass per forget picture and epoch; the retain set is not read.
    Fails when: it runs on: the loss has no upper bound, and accuracy falls everywhere.
    Source: Golatkar et al. 2020, "Eternal sunshine of the spotless net"; a baseline of Choi and Na 2025.
    """

    epochs: float = 1.0
    lr: float = 0.0026
    batch_size: int = 64
    weight_decay: float = 0.0


def neggrad(config: NegGrad, context: Context) -> Phases:
    """One phase of ascent on the forget set."""
    forget = context.task.forget
    descend = classification("forget")

    def ascend(model: nn.Module, batch: Batch) -> Tensor:
        return -descend(model, batch)

    yield Train(
        "ascend",
        {"forget": Source(forget, min(config.batch_size, len(forget)))},
        "forget",
        ascend,
        Optimizer(lr=config.lr, weight_decay=config.weight_decay),
        epochs=config.epochs,
    )


def cost(config: NegGrad, sizes: Sizes) -> Passes:
    """What the phase shows to networks."""
    return training(sizes.forget, config.batch_size, config.epochs)
