"""Bad teaching: the student follows the original on retain pictures and a network that knows nothing on forget ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from expunge.functional.distillation import distillation
from expunge.functional.seeding import derive_seed
from expunge.methods.cost import Passes, Sizes, steps_of
from expunge.methods.phases import Batch, Context, Loss, Phases, Source, Train, unwrap
from expunge.types import Augmentation, Optimizer


@dataclass(frozen=True)
class BadTeacher:
    r"""Follow a competent teacher on the retain set and an incompetent one on the forget set.

    The competent teacher is the original, the incompetent one a freshly initialised network. The student starts as
    the original and copies the answers of the one on retain pictures and of the other on forget pictures.

    $$\min_\theta \; \mathbb{E}_{x \in \text{retain}}\, \mathrm{KL}(f_{\text{original}}(x) \,\|\, f_\theta(x))
      + w\, \mathbb{E}_{x \in \text{forget}}\, \mathrm{KL}(f_{\text{fresh}}(x) \,\|\, f_\theta(x))$$

    Args:
        epochs: passes over the retain set (> 0).
        lr: peak learning rate (> 0).
        schedule: `cosine`, `linear` or `constant`.
        forget_weight: w.
        temperature: of all answers (> 0).
        batch_size: retain pictures per step.
        forget_batch: forget pictures per step.
        weight_decay: of SGD with momentum .9.
        augment: change the pictures at random as in training.

    Cost: two forward passes (student, teacher) and one backward pass per retain and per forget picture shown.
    Fails when: answers of a fresh network are no answers of a retrained one: forget losses end above it and stand out.
    Source: Chundawat et al. 2023, "Can bad teaching induce forgetting?" (arXiv 2205.08096).
    Differs from the paper: both kinds of pictures are in every batch, and all retain pictures are used.
    """

    epochs: float = 2.0
    lr: float = 0.0064
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    forget_weight: float = 1.1
    temperature: float = 4.0
    batch_size: int = 64
    forget_batch: int = 16
    weight_decay: float = 5e-4
    augment: bool = True


def bad_teacher(config: BadTeacher, context: Context) -> Phases:
    """One phase whose batches pair retain with forget pictures."""
    task = context.task
    augmentation = Augmentation() if config.augment else None
    yield Train(
        "teach",
        {
            "retain": Source(task.retain, min(config.batch_size, len(task.retain)), augmentation),
            "forget": Source(task.forget, min(config.forget_batch, len(task.forget)), augmentation),
        },
        "retain",
        teaching_loss(config, context),
        Optimizer(lr=config.lr, schedule=config.schedule, weight_decay=config.weight_decay),
        epochs=config.epochs,
    )


def cost(config: BadTeacher, sizes: Sizes) -> Passes:
    """What the phase shows to student and teachers."""
    batch = min(config.batch_size, sizes.retain) + min(config.forget_batch, sizes.forget)
    shown = batch * steps_of(sizes.retain, config.batch_size, config.epochs)
    return Passes(forward=2 * shown, backward=shown)


def teaching_loss(config: BadTeacher, context: Context) -> Loss:
    """Divergence from the original on retain and from a fresh network on forget pictures."""
    ignorant = context.fresh(derive_seed(context.seed, "incompetent")).eval().requires_grad_(False)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        retain, forget = batch["retain"].x, batch["forget"].x
        sizes = unwrap(model).spec.sizes
        with torch.no_grad():
            right, wrong = context.original()(retain), ignorant.to(forget.device)(forget)
        # one pass over both, so that batch norm sees what it will see
        ours, theirs = model(torch.cat([retain, forget])).split([len(retain), len(forget)])
        keep = distillation(ours, right, sizes=sizes, temperature=config.temperature)
        return keep + config.forget_weight * distillation(theirs, wrong, sizes=sizes, temperature=config.temperature)

    return loss
