"""UNSIR: learn noise that maximises the loss for the labels to be forgotten, train on it, then repair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from expunge.functional.losses import mean_loss
from expunge.functional.seeding import generator
from expunge.methods.cost import Passes, Sizes, shown_in, steps_of, training
from expunge.methods.phases import Batch, Context, Loss, Phases, Source, Train, classification, unwrap
from expunge.types import Augmentation, Optimizer, PictureSet


@dataclass(frozen=True)
class UNSIR:
    r"""Train on noise that maximises the loss for the labels of the forget set, then repair on the retain set.

    Noise pictures (in normalised units) are learned whose loss for forget labels is as high as it can be. Impairing
    trains the model on them, with these labels, beside retain pictures; repairing trains on retain pictures alone.

    $$N^* = \arg\max_N \; \mathrm{CE}(f_\theta(N), y_f) - \lambda \lVert N \rVert_2^2, \qquad
      \theta \leftarrow \theta - \gamma \nabla_\theta \, \mathrm{CE}(f_\theta(x_r \cup N^*), y_r \cup y_f)$$

    Args:
        noise_batch: how many noise pictures are learned, with labels drawn from the forget set.
        noise_steps: steps of learning them.
        noise_lr: step of Adam on the noise.
        noise_weight: lambda, against large noise.
        noise_share: noise pictures per retain picture in impairing (0..1).
        impair_epochs, repair_epochs: passes over the retain set (> 0).
        impair_lr, repair_lr: learning rates, falling to 0 on a cosine.
        batch_size: retain pictures per step.
        weight_decay: of SGD with momentum .9.
        augment: change retain pictures at random as in training.

    Cost: one forward pass and one input gradient per noise picture and step of learning it; one forward and one
    backward pass per retain picture and epoch of impairing and repairing, and per noise picture shown beside them.
    Fails when: the forget set spans all classes: noise of a class then impairs the class, not the people.
    Source: Tarun et al. 2023, "Fast yet effective machine unlearning" (arXiv 2111.08947).
    Differs from the paper: a forget set of people has many labels, so each noise picture has one of them, drawn as
    often as it is in the forget set; noise is mixed into every batch; all retain pictures are used.
    """

    noise_batch: int = 64
    noise_steps: int = 40
    noise_lr: float = 0.1
    noise_weight: float = 0.28
    noise_share: float = 0.74
    impair_epochs: float = 1.0
    repair_epochs: float = 1.0
    impair_lr: float = 0.021
    repair_lr: float = 0.022
    batch_size: int = 64
    weight_decay: float = 5e-4
    augment: bool = True


def unsir(config: UNSIR, context: Context) -> Phases:
    """Three phases: noise, impair, repair."""
    task = context.task
    size = min(config.batch_size, len(task.retain))
    labels = _noise_labels(task.forget, config.noise_batch, context.seed)
    start = torch.randn(_shape(task.forget, config.noise_batch), generator=generator(context.seed, "unsir", "noise"))
    retain = {"retain": Source(task.retain, size, Augmentation() if config.augment else None)}
    learned = yield Train(
        "noise",
        {"retain": Source(task.retain, 1)},  # phases count in some source; its pictures are not shown to the model
        "retain",
        noise_loss(config, labels),
        Optimizer(lr=config.noise_lr, kind="adamw", weight_decay=0.0),
        steps=config.noise_steps,
        inputs={"noise": start},
        train_mode=False,
    )
    yield Train(
        "impair",
        retain,
        "retain",
        impair_loss(config, learned.tensors, labels),
        Optimizer(lr=config.impair_lr, schedule="cosine", weight_decay=config.weight_decay),
        epochs=config.impair_epochs,
    )
    yield Train(
        "repair",
        retain,
        "retain",
        classification("retain"),
        Optimizer(lr=config.repair_lr, schedule="cosine", weight_decay=config.weight_decay),
        epochs=config.repair_epochs,
    )


def cost(config: UNSIR, sizes: Sizes) -> Passes:
    """What the three phases show to the network."""
    noise = config.noise_batch * config.noise_steps
    size = min(config.batch_size, sizes.retain)
    beside = _beside(config, size) * steps_of(sizes.retain, config.batch_size, config.impair_epochs)
    impair = shown_in(sizes.retain, config.batch_size, config.impair_epochs) + beside
    return (
        Passes(forward=noise, inputs=noise)
        + Passes(forward=impair, backward=impair)
        + training(sizes.retain, config.batch_size, config.repair_epochs)
    )


def noise_loss(config: UNSIR, labels: Tensor) -> Loss:
    """What is minimised over the noise: minus the loss for the labels, and the size of the noise."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        noise = batch["noise"].x
        size = noise.square().sum((1, 2, 3)).mean()
        error = mean_loss(model(_picture(noise, model)), labels.to(noise.device), sizes=unwrap(model).spec.sizes)
        return config.noise_weight * size - error

    return loss


def impair_loss(config: UNSIR, learned: Mapping[str, Tensor], labels: Tensor) -> Loss:
    """The training loss on retain pictures and some of the noise pictures."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        retain = batch["retain"]
        count = _beside(config, len(retain.x))
        chosen = torch.randperm(len(labels), generator=generator(batch.seed, "noise"))[:count]
        noise = _picture(learned["noise"][chosen].to(retain.x), model)
        x, y = torch.cat([retain.x, noise]), torch.cat([retain.y, labels[chosen].to(retain.y)])
        return mean_loss(model(x), y, sizes=unwrap(model).spec.sizes)

    return loss


def _beside(config: UNSIR, retain: int) -> int:
    return min(config.noise_batch, round(config.noise_share * retain))


def _picture(noise: Tensor, model: nn.Module) -> Tensor:
    """The picture that the network's normalisation turns into `noise`; it may leave 0..1, as in the paper."""
    inner = unwrap(model)
    return inner.mean + inner.std * noise


def _noise_labels(forget: PictureSet, count: int, seed: int) -> Tensor:
    chosen = torch.randint(len(forget), (count,), generator=generator(seed, "unsir", "labels"))
    return forget.labels[chosen]


def _shape(pictures: PictureSet, count: int) -> tuple[int, ...]:
    return (count, *pictures.pixels(torch.tensor([0])).shape[1:])
