"""What a model answers on the four sets of a task: logits, losses, hits. The model is only looked at.

A model and a task flow in, arrays flow out. Always in float32: an audit measures the model that will be used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from expunge.functional.losses import correct, per_example_loss
from expunge.models.classifier import PixelClassifier, label_slices
from expunge.models.predict import predict
from expunge.types import SPLITS, ErasureTask, LabelSpec, PictureSet, Split

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Seen:
    """A model's answers on one set of n pictures.

    Args:
        ids, subjects: of the pictures; subjects None where nobody knows.
        labels: int64 [n, k]. logits: float32 [n, c].
        losses: float64 [n] in nats. hits, hits_of_two: float64 [n] in 0..1 (NaN where no attribute counts).
        features: float32 [n, d], or None where not asked for.
        spec: what labels and logits mean.
    """

    ids: Array
    subjects: Array | None
    labels: Array
    logits: Array
    losses: Array
    hits: Array
    hits_of_two: Array
    features: Array | None
    spec: LabelSpec

    @property
    def probabilities(self) -> list[Array]:
        """Per attribute float64 [n, classes], rows summing to 1."""
        parts = [self.logits[:, part].astype(np.float64) for part in label_slices(self.spec.sizes)]
        shifted = [np.exp(p - p.max(1, keepdims=True)) for p in parts]
        return [p / p.sum(1, keepdims=True) for p in shifted]

    def part(self, at: Array) -> Seen:
        """The answers to the pictures at positions `at` (int64 [m], or bool [n]), in that order."""
        return replace(
            self,
            ids=self.ids[at],
            subjects=None if self.subjects is None else self.subjects[at],
            labels=self.labels[at],
            logits=self.logits[at],
            losses=self.losses[at],
            hits=self.hits[at],
            hits_of_two=self.hits_of_two[at],
            features=None if self.features is None else self.features[at],
        )


Observation = Mapping[Split, Seen]


def observe(model: PixelClassifier, task: ErasureTask, *, features: bool = False) -> Observation:
    """Show the model all pictures of the task, in float32 and inference mode.

    Args:
        model: on any device; its modes are put back, nothing else is touched.
        task: the four sets.
        features: keep penultimate features too.
    """
    return {name: look(model, task.split(name), features=features) for name in SPLITS}


def look(model: PixelClassifier, pictures: PictureSet, *, features: bool = False) -> Seen:
    """Show the model one set of pictures, as in `observe`."""
    with torch.autocast(next(model.parameters()).device.type, enabled=False):
        found = predict(model, pictures, features=features)
    return answered(
        pictures.ids,
        pictures.subjects,
        pictures.labels,
        found.logits,
        pictures.spec,
        features=None if found.features is None else found.features.numpy(),
    )


def answered(
    ids: Array,
    subjects: Array | None,
    labels: Tensor,
    logits: Tensor,
    spec: LabelSpec,
    *,
    features: Array | None = None,
) -> Seen:
    """What answers, wherever they come from, say of n pictures: losses and hits follow from them.

    Args:
        ids, subjects, spec, features: as in `Seen`.
        labels: int64 [n, k]. logits: float32 [n, c].
    """
    return Seen(
        ids=ids,
        subjects=subjects,
        labels=labels.numpy(),
        logits=logits.numpy(),
        losses=per_example_loss(logits, labels, sizes=spec.sizes).double().numpy(),
        hits=correct(logits, labels, sizes=spec.sizes).double().numpy(),
        hits_of_two=correct(logits, labels, sizes=spec.sizes, top=2).double().numpy(),
        features=features,
        spec=spec,
    )
