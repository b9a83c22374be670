"""Gradient ascent on the forget set held in check by descent on the retain set, in one and the same step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from expunge.functional.losses import mean_loss
from expunge.methods.cost import Passes, Sizes, steps_of
from expunge.methods.phases import Batch, Context, Loss, Phases, Source, Train, unwrap
from expunge.types import Augmentation, Optimizer


@dataclass(frozen=True)
class NegGradPlus:
    r"""Minimise the loss on the retain set and maximise it on the forget set, weighted, step by step together.

    Every batch pairs retain with forget pictures, so that whatever ascent damages is mended in the same step. The
    forget set is passed over as often as the steps of an epoch of the retain set need.

    $$\min_\theta \; \mathbb{E}_{(x,y) \in \text{retain}} \; \mathrm{CE}(f_\theta(x), y)
      - \lambda \; \mathbb{E}_{(x,y) \in \text{forget}} \; \mathrm{CE}(f_\theta(x), y)$$

    Args:
        epochs: passes over the retain set (> 0).
        lr: peak learning rate (> 0).
        schedule: `cosine`, `linear` or `constant`.
        batch_size: pictures per step, of either set.
        forget_weight: lambda (>= 0); 0 is fine-tuning.
        weight_decay: of SGD with momentum .9.
        augment: change retain pictures at random as in training.

    Cost: per retain picture and epoch, one forward and one backward pass of it and of one forget picture (fewer where
    the forget set is smaller than a batch).
    Fails when: the weight or the rate is large: the loss on the forget set has no upper bound, and the model shows who
    was forgotten by being wrong about them.
    Source: Kurmanji et al. 2023 (arXiv 2302.09880), where it is called NegGrad+; Choi and Na 2023 (arXiv 2311.02240).
    Differs from the papers: both sets go through the network as one batch, so that batch norm sees them together.
    """

    epochs: float = 2.0
    lr: float = 0.0097
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    batch_size: int = 64
    forget_weight: float = 0.13
    weight_decay: float = 0.059
    augment: bool = True


def neggrad_plus(config: NegGradPlus, context: Context) -> Phases:
    """One phase whose batches pair retain with forget pictures."""
    retain, forget = context.task.retain, context.task.forget
    augmentation = Augmentation() if config.augment else None
    yield Train(
        "descend-and-ascend",
        {
            "retain": Source(retain, min(config.batch_size, len(retain)), augmentation),
            "forget": Source(forget, min(config.batch_size, len(forget))),
        },
        "retain",
        balanced(config.forget_weight),
        Optimizer(lr=config.lr, schedule=config.schedule, weight_decay=config.weight_decay),
        epochs=config.epochs,
    )


def cost(config: NegGradPlus, sizes: Sizes) -> Passes:
    """What the phase shows to networks."""
    pair = min(config.batch_size, sizes.retain) + min(config.batch_size, sizes.forget)
    shown = steps_of(sizes.retain, config.batch_size, config.epochs) * pair
    return Passes(forward=shown, backward=shown)


def balanced(forget_weight: float) -> Loss:
    """The loss of a step: that of retain pictures, less the weighted one of forget pictures."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        retain, forget = batch["retain"], batch["forget"]
        sizes = unwrap(model).spec.sizes
        answers = model(torch.cat([retain.x, forget.x]))  # one pass: several processes cannot wrap two in a step
        kept, lost = answers.split([len(retain.x), len(forget.x)])
        ascended = mean_loss(lost, forget.y, sizes=sizes)
        batch.notes["forget_loss"] = float(ascended.detach())
        return mean_loss(kept, retain.y, sizes=sizes) - forget_weight * ascended

    return loss
