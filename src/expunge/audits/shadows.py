"""Shadow models: many models trained alike on known halves of the pictures, and what each answers to every picture.

Pictures and a way to train flow in, per-example statistics flow out. How a model is trained or unlearned is handed in
and not known here; what was finished lies in a cache and is never done twice.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from expunge.audits.halves import fingerprint, half, joined
from expunge.audits.shadowcache import Shadow, ShadowCache
from expunge.errors import ModelError, Unavailable
from expunge.functional.attacks.signals import scaled_confidence
from expunge.functional.seeding import derive_seed
from expunge.models.classifier import PixelClassifier, label_slices
from expunge.models.predict import predict
from expunge.types import PictureSet, SteeringTask, Train, Unlearn

Array = np.ndarray[Any, np.dtype[Any]]
FORMAT = 1  # of a shadow's key: raised where the same ingredients would give another shadow
SEEDS = 2**31  # users' training functions may hand their seed to a generator of 32 bits
NAMED = 5


@dataclass(frozen=True)
class Training:
    """A way to train a model, and everything that decides what comes out of it.

    Args:
        train: trains on some pictures with a seed; the model may be on any device.
        told: recipe, architecture, precision, code version ... as plain JSON values, without a seed. What is missing
            here would be reused where it must not be.
    """

    train: Train
    told: Mapping[str, Any]


@dataclass(frozen=True)
class Unlearning:
    """A way to unlearn, and everything that decides what comes out of it.

    Args:
        unlearn: makes a trained model forget; may change the model that it is handed.
        told: method, settings ... as in `Training`.
        forget: what is unlearned. tuning: non-members that may steer the method.
    """

    unlearn: Unlearn
    told: Mapping[str, Any]
    forget: PictureSet
    tuning: PictureSet


@dataclass(frozen=True)
class ShadowPlan:
    """What the shadows of one study have in common.

    Args:
        population: what shadows are trained on.
        watched: what each of them is asked about; the forget set, non-members ... : any pictures.
        training: how.
        seed: all randomness derives from it and a shadow's number.
        share: `half` of the population, another one for each shadow; or `all` of it, another seed for each.
        unlearning: with it, the forget set is added to what each shadow is trained on, and then unlearned. The same
            plan without it gives the shadows that never saw the forget set, if the population does not contain it.
    """

    population: PictureSet
    watched: PictureSet
    training: Training
    seed: int = 0
    share: Literal["half", "all"] = "half"
    unlearning: Unlearning | None = None

    @functools.cached_property
    def _common(self) -> dict[str, Any]:
        """Ingredients of every shadow; pictures are hashed once."""
        undone = self.unlearning
        return {
            "format": FORMAT,
            "population": fingerprint(self.population),
            "watched": fingerprint(self.watched),
            "classes": [list(names) for names in self.population.spec.classes],
            "training": dict(self.training.told),
            "seed": self.seed,
            "share": self.share,
            "unlearning": undone
            and {
                "told": dict(undone.told),
                "forget": fingerprint(undone.forget),
                "tuning": fingerprint(undone.tuning),
            },
        }

    def ingredients(self, index: int) -> dict[str, Any]:
        """Everything that decides shadow `index`: it is found again by exactly this."""
        return {**self._common, "index": index}

    def seed_of(self, index: int) -> int:
        """The seed of shadow `index`; unlearned shadows have their own, so that they vary independently."""
        return derive_seed(self.seed, "shadow", index, "unlearned" if self.unlearning else "trained") % SEEDS

    def make(self, index: int, *, weights: bool = False) -> Shadow:
        """Train shadow `index`, unlearn where asked for, and look at what it answers.

        Args:
            index: from 0. weights: keep these too.

        Raises:
            ModelError: what was trained is no classifier, or diverged.
            DataError: the population cannot be divided.
        """
        start, seed = time.monotonic(), self.seed_of(index)
        chosen = (
            half(self.population, index, seed=self.seed)
            if self.share == "half"
            else np.ones(len(self.population), bool)
        )
        trained = retain = self.population.subset(torch.from_numpy(chosen))
        if self.unlearning is not None:
            trained = joined([retain, self.unlearning.forget])
        model = self.training.train(trained, seed)
        if self.unlearning is not None:
            task = SteeringTask(retain, self.unlearning.forget, self.unlearning.tuning)
            model = self.unlearning.unlearn(model, task, seed)
        return Shadow(
            scaled=scaled_confidences(model, self.watched),
            inside=np.isin(self.watched.ids, trained.ids),
            pictures=len(trained),
            seconds=time.monotonic() - start,
            weights=_weights(model) if weights else None,
        )


@dataclass(frozen=True)
class Shadows:
    """What N shadows answer to n pictures: all that membership attacks need of them.

    Args:
        ids: of the pictures.
        scaled: float32 [N, n, k], logit-scaled confidence (log odds) of the label of each of k attributes.
        inside: bool [N, n], whether a shadow was trained on a picture (it may have unlearned it since).
        seconds: that each of them took, float64 [N].
    """

    ids: Array
    scaled: Array
    inside: Array
    seconds: Array

    @property
    def scaled_confidence(self) -> Array:
        """Log odds of the label, mean over attributes: float32 [N, n]; LiRA's signal, and the margin of KLoM."""
        return np.asarray(self.scaled.mean(2))

    @property
    def loss(self) -> Array:
        """Cross entropy in nats, mean over attributes: float32 [N, n]; it follows from the log odds."""
        return np.asarray(np.logaddexp(np.float32(0), -self.scaled).mean(2))

    @property
    def confidence(self) -> Array:
        """Probability of the label, mean over attributes: float32 [N, n]; what RMIA compares."""
        return np.asarray(np.exp(-np.logaddexp(np.float32(0), -self.scaled)).mean(2))


Make = Callable[[int], Shadow]
Run = Callable[[Make, Sequence[int]], Iterable[tuple[int, Shadow]]]


def in_turn(make: Make, indices: Sequence[int]) -> Iterable[tuple[int, Shadow]]:
    """One shadow after the other, here; launchers do the same elsewhere, in any order."""
    return ((index, make(index)) for index in indices)


def collect(plan: ShadowPlan, count: int, cache: ShadowCache, *, run: Run = in_turn, weights: bool = False) -> Shadows:
    """The statistics of the first `count` shadows of a plan; only what is missing is trained.

    Args:
        plan: what shadows. count: how many, in all.
        cache: each is written to it as soon as it is finished.
        run: who makes them; what it leaves out has failed.
        weights: keep the weights too; shadows without are made again.

    Raises:
        Unavailable: some could not be made; what could was kept.
        DataError: the cache was tampered with or damaged.
    """
    make = functools.partial(plan.make, weights=weights)
    missing = [index for index in range(count) if not cache.has(plan.ingredients(index), weights=weights)]
    for index, shadow in run(make, missing):
        cache.write(plan.ingredients(index), shadow)
    failed = [index for index in missing if not cache.has(plan.ingredients(index), weights=weights)]
    if failed:
        shown = ", ".join(map(str, failed[:NAMED])) + (" ..." if len(failed) > NAMED else "")
        raise Unavailable(f"shadows: unavailable: {len(failed)} of {count} could not be made (number {shown})")
    found = [cache.read(plan.ingredients(index)) for index in range(count)]
    return Shadows(
        ids=plan.watched.ids,
        scaled=np.stack([shadow.scaled for shadow in found]),
        inside=np.stack([shadow.inside for shadow in found]),
        seconds=np.array([shadow.seconds for shadow in found]),
    )


def scaled_confidences(model: nn.Module, pictures: PictureSet) -> Array:
    """Log odds of the label of every attribute, float32 [n, k], computed in float32 as in every audit.

    Raises:
        ModelError: it is no classifier, or its answers are not finite.
    """
    if not isinstance(model, PixelClassifier):
        raise ModelError("shadow", expected="a PixelClassifier from its training", came=type(model).__name__)
    with torch.autocast(model.mean.device.type, enabled=False):
        logits = predict(model, pictures).logits.numpy()
    return log_odds(logits, pictures.labels.numpy(), pictures.spec.sizes)


def log_odds(logits: Array, labels: Array, sizes: Sequence[int]) -> Array:
    """The statistic of a shadow, from answers: logit-scaled confidence of the label of every attribute.

    Args:
        logits: float32 [n, sum(sizes)]. labels: int64 [n, k]. sizes: number of classes of each attribute.

    Returns:
        float32 [n, k].
    """
    columns = [
        scaled_confidence(logits[:, part], labels[:, i : i + 1], sizes=(sizes[i],))
        for i, part in enumerate(label_slices(sizes))
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    # of the network alone, as artefacts have them
    net = model.net if isinstance(model, PixelClassifier) else model
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in net.state_dict().items()}
