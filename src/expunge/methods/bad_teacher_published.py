"""Bad teaching as the code published with DLFD runs it: on the retain set alone, for comparison only."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from expunge.functional.distillation import distillation
from expunge.functional.losses import mean_loss
from expunge.functional.seeding import derive_seed
from expunge.methods.cost import Passes, Sizes, shown_in
from expunge.methods.phases import Batch, Context, Phases, Source, Train, unwrap
from expunge.types import Augmentation, Optimizer


@dataclass(frozen=True)
class PublishedBadTeacher:
    r"""What the code published with DLFD runs as bad teaching, for comparison only.

    The forget set is never read: on retain pictures the student learns the labels and the original's answers, and is
    pushed away from the answers of a fresh network. Both teachers answer in training mode, with dropout and the
    statistics of the batch.

    $$\min_\theta \; \mathbb{E}_{(x,y) \in \text{retain}}\; \mathrm{CE}(f_\theta(x), y)
      + \alpha\, \mathrm{KL}(f_{\text{original}} \,\|\, f_\theta)
      - \beta\, \mathrm{KL}(f_{\text{fresh}} \,\|\, f_\theta)$$

    Args:
        epochs: passes over the retain set (> 0).
        lr: learning rate of Adam (> 0).
        alpha, beta: weights of the two teachers.
        temperature: of all answers (> 0).
        batch_size: pictures per step; 64 as for emotions there, ages have 32.
        weight_decay: of Adam.
        augment: change the pictures at random as in training.

    Cost: three forward passes and one backward pass per retain picture and epoch.
    Fails when: it is taken for bad teaching: nothing in it depends on what is to be forgotten.
    Source: unlearn/badT.py of the published code (Dasol-Choi/DLFD at 4ac0aa6); settings of its age notebook (emotions
    have one epoch).
    Differs from the published code: weight decay is applied to the weights, there to the gradient.
    """

    epochs: float = 2.0
    lr: float = 0.001
    alpha: float = 1.0
    beta: float = 1.0
    temperature: float = 4.0
    batch_size: int = 64
    weight_decay: float = 5e-4
    augment: bool = True


def bad_teacher_published(config: PublishedBadTeacher, context: Context) -> Phases:
    """One phase on retain pictures alone."""
    retain = context.task.retain
    competent = copy.deepcopy(context.original()).train()  # a copy: running statistics of the original must not move
    ignorant = context.fresh(derive_seed(context.seed, "incompetent")).requires_grad_(False).train()

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        x, y = batch["retain"].x, batch["retain"].y
        sizes = unwrap(model).spec.sizes
        with torch.no_grad():
            right, wrong = competent(x), ignorant.to(x.device)(x)
        ours = model(x)
        towards = distillation(ours, right, sizes=sizes, temperature=config.temperature)
        away = distillation(ours, wrong, sizes=sizes, temperature=config.temperature)
        return mean_loss(ours, y, sizes=sizes) + config.alpha * towards - config.beta * away

    yield Train(
        "teach",
        {"retain": Source(retain, min(config.batch_size, len(retain)), Augmentation() if config.augment else None)},
        "retain",
        loss,
        Optimizer(lr=config.lr, kind="adamw", weight_decay=config.weight_decay),
        epochs=config.epochs,
    )


def cost(config: PublishedBadTeacher, sizes: Sizes) -> Passes:
    """What the phase shows to student and teachers."""
    shown = shown_in(sizes.retain, config.batch_size, config.epochs)
    return Passes(forward=3 * shown, backward=shown)
