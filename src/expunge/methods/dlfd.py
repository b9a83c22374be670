"""Distribution-level feature distancing, our form: the forget set is moved to where unseen pictures lie.

Reads retain, forget and tuning pictures. What is trained on which batch is said here; stepping is the
engine's. The paper's form is `dlfd_perturb.py`, its code `dlfd_published.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from expunge.functional.distillation import distillation
from expunge.functional.losses import mean_loss, per_example_entropy, per_example_loss
from expunge.functional.unseen import Cloud, unseen_distance, unseen_places
from expunge.methods.cost import Passes, Sizes, steps_of
from expunge.methods.phases import Batch, Compute, Context, Loss, Phases, Source, Train, sample, unwrap
from expunge.models.classifier import PixelClassifier, label_slices
from expunge.models.predict import predict
from expunge.types import PictureSet, TrainRecipe

FORGET_BATCH = (32, 128)  # fewest and most forget pictures in a step
NEVER = -30.0  # added to the logit of a class that is lost: a probability of 1e-13


@dataclass(frozen=True)
class DLFD:
    r"""Move the forget set, as a distribution, to where pictures lie that a model has not seen; keep the rest.

    What a model has learned it answers with lower losses than what it has not, but in nearly the same order. So every
    forget picture is given a place by transport on a line: the loss that stands among tuning pictures of its label
    where its own stands among pictures that were learned; an entropy of the answer in the same way; and the features
    of a tuning picture there that is most like it. In one short training, forget pictures are moved to their places,
    losses and entropies only upwards, while retain pictures are learned and answered as before. A picture that has
    arrived is left alone, so that forgetting stops by itself, picture by picture, at what looks unseen and not beyond.

    $$\min_\theta\; \lambda_{ot}\, D\bigl(\{h_\theta(x_f), \ell_\theta(x_f), H_\theta(x_f)\},\, T\{x_f\}\bigr)
      + \lambda_{cls}\, \mathrm{CE}(f_\theta(x_r), y_r)
      + \lambda_{keep}\, \mathrm{KL}(f_{\text{original}}(x_r) \,\|\, f_\theta(x_r))$$

    with the places $T$ and the distance $D$ of `functional/unseen.py`.

    Args:
        look_size: most retain pictures among which the losses of forget pictures are ranked (> 0).
        near: number of tuning pictures around a place, out of which its features are chosen.
        epochs: passes over the retain set (> 0), fewer where `budget` is less.
        budget: most work of all phases, in epochs of plain training; half of `epochs` are done in any case, also where
            forget pictures are so many that this takes more.
        rate: peak learning rate, as a share of the peak rate that trained the original; it falls to 0 on a cosine.
        batch_size: retain pictures per step.
        forget_passes: how often each forget picture is shown, about; at least 32 and at most 128 are in a step. Where
            that shows them more or less often, a look counts less or more, so that each is pulled as much; up to about
            a third of all pictures, beyond which each is pulled less.
        transport_weight: lambda_ot. feature_weight, entropy_weight: of features and entropies against losses in D.
        class_weight, keep_weight: lambda_cls, lambda_keep.
        lost_weight: weight of pictures of a class that no retain picture has: a model that never saw the class does
            not answer it, so that they follow the original's answers without it. Never less where they are few, since
            following ends where it arrives; more where they are many, as a look counts more.
        augment: change retain pictures at random as in training.

    Cost: one forward pass per forget and tuning picture, and per retain picture that is looked at; then one forward and
    one backward pass per retain and forget picture shown, and one forward pass of the original per retain picture.
    Fails when: tuning pictures are few or of another kind than the training pictures (`expunge check` looks for that),
    since they say how much is to be forgotten; the people to be forgotten are memorised far more than others, since
    places are those of typical pictures; these people are few, since a picture keeps its rank among others, and what is
    chance in it evens out over many alone; forget pictures are shown unchanged, so that changed copies of them are
    forgotten less.
    Source: after Choi and Na, AAAI 2025 (arXiv 2409.14747); distillation after Hinton, Vinyals and Dean 2015.
    Differs from the paper: no picture is perturbed; features move towards what is unseen, not as far away as possible;
    the stop is each picture's own. `dlfd:paper` and `dlfd:perturb` are the older forms.
    """

    look_size: int = 2000
    near: int = 8
    epochs: float = 0.87
    budget: float = 2.0
    rate: float = 0.06
    batch_size: int = 48
    forget_passes: float = 2.3
    transport_weight: float = 3.0
    feature_weight: float = 1.0
    entropy_weight: float = 1.0
    class_weight: float = 1.0
    keep_weight: float = 3.0
    lost_weight: float = 5.0
    augment: bool = True


def dlfd(config: DLFD, context: Context) -> Phases:
    """See where forget pictures would lie had they not been learned; move them there."""
    task, recipe = context.task, context.recipe or TrainRecipe()
    found = (yield Compute("unseen", lambda model: _places(config, context, model))).tensors
    places = Cloud(found["features"], found["losses"], found["entropies"], task.forget.labels)
    augmentation = recipe.augmentation if config.augment else None
    sizes = Sizes(len(task.retain), len(task.forget), len(task.tuning))
    size, steps = min(config.batch_size, sizes.retain), _steps(config, sizes)
    yield Train(
        "distance",
        {
            "retain": Source(task.retain, size, augmentation),
            "forget": Source(task.forget, _forget_batch(config, sizes, steps)),
        },
        "retain",
        distancing_loss(config, context, places, found["answers"], _share(config, sizes, steps)),
        replace(recipe.optimizer, lr=config.rate * recipe.optimizer.lr, schedule="cosine", warmup=0.0),
        epochs=steps * size / sizes.retain,
    )


def cost(config: DLFD, sizes: Sizes) -> Passes:
    """What the phases show to the model and to the original."""
    return _work(config, sizes, _steps(config, sizes))


def distancing_loss(config: DLFD, context: Context, places: Cloud, answers: Tensor, share: float) -> Loss:
    """The loss of a step.

    Args:
        places: where forget pictures are moved to, in their order.
        answers: logits that the original gives them, [n, classes].
        share: what those of a step count.
    """
    lost, weight = lost_classes(context.task.retain), config.transport_weight * share
    # few of them are not pulled too far, however often they are shown: following has no gradient once it is there
    following = config.lost_weight * max(1.0, share)

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        retain, forget = batch["retain"], batch["forget"]
        inner = unwrap(model)
        sizes = inner.spec.sizes
        # one pass over both, so that batch norm sees what it will see
        x = torch.cat([retain.x, forget.x])
        features, logits = inner.features_and_logits(x, through=model)
        kept, moved = logits.split([len(retain.x), len(forget.x)])
        gone = _of_lost_classes(forget.y, lost, sizes)
        stay = ~gone.all(1)
        total = logits.sum() * 0
        if stay.any():
            here = _cloud(features[len(kept) :][stay], moved[stay], forget.y[stay], sizes, gone[stay])
            there = places[forget.at[stay.cpu()]].to(x.device)
            distance = unseen_distance(
                here, there, feature_weight=config.feature_weight, entropy_weight=config.entropy_weight
            )
            batch.notes["distance"] = float(distance.detach())
            total = total + weight * distance * stay.float().mean()
        if gone.any():
            wanted = answers[forget.at].to(x.device) + lost.to(x.device)
            total = total + following * _following(wanted, moved, gone, sizes)
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
    """Of which attributes pictures have a class that is lost: bool [b, k]."""
    parts = [lost.to(labels.device)[part][labels[:, i]] for i, part in enumerate(label_slices(sizes))]
    return torch.stack(parts, 1) < 0


def _following(wanted: Tensor, answers: Tensor, gone: Tensor, sizes: Sequence[int]) -> Tensor:
    """Divergence from the answers that are wanted where a class is lost, mean over pictures and attributes."""
    total = answers.sum() * 0
    for attribute, part in enumerate(label_slices(sizes)):
        rows = gone[:, attribute]
        if rows.any():
            ours, theirs = answers[rows, part], wanted[rows, part]
            total = total + distillation(ours, theirs, sizes=(ours.shape[1],)) * rows.sum()
    return total / gone.numel()


def _divergence(context: Context, x: Tensor, answers: Tensor, lost: Tensor) -> Tensor:
    """Divergence from what the original answers, classes that are lost left out."""
    original = context.original()
    with torch.no_grad():
        wanted = original(x) + lost.to(x.device)
    return distillation(answers, wanted, sizes=original.spec.sizes)


def _places(config: DLFD, context: Context, original: PixelClassifier) -> Mapping[str, Tensor]:
    """What forget pictures are moved to, and what the original answers them."""
    task = context.task
    looked = sample(task.retain, config.look_size, context.seed, "dlfd", "look")
    lost = lost_classes(task.retain)
    (forget, answers), (known, _), (tuning, _) = (
        _as_seen(original, pictures, lost) for pictures in (task.forget, looked, task.tuning)
    )
    # of a class that nobody answers any more there is no place: what such a picture would look like is not known
    comparable = ~_of_lost_classes(task.tuning.labels, lost, task.tuning.spec.sizes).all(1)
    unseen = tuning[comparable] if comparable.any() else tuning
    places = unseen_places(forget, known, unseen, near=config.near)
    return {
        "features": places.features,
        "losses": places.losses,
        "entropies": places.entropies,
        "answers": answers,
    }


def _as_seen(model: PixelClassifier, pictures: PictureSet, lost: Tensor) -> tuple[Cloud, Tensor]:
    """Pictures as a model sees them, and its answers."""
    found, sizes = predict(model, pictures, features=True), pictures.spec.sizes
    assert found.features is not None
    gone = _of_lost_classes(pictures.labels, lost, sizes)
    return _cloud(found.features, found.logits, pictures.labels, sizes, gone), found.logits


def _cloud(features: Tensor, logits: Tensor, labels: Tensor, sizes: Sequence[int], gone: Tensor) -> Cloud:
    """Losses and entropies are means over the attributes whose class is not lost, 0 where every one is."""
    there = ~gone

    def mean(measure: Callable[..., Tensor], *given: Tensor) -> Tensor:
        parts = [
            measure(logits[:, part], *(one[:, i : i + 1] for one in given), sizes=(sizes[i],))
            for i, part in enumerate(label_slices(sizes))
        ]
        return (torch.stack(parts, 1) * there).sum(1) / there.sum(1).clamp(min=1)

    return Cloud(features, mean(per_example_loss, labels), mean(per_example_entropy), labels)


def _steps(config: DLFD, sizes: Sizes) -> int:
    """As many as `epochs` are, or as the budget suffices for, but not less than half."""
    planned = steps_of(sizes.retain, config.batch_size, config.epochs)
    within = (n for n in range(planned, 0, -1) if _work(config, sizes, n).epochs(sizes.retain) <= config.budget)
    return max(next(within, 0), math.ceil(planned / 2))


def _work(config: DLFD, sizes: Sizes, steps: int) -> Passes:
    size, forget = min(config.batch_size, sizes.retain), _forget_batch(config, sizes, steps)
    looked = min(config.look_size, sizes.retain) + sizes.forget + sizes.tuning
    shown, kept = steps * (size + forget), steps * size if config.keep_weight else 0
    return Passes(forward=looked + shown + kept, backward=shown)


def _forget_batch(config: DLFD, sizes: Sizes, steps: int) -> int:
    """Forget pictures in a step, so that each is shown about `forget_passes` times over the phase."""
    fewest, most = FORGET_BATCH
    return min(sizes.forget, max(fewest, min(most, math.ceil(config.forget_passes * sizes.forget / steps))))


def _share(config: DLFD, sizes: Sizes, steps: int) -> float:
    """What the forget pictures of a step count, so that each one is pulled as much however many there are.

    1 where the fewest of a step show each as often as wanted; less where that is more often; more where more are in a
    step, each of which is a smaller part of its mean. No more than 4, which about a third of all pictures has: beyond,
    forgetting would leave keeping no say.
    """
    fewest, most = FORGET_BATCH
    return min(most / fewest, config.forget_passes * sizes.forget / (steps * fewest))
