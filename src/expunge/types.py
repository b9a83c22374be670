"""Plain frozen data that crosses rooms: pictures with labels, the erasure task, a training recipe, audit rows.

Nothing here computes anything beyond picking rows. No model, no file and no optimizer may enter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

Split = Literal["retain", "forget", "tuning", "reporting"]
SPLITS: tuple[Split, ...] = ("retain", "forget", "tuning", "reporting")
SCRATCH = "scratch"
Direction = Literal["higher", "lower", "reference"]


@dataclass(frozen=True)
class LabelSpec:
    """What the labels mean: one or several attributes, each with its own classes.

    A model for several attributes answers with the logits of all attributes side by side, in this order.

    Args:
        names: column name of each attribute, e.g. `("age_class", "gender")`.
        classes: class names of each attribute; a label is an index into them.

    Example:
        >>> spec = LabelSpec(("age", "gender"), (("young", "old"), ("F", "M")))
        >>> spec.sizes, spec.logits
        ((2, 2), 4)
    """

    names: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of classes of each attribute."""
        return tuple(len(c) for c in self.classes)

    @property
    def logits(self) -> int:
        """Width of the model's answer: the classes of all attributes together."""
        return sum(self.sizes)


class PixelSource(Protocol):
    """Decoded pictures that can be read by row."""

    def read(self, rows: Tensor) -> Tensor:
        """Pixels of `rows` (int64 [b]) as uint8 [b, C, H, W] in channels_last order, 0..255."""
        ...

    def announce(self, rows: Tensor) -> None:
        """Say that `rows` will be read soon, so that a store on disk can fetch them meanwhile."""
        ...


@dataclass(frozen=True)
class PictureSet:
    """Some pictures of a store, with labels and owners: a view, never a copy of pixels.

    Args:
        source: where pixels are read from.
        rows: int64 [n], the rows of `source` that belong to this set.
        labels: int64 [n, k], one column per attribute of `spec`.
        ids: n picture ids, unique within a dataset.
        subjects: n subject names, or None where nobody knows who is on the pictures.
        spec: what the labels mean.
    """

    source: PixelSource
    rows: Tensor
    labels: Tensor
    ids: np.ndarray[Any, np.dtype[np.str_]]
    subjects: np.ndarray[Any, np.dtype[np.str_]] | None
    spec: LabelSpec

    def __len__(self) -> int:
        return int(self.rows.numel())

    def pixels(self, index: Tensor) -> Tensor:
        """uint8 [b, C, H, W] of the pictures at positions `index` (int64 [b]) of this set."""
        return self.source.read(self.rows[index])

    def subset(self, index: Tensor | Sequence[int]) -> PictureSet:
        """The pictures at positions `index` (int64 [m], or bool [n]), in that order."""
        chosen = torch.as_tensor(index)
        if chosen.dtype == torch.bool:
            chosen = chosen.nonzero().flatten()
        chosen = chosen.to(torch.int64)
        at = chosen.numpy()
        owners = None if self.subjects is None else self.subjects[at]
        return replace(self, rows=self.rows[chosen], labels=self.labels[chosen], ids=self.ids[at], subjects=owners)


@dataclass(frozen=True)
class SteeringTask:
    """All that a method, a stop rule or a tuner may see: reporting non-members are not in it."""

    retain: PictureSet
    forget: PictureSet
    tuning: PictureSet


@dataclass(frozen=True)
class ErasureTask:
    """Who is to be forgotten, who stays, and who was never there (for steering, and for measuring only)."""

    retain: PictureSet
    forget: PictureSet
    tuning: PictureSet
    reporting: PictureSet

    @property
    def steering(self) -> SteeringTask:
        """The part of the task that methods receive."""
        return SteeringTask(self.retain, self.forget, self.tuning)

    def split(self, name: Split) -> PictureSet:
        """One of the four sets by its name."""
        chosen: PictureSet = getattr(self, name)
        return chosen


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training pictures, drawn per picture, applied per batch on the device.

    Args:
        flip: mirror left-right with probability one half.
        shift: largest translation in either direction, as a share of the side (0..0.5); borders are reflected.
        brightness: largest relative change of brightness (0..1).
    """

    flip: bool = True
    shift: float = 0.125
    brightness: float = 0.0


@dataclass(frozen=True)
class Optimizer:
    """How weights are stepped.

    Args:
        kind: `sgd` (with momentum) or `adamw`.
        lr: learning rate at its peak.
        schedule: `constant`, or `cosine` / `linear` falling to 0 at the end of the phase.
        warmup: share of the phase (0..1) over which the rate rises linearly from 0.
        clip_norm: largest gradient norm, or None.
    """

    lr: float
    kind: Literal["sgd", "adamw"] = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["constant", "cosine", "linear"] = "constant"
    warmup: float = 0.0
    clip_norm: float | None = None


@dataclass(frozen=True)
class TrainRecipe:
    """How the original came to be; what retraining, EU-k and shadow models repeat.

    Args:
        epochs: passes over the training pictures.
        batch_size: pictures per step.
        optimizer: how weights are stepped.
        augmentation: random changes of the pictures, or None.
        seed: initialisation, order and augmentation all follow from it.
        start: `scratch` (fresh weights), or where the weights came from that training started from; only the user's
            own function can repeat that.
    """

    epochs: float = 40
    batch_size: int = 64
    optimizer: Optimizer = Optimizer(lr=0.1, schedule="cosine", warmup=0.05)
    augmentation: Augmentation | None = Augmentation()
    seed: int = 0
    start: str = SCRATCH


class Train(Protocol):
    """A way to train a model on some pictures, as handed to audits: `(subset, seed) -> model`."""

    def __call__(self, subset: PictureSet, seed: int) -> torch.nn.Module: ...


class Continue(Protocol):
    """A way to train a finished model further, as handed to audits: `(model, subset, steps, seed) -> model`.

    The model that is handed in is a copy and may be changed.
    """

    def __call__(self, model: torch.nn.Module, subset: PictureSet, steps: int, seed: int) -> torch.nn.Module: ...


Unlearn = Callable[[torch.nn.Module, SteeringTask, int], torch.nn.Module]


@dataclass(frozen=True)
class AuditRow:
    """One measured number with everything needed to doubt it.

    Args:
        name: registered name of the audit value, e.g. `accuracy` or `mia_auroc`.
        split: the pictures measured on, e.g. `forget` or `forget-vs-reporting`.
        value: the estimate; None where it cannot be estimated (then `note` says why).
        low, high: 95 % interval (bootstrap over subjects, else pictures); None with `value`.
        n: number of pictures.
        subjects: number of subjects resampled; None where pictures were resampled.
        unit: e.g. `share`, `nats`, `auroc`, `score`.
        direction: which values are better: `higher`, `lower`, or `reference` (close to the reference).
        reference: mean of the same value over the retrained references; None where there is none.
        gap, gap_low, gap_high: value minus reference, its 95 % interval from paired resampling.
        gap_error: standard deviation of the gap under that resampling; over people, not over trainings.
        note: a sentence for the reader.
    """

    name: str
    split: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    subjects: int | None
    unit: str
    direction: Direction
    reference: float | None = None
    gap: float | None = None
    gap_low: float | None = None
    gap_high: float | None = None
    gap_error: float | None = None
    note: str = ""
