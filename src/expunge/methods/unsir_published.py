"""UNSIR as the code published with DLFD runs it: noise without retain pictures beside it, for comparison only."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from expunge.functional.losses import mean_loss
from expunge.functional.seeding import generator
from expunge.methods.cost import Passes, Sizes, training
from expunge.methods.phases import Batch, Context, Loss, Phases, Source, Train, classification, unwrap
from expunge.types import Augmentation, Optimizer, PictureSet


@dataclass(frozen=True)
class PublishedUNSIR:
    r"""What the code published with DLFD runs as UNSIR, for comparison only.

    One batch of noise is learned for the labels of one batch of forget pictures. The model is then trained on the
    noise alone, once for every forget picture and under its label, which is seldom the one that the noise was learned
    for. The network is in training mode throughout, so that its running statistics follow the noise.

    $$N^* = \arg\max_N \; \mathrm{CE}(f_\theta(N), y_b) - \lambda \lVert N \rVert_2^2, \qquad
      \min_\theta \sum_{i \in \text{forget}} \mathrm{CE}(f_\theta(N^*_{j(i)}), y_i), \qquad
      \min_\theta \sum_{i \in \text{retain}} \mathrm{CE}(f_\theta(x_i), y_i)$$

    Args:
        noise_batch: b, how many noise pictures are learned; 64 as for emotions there, ages have 32.
        noise_steps: steps of learning them.
        noise_lr: learning rate of Adam on the noise (> 0).
        noise_weight: lambda, against large noise.
        impair_epochs: passes over the labels of the forget set (> 0).
        impair_batch: noise pictures per step.
        repair_epochs: passes over the retain set (> 0).
        lr: learning rate of Adam in both.
        batch_size: retain pictures per step.
        augment: change retain pictures at random as in training.

    Cost: one forward pass and one input gradient per noise picture and step of learning it; one forward and one
    backward pass per forget picture (a noise picture in its place) and per retain picture and epoch.
    Fails when: it is taken for UNSIR: impairing has no retain pictures to hold on to, and repairing is fine-tuning.
    Source: unlearn/unsir.py of the published code (Dasol-Choi/DLFD at 4ac0aa6); settings of its notebooks.
    Differs from the published code: noise pictures are drawn for each label, there they go round in turn.
    """

    noise_batch: int = 64
    noise_steps: int = 8
    noise_lr: float = 0.1
    noise_weight: float = 0.1
    impair_epochs: float = 1.0
    impair_batch: int = 128
    repair_epochs: float = 2.0
    lr: float = 0.001
    batch_size: int = 64
    augment: bool = True


def unsir_published(config: PublishedUNSIR, context: Context) -> Phases:
    """Three phases: noise, impair, repair."""
    retain, forget = context.task.retain, context.task.forget
    start, labels = _start(config, forget, context.seed)
    learned = yield Train(
        "noise",
        {"forget": Source(forget, 1)},  # phases count in some source; its pictures are not shown to the model
        "forget",
        noise_loss(config, labels),
        Optimizer(lr=config.noise_lr, kind="adamw", weight_decay=0.0),
        steps=config.noise_steps,
        inputs={"noise": start},
    )
    adam = Optimizer(lr=config.lr, kind="adamw", weight_decay=0.0)
    yield Train(
        "impair",
        {"forget": Source(forget, min(config.impair_batch, len(forget)))},  # its labels, and nothing of its pictures
        "forget",
        impair_loss(learned.tensors["noise"]),
        adam,
        epochs=config.impair_epochs,
    )
    augmentation = Augmentation() if config.augment else None
    yield Train(
        "repair",
        {"retain": Source(retain, min(config.batch_size, len(retain)), augmentation)},
        "retain",
        classification("retain"),
        adam,
        epochs=config.repair_epochs,
    )


def cost(config: PublishedUNSIR, sizes: Sizes) -> Passes:
    """What the three phases show to the network."""
    noise = min(config.noise_batch, sizes.forget) * config.noise_steps
    impair = training(sizes.forget, config.impair_batch, config.impair_epochs)
    repair = training(sizes.retain, config.batch_size, config.repair_epochs)
    return Passes(forward=noise, inputs=noise) + impair + repair


def noise_loss(config: PublishedUNSIR, labels: Tensor) -> Loss:
    """What is minimised over the noise: its size, less the loss for the labels."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        noise = batch["noise"].x
        size = noise.square().sum((1, 2, 3)).mean()
        answers = model(_picture(noise, model))
        return config.noise_weight * size - mean_loss(answers, labels.to(noise.device), sizes=unwrap(model).spec.sizes)

    return loss


def impair_loss(noise: Tensor) -> Loss:
    """The training loss on noise pictures, under labels that they were not learned for."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        labels = batch["forget"].y
        chosen = torch.randint(len(noise), (len(labels),), generator=generator(batch.seed, "noise"))
        pictures = _picture(noise[chosen].to(batch["forget"].x), model)
        return mean_loss(model(pictures), labels, sizes=unwrap(model).spec.sizes)

    return loss


def _picture(noise: Tensor, model: nn.Module) -> Tensor:
    """The picture that the network's normalisation turns into `noise`."""
    inner = unwrap(model)
    return inner.mean + inner.std * noise


def _start(config: PublishedUNSIR, forget: PictureSet, seed: int) -> tuple[Tensor, Tensor]:
    """Unlearned noise, and the labels of as many forget pictures."""
    count = min(config.noise_batch, len(forget))
    drawn = torch.randperm(len(forget), generator=generator(seed, "unsir", "batch"))[:count]
    shape = forget.pixels(drawn[:1]).shape[1:]
    return torch.randn((count, *shape), generator=generator(seed, "unsir", "noise")), forget.labels[drawn]
