"""Distribution-level feature distancing, our form: the forget set is moved to where unseen pictures lie.

Reads retain, forget and tuning pictures. What is trained on which batch is said here; stepping is the
engine's. The paper's form is `dlfd_perturb.py`, its code `dlfd_published.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from expunge.functional.distillation import distillation
from expunge.functional.losses import mean_loss, per_example_loss
from expunge.functional.seeding import derive_seed
from expunge.functional.unseen import Unseen, comparable, unseen_distance
from expunge.methods.cost import Passes, Sizes, steps_of, training
from expunge.methods.phases import Batch, Compute, Context, Edit, Loss, Phases, Source, Train, classification, unwrap
from expunge.models.classifier import PixelClassifier, label_slices
from expunge.models.predict import predict
from expunge.types import Optimizer, PictureSet, TrainRecipe

FORGET_BATCH = (32, 128)  # fewest and most forget pictures in a step
NEVER = -30.0  # added to the logit of a class that is lost: a probability of 1e-13


@dataclass(frozen=True)
class DLFD:
    r"""Move the forget set, as a distribution, to where pictures lie that a model has not seen; keep the rest.

    A short training on the retain set at the full learning rate makes a model that has forgotten, and shows how hard
    each picture is to it. By that, every forget picture is given a tuning picture of its label that is about as hard:
    the original never saw it, so it shows what unseen looks like. From the original weights again, optimal transport
    moves features and losses of the forget set to those of these pictures, losses only upwards, while retain pictures
    are learned and answered as before. A picture that has arrived is left alone, so that forgetting stops by itself,
    picture by picture, at what looks unseen and not beyond.

    $$\min_\theta\; \lambda_{ot}\, D\bigl(\{h_\theta(x_f), \ell_\theta(x_f)\},\,
        \{h_{\text{original}}(x_u), \ell_{\text{original}}(x_u)\}\bigr)
      + \lambda_{cls}\, \mathrm{CE}(f_\theta(x_r), y_r)
      + \lambda_{keep}\, \mathrm{KL}(f_{\text{original}}(x_r) \,\|\, f_\theta(x_r))$$

    with $x_u$ the tuning pictures that forget pictures are compared with, and $D$ the label-aware transport distance of
    `functional/unseen.py`.

    Args:
        restart_epochs: passes over the retain set of the restart (> 0).
        restart_rate: its learning rate, which does not fall, as a share of the peak rate that trained the original.
        near: a forget picture is given one of this many tuning pictures that are most like it, at random.
        epochs: passes over the retain set of the distancing (> 0).
        rate: its peak learning rate, as such a share.
        batch_size: retain pictures per step.
        forget_passes: how often each forget picture is shown, about; at least 32 and at most 128 are in a step.
        transport_batch: unseen pictures that those of a step are compared with.
        transport_weight: lambda_ot. feature_weight: weight of features against losses (nats) in D.
        class_weight, keep_weight: lambda_cls, lambda_keep.
        lost_weight: weight of pictures of a class that no retain picture has: a model that never saw the class does
            not answer it, so that they follow the original's answers without it.
        augment: change retain pictures at random as in training.

    Cost: a training of `restart_epochs`; one forward pass per forget and two per tuning picture; then one forward and
    one backward pass per retain and forget picture shown, and one forward pass of the original per retain picture
    (where a class is lost, per forget picture too).
    Fails when: the restart forgets little, as where few steps make its passes (then raise `restart_epochs`); tuning
    pictures are few or of another kind than forget pictures (`expunge check` looks for that); forget pictures are shown
    unchanged, so that changed copies of them are forgotten less.
    Source: after Choi and Na, AAAI 2025 (arXiv 2409.14747); distillation after Hinton, Vinyals and Dean 2015.
    Differs from the paper: no picture is perturbed; features move towards what is unseen, not as far away as possible;
    the stop is each picture's own. `dlfd:paper` and `dlfd:perturb` are the older forms.
    """

    restart_epochs: float = 0.2
    restart_rate: float = 1.0
    near: int = 8
    epochs: float = 0.88
    rate: float = 0.07
    batch_size: int = 64
    forget_passes: float = 2.3
    transport_batch: int = 128
    transport_weight: float = 1.2
    feature_weight: float = 1.0
    class_weight: float = 1.0
    keep_weight: float = 2.0
    lost_weight: float = 5.0
    augment: bool = True


def dlfd(config: DLFD, context: Context) -> Phases:
    """See how hard pictures are to a restarted model; back to the original; move the forget set to comparable ones."""
    task, recipe = context.task, context.recipe or TrainRecipe()
    retain = Source(
        task.retain, min(config.batch_size, len(task.retain)), recipe.augmentation if config.augment else None
    )
    yield Train(
        "restart",
        {"retain": retain},
        "retain",
        classification("retain"),
        _optimizer(recipe, config.restart_rate, "constant"),
        epochs=config.restart_epochs,
    )
    found = yield Compute("unseen", lambda model: _comparable(config, context, model))
    yield Edit("return", lambda model: _restore(model, context.original()))
    lost = lost_classes(task.retain)
    stays = ~_of_lost_classes(task.forget.labels, lost, task.forget.spec.sizes)
    unseen = Unseen(*(t[stays] for t in (found.tensors["features"], found.tensors["losses"], task.forget.labels)))
    yield Train(
        "distance",
        {"retain": retain, "forget": Source(task.forget, _forget_batch(config, len(task.retain), len(task.forget)))},
        "retain",
        distancing_loss(config, context, unseen, lost),
        _optimizer(recipe, config.rate, "cosine"),
        epochs=config.epochs,
    )


def cost(config: DLFD, sizes: Sizes) -> Passes:
    """What the phases show to the model and to the original where no class is lost."""
    size, forget = min(config.batch_size, sizes.retain), _forget_batch(config, sizes.retain, sizes.forget)
    steps = steps_of(sizes.retain, config.batch_size, config.epochs)
    restart = training(sizes.retain, config.batch_size, config.restart_epochs)
    kept = steps * size if config.keep_weight else 0
    shown = steps * (size + forget)
    return restart + Passes(forward=sizes.forget + 2 * sizes.tuning + shown + kept, backward=shown)


def distancing_loss(config: DLFD, context: Context, unseen: Unseen, lost: Tensor) -> Loss:
    """The loss of a step.

    Args:
        unseen: where forget pictures are moved to.
        lost: 0 for every logit, `NEVER` for those of classes that no retain picture has.
    """

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        retain, forget = batch["retain"], batch["forget"]
        inner = unwrap(model)
        sizes = inner.spec.sizes
        # one pass over both, so that batch norm sees what it will see
        x = torch.cat([retain.x, forget.x])
        features, logits = inner.features_and_logits(x, through=model)
        kept, moved = logits.split([len(retain.x), len(forget.x)])
        gone = _of_lost_classes(forget.y, lost, sizes)
        stay = ~gone
        distance = _distance(
            config, features[len(kept) :][stay], moved[stay], forget.y[stay], unseen, sizes=sizes, seed=batch.seed
        )
        batch.notes["distance"] = float(distance.detach())
        total = config.transport_weight * distance * stay.float().mean()
        if gone.any():
            weight = config.lost_weight * gone.float().mean()
            total = total + weight * _divergence(context, forget.x[gone], moved[gone], lost)
        if config.class_weight:
            total = total + config.class_weight * mean_loss(kept, retain.y, sizes=sizes)
        if config.keep_weight:
            total = total + config.keep_weight * _divergence(context, retain.x, kept, lost)
        return total

    return loss


def lost_classes(retain: PictureSet) -> Tensor:
    """Per logit float32: 0, or `NEVER` where no retain picture has the class."""
    sizes = retain.spec.sizes
    added = torch.full((sum(sizes),), NEVER)
    for attribute, part in enumerate(label_slices(sizes)):
        added[part][retain.labels[:, attribute].unique()] = 0
    return added


def _of_lost_classes(labels: Tensor, lost: Tensor, sizes: Sequence[int]) -> Tensor:
    """Which pictures have a class that is lost, in any attribute: bool [b]."""
    parts = [lost.to(labels.device)[part][labels[:, i]] for i, part in enumerate(label_slices(sizes))]
    return torch.stack(parts).sum(0) < 0


def _distance(
    config: DLFD,
    features: Tensor,
    logits: Tensor,
    labels: Tensor,
    unseen: Unseen,
    *,
    sizes: Sequence[int],
    seed: int,
) -> Tensor:
    """Distance of the pictures of a batch to a sample of the unseen ones; 0 where there are none."""
    if not len(labels) or not len(unseen.losses):
        return logits.sum() * 0
    losses = per_example_loss(logits, labels, sizes=sizes)
    sample = unseen.draw(config.transport_batch, seed).to(labels.device)
    return unseen_distance(features, losses, labels, sample, feature_weight=config.feature_weight)


def _divergence(context: Context, x: Tensor, answers: Tensor, lost: Tensor) -> Tensor:
    """Divergence from what the original answers, classes that are lost left out."""
    original = context.original()
    with torch.no_grad():
        wanted = original(x) + lost.to(x.device)
    return distillation(answers, wanted, sizes=original.spec.sizes)


def _comparable(config: DLFD, context: Context, restarted: PixelClassifier) -> Mapping[str, Tensor]:
    """Features and losses, under the original, of a tuning picture for each forget picture."""
    forget, tuning = context.task.forget, context.task.tuning
    hard, others = _as_seen(restarted, forget), _as_seen(restarted, tuning)
    seed = derive_seed(context.seed, "dlfd", "comparable")
    rows = comparable(hard.losses, hard.labels, others, near=config.near, seed=seed)
    unseen = _as_seen(context.original(), tuning)
    return {"features": unseen.features[rows], "losses": unseen.losses[rows]}


def _as_seen(model: PixelClassifier, pictures: PictureSet) -> Unseen:
    """Pictures as a model sees them."""
    found = predict(model, pictures, features=True)
    assert found.features is not None
    losses = per_example_loss(found.logits, pictures.labels, sizes=pictures.spec.sizes)
    return Unseen(found.features, losses, pictures.labels)


def _restore(model: PixelClassifier, original: PixelClassifier) -> None:
    model.load_state_dict(original.state_dict())


def _optimizer(recipe: TrainRecipe, share: float, schedule: Literal["constant", "cosine"]) -> Optimizer:
    """The optimizer of the original, at a share of its rate."""
    return replace(recipe.optimizer, lr=share * recipe.optimizer.lr, schedule=schedule, warmup=0.0)


def _forget_batch(config: DLFD, retain: int, forget: int) -> int:
    """Forget pictures in a step, so that each is shown about `forget_passes` times over the phase."""
    steps = steps_of(retain, config.batch_size, config.epochs)
    fewest, most = FORGET_BATCH
    return min(forget, max(fewest, min(most, math.ceil(config.forget_passes * forget / steps))))
