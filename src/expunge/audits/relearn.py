"""Relearning: does the model come back to forgotten people sooner than one that never saw them can learn them?

Models, pictures and a way to train further flow in, curves and rows flow out. Copies are trained: the models stay as
they were, and that is checked.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from expunge.audits.halves import half
from expunge.audits.observe import Seen, look
from expunge.audits.resampling import DRAWS, resampled_subjects
from expunge.audits.rows import RowsBeside, rows_beside
from expunge.audits.statistics import Estimates, Key, within
from expunge.errors import ModelError, Unavailable
from expunge.functional.seeding import derive_seed
from expunge.functional.stats import bootstrap_weights, mean_of, weighted_mean
from expunge.models.classifier import PixelClassifier
from expunge.models.weights import state_bytes_hash
from expunge.types import Continue, ErasureTask, PictureSet

Array = np.ndarray[Any, np.dtype[Any]]
Part = Literal["retain", "forget"]
PARTS: tuple[Part, ...] = ("retain", "forget")
SEEDS = 2**31  # users' training functions may hand their seed to a generator of 32 bits
ROUNDS, STEPS = 5, 10


@dataclass(frozen=True)
class RelearningCurve:
    """One model while it is trained further.

    Args:
        part: what on: `retain`, or `forget`: about half of the forgotten people.
        model: `before`, `after`, `reference-1` ...
        steps: trained for, from 0.
        loss, accuracy: of the other forgotten people, mean over their pictures.
    """

    part: Part
    model: str
    steps: tuple[int, ...]
    loss: tuple[float, ...]
    accuracy: tuple[float, ...]


@dataclass(frozen=True)
class Relearning:
    """What relearning showed: curves for the eye, rows with intervals over the people who were held out."""

    curves: tuple[RelearningCurve, ...]
    rows: RowsBeside


def relearning(
    before: PixelClassifier | None,
    after: PixelClassifier,
    references: Sequence[PixelClassifier],
    task: ErasureTask,
    train: Continue,
    *,
    rounds: int = ROUNDS,
    steps: int = STEPS,
    seed: int = 0,
    draws: int = DRAWS,
) -> Relearning:
    """Train copies of all models further, once on retain and once on half of the forgotten people; watch the others.

    Every model is trained on the same pictures with the same seeds. The people watched are in neither part.

    Args:
        before: the original, or None. after: the audited model. references: retrained models; may be empty.
        task: the four sets. train: how to train further.
        rounds: how often the people who were held out are looked at. steps: of training between two looks.
        seed: of halves, training and bootstrap.
        draws: bootstrap resamples of the people watched, else of pictures.

    Raises:
        Unavailable: there is one forgotten person, so that nobody could be held out.
        ModelError: a model was changed by this.
    """
    models = ({} if before is None else {"before": before}) | {"after": after}
    models |= {f"reference-{i}": model for i, model in enumerate(references, start=1)}
    learned, watched = _halves(task.forget, seed)
    sets = {"retain": task.retain, "forget": learned}
    hashes = {name: state_bytes_hash(model) for name, model in models.items()}
    seen = {
        name: {part: _watch(model, sets[part], watched, train, part, rounds, steps, seed) for part in PARTS}
        for name, model in models.items()
    }
    if changed := [name for name, model in models.items() if state_bytes_hash(model) != hashes[name]]:
        raise ModelError("relearning", expected="audited models to stay as they were", came=f"{changed[0]} was changed")
    return Relearning(_curves(seen, steps), _rows(seen, before is not None, len(references), draws, seed))


def _halves(forget: PictureSet, seed: int) -> tuple[PictureSet, PictureSet]:
    """About half of the forgotten people (pictures, where nobody is known), and the others."""
    owners = forget.ids if forget.subjects is None else forget.subjects
    if len(np.unique(owners)) < 2:
        raise Unavailable("relearning: not estimable with one forgotten person: nobody can be held out")
    first = half(forget, 0, seed=derive_seed(seed, "relearn"))
    return forget.subset(torch.from_numpy(first)), forget.subset(torch.from_numpy(~first))


def _watch(
    model: PixelClassifier,
    pictures: PictureSet,
    watched: PictureSet,
    train: Continue,
    part: Part,
    rounds: int,
    steps: int,
    seed: int,
) -> list[Seen]:
    """What a copy of the model answers to the held-out people, before it is trained and after every round."""
    trained = copy.deepcopy(model)
    seen = [look(trained, watched)]
    for number in range(rounds):
        made = train(trained, pictures, steps, derive_seed(seed, "relearn", part, number) % SEEDS)
        if not isinstance(made, PixelClassifier):
            raise ModelError("relearning", expected="a PixelClassifier from its training", came=type(made).__name__)
        trained = made
        seen.append(look(trained, watched))
    return seen


def _curves(seen: Mapping[str, Mapping[Part, Sequence[Seen]]], steps: int) -> tuple[RelearningCurve, ...]:
    return tuple(
        RelearningCurve(
            part=part,
            model=name,
            steps=tuple(steps * i for i in range(len(looks))),
            loss=tuple(float(one.losses.mean()) for one in looks),
            accuracy=tuple(float(one.hits.mean()) for one in looks),
        )
        for name, parts in seen.items()
        for part, looks in parts.items()
    )


def _rows(
    seen: Mapping[str, Mapping[Part, Sequence[Seen]]], before: bool, references: int, draws: int, seed: int
) -> RowsBeside:
    first = seen["after"]["forget"][0]
    owners = first.subjects if resampled_subjects(first) else None
    weights = bootstrap_weights(owners, len(first.ids), draws=draws, seed=derive_seed(seed, "relearn", "bootstrap"))
    found = {name: _estimates(parts, weights) for name, parts in seen.items()}
    others = [found[f"reference-{i}"] for i in range(1, references + 1)]
    return rows_beside(found["before"] if before else None, found["after"], others)


def _estimates(parts: Mapping[Part, Sequence[Seen]], weights: Array) -> Estimates:
    found: Estimates = {}
    for part, (start, *later) in parts.items():
        split = f"forget, held out, relearned on {part}"
        losses = mean_of([one.losses for one in later])
        found[Key("relearn_loss", split)] = within(weighted_mean(losses, weights), start)
        hits = mean_of([one.hits for one in later])
        found[Key("relearn_accuracy", split)] = within(weighted_mean(hits, weights), start)
        found[Key("relearn_speed", split)] = within(weighted_mean(start.losses - losses, weights), start)
    return found
