"""Tries a few methods and keeps what comes closest to retraining, as far as tuning non-members can tell.

Which methods is handed in by the registry; each starts from the original, and none knows of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch

from expunge.errors import MethodError
from expunge.functional.forgetting import Answers, gap_errors, retraining_gaps
from expunge.functional.losses import correct, per_example_loss
from expunge.functional.seeding import derive_seed, generator
from expunge.methods.cost import Passes, Sizes
from expunge.methods.phases import Compute, Context, Edit, Measure, Phases, Select, Snapshot, recipe_for, sample
from expunge.models.classifier import PixelClassifier
from expunge.models.predict import predict
from expunge.types import PictureSet, SteeringTask

SURE = 1.645  # standard errors: what lies further out is larger than the tolerance, at one-sided 5 %


class Candidate(Protocol):
    """A method with its configuration, as the registry has it."""

    @property
    def name(self) -> str: ...
    @property
    def config(self) -> Any: ...
    @property
    def phases(self) -> Callable[[Any, Context], Phases]: ...
    @property
    def cost(self) -> Callable[[Any, Sizes], Passes]: ...


@dataclass(frozen=True)
class Auto:
    r"""Run several methods one after the other, each from the original, and keep the one nearest to retraining.

    Candidates are shown one half of the people among tuning non-members, and judged on the other: who has read a
    picture says less about what is unseen. What a retrained model would show is estimated without a reference: its
    accuracy on the retain set is the original's, on tuning pictures no lower; forget pictures are answered, and
    recognised by their loss, like tuning pictures with the same labels, and not at all where their class is gone. The
    candidate with the smallest largest gap wins. If even its gaps are larger than the tolerance, beyond what the
    choice of people explains, retraining is recommended.

    $$\text{chosen} = \arg\min_m \max\bigl(|a_f - \hat a_f|, |\mathrm{AUROC} - \widehat{\mathrm{AUROC}}|,
      |a_r - a_r^0|, (a_t^0 - a_t)_+\bigr)$$

    Args:
        budget: what all candidates together may cost, as a share of the training of the original (> 0); they are
            tried in the order of the registry, those left out that do not fit into what is left.
        tolerance: gap that counts as none (0..1).
        probe_size: most retain pictures in a look.

    Cost: that of every candidate that fits the budget, and a look at each of them and at the original: one
    forward pass per tuning (of one half) and retain picture (of a sample), and but for the original per forget picture.
    Fails when: people differ much: forgotten people who are easier or harder than tuning people of the same labels
    look remembered or over-forgotten, and retraining is recommended without need.
    Source: ours; the estimate after the stop rule of `dlfd:perturb`.
    """

    budget: float = 0.2
    tolerance: float = 0.03
    probe_size: int = 2000


def auto(config: Auto, context: Context, *, candidates: Sequence[Candidate]) -> Phases:
    """Every candidate from the original weights on, a snapshot of each, and the choice."""
    task, recipe = context.task, recipe_for("auto", context.recipe, None)
    shown, judged = halves(task.tuning, context.seed)
    given = replace(context, task=replace(task, tuning=shown))
    sizes = Sizes(len(task.retain), len(task.forget), len(task.tuning), recipe)
    chosen = affordable(config, sizes, candidates)
    look = Look(
        replace(task, tuning=judged),
        sample(task.retain, config.probe_size, context.seed, "auto", "retain"),
        context.seed,
    )
    found = yield Compute(
        "original", lambda model: {name: torch.tensor(v) for name, v in look.accuracies(model).items()}
    )
    for number, candidate in enumerate(chosen):
        if number:
            yield Edit(f"{candidate.name}: return", lambda model: _restore(model, context.original()))
        yield from _within(candidate, given)
        yield Snapshot(candidate.name)
    original = {name: float(value) for name, value in found.tensors.items()}
    yield Select("best", [c.name for c in chosen], look.nearness(original, config.tolerance))


def halves(pictures: PictureSet, seed: int) -> tuple[PictureSet, PictureSet]:
    """Two halves of the people at random, or of the pictures where fewer than two are known; one picture is in both."""
    known = pictures.subjects if pictures.subjects is not None else pictures.ids
    owners = known if len(np.unique(known)) > 1 else pictures.ids
    names = np.unique(owners)
    if len(names) < 2:
        return pictures, pictures
    drawn = torch.randperm(len(names), generator=generator(seed, "auto", "halves")).numpy()
    first = np.isin(owners, names[drawn[: len(names) // 2]])
    one, other = (pictures.subset(np.flatnonzero(side).tolist()) for side in (first, ~first))
    return one, other


def cost(config: Auto, sizes: Sizes, *, candidates: Sequence[Candidate]) -> Passes:
    """What the candidates cost that fit the budget, and the looks at them."""
    chosen = affordable(config, sizes, candidates)
    shown = sizes.tuning // 2  # about: people are halved, not pictures
    looked = sizes.tuning - shown + min(config.probe_size, sizes.retain)
    total = Passes(forward=(len(chosen) + 1) * looked + len(chosen) * sizes.forget)
    for candidate in chosen:
        total += candidate.cost(candidate.config, replace(sizes, tuning=shown))
    return total


def affordable(config: Auto, sizes: Sizes, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that fit the budget, taken in their order.

    Raises:
        Unavailable: nobody knows how the original was trained, so that no share of it can be said.
        MethodError: not even one fits.
    """
    epochs = recipe_for("auto", sizes.recipe, None).epochs
    left = config.budget * epochs * (sizes.retain + sizes.forget) / sizes.retain
    chosen, cheapest = list[Candidate](), float("inf")
    for candidate in candidates:
        price = candidate.cost(candidate.config, sizes).epochs(sizes.retain)
        cheapest = min(cheapest, price)
        if price <= left:
            chosen.append(candidate)
            left -= price
    if not chosen:
        least = cheapest / epochs * sizes.retain / (sizes.retain + sizes.forget)
        raise MethodError(
            "auto.budget",
            expected=f"at least {least:.3f} of the training of {epochs:g} epochs, for the cheapest candidate",
            came=f"{config.budget:g}",
            remedy="raise it (--set budget=...), or retrain",
        )
    return chosen


@dataclass(frozen=True)
class Look:
    """Looks at a model through pictures that may steer.

    Args:
        task: forget and tuning pictures. retain: those of the retain set that are looked at. seed: of resampling.
    """

    task: SteeringTask
    retain: PictureSet
    seed: int

    def accuracies(self, model: PixelClassifier) -> dict[str, float]:
        """What a retrained model is taken to keep of the original: accuracy on retain and on tuning pictures."""
        return self._kept(model, _answers(model, self.task.tuning))

    def nearness(self, original: Mapping[str, float], tolerance: float) -> Measure:
        """Minus the largest gap to the estimated retrained model; the gaps; and whether they are small enough (1 or 0).

        Args:
            original: accuracies of the original.
        """
        gone = self._gone(self.task.forget)

        def measure(model: PixelClassifier) -> Mapping[str, float]:
            forget, tuning = _answers(model, self.task.forget), _answers(model, self.task.tuning)
            now = self._kept(model, tuning)
            gaps = retraining_gaps(forget, tuning, gone)
            errors = gap_errors(forget, tuning, gone, seed=derive_seed(self.seed, "auto"))
            gaps["retain"] = now["retain"] - original["retain"]
            gaps["tuning"] = min(0.0, now["tuning"] - original["tuning"])
            reached = all(abs(gap) <= tolerance + SURE * errors.get(name, 0.0) for name, gap in gaps.items())
            told = {f"{name} gap": gap for name, gap in gaps.items()}
            return {"score": -max(map(abs, gaps.values())), "enough": float(reached), **told}

        return measure

    def _kept(self, model: PixelClassifier, tuning: Answers) -> dict[str, float]:
        known = ~self._gone(self.task.tuning)
        return {
            "retain": float(_answers(model, self.retain).hits.mean()),
            "tuning": float(tuning.hits[known].mean()) if known.any() else 0.0,
        }

    def _gone(self, pictures: PictureSet) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which pictures have a class that no retain picture has, in any attribute: bool [n]."""
        known = [self.task.retain.labels[:, i].unique() for i in range(pictures.labels.shape[1])]
        parts = [~torch.isin(pictures.labels[:, i], classes) for i, classes in enumerate(known)]
        gone: np.ndarray[Any, np.dtype[np.bool_]] = torch.stack(parts).any(0).numpy()
        return gone


def _within(candidate: Candidate, context: Context) -> Phases:
    """The phases of a candidate, under names of their own."""
    phases = candidate.phases(candidate.config, context)
    phase = next(phases, None)
    while phase is not None:
        result = yield replace(phase, name=f"{candidate.name}: {phase.name}")
        try:
            phase = phases.send(result)
        except StopIteration:
            phase = None


def _answers(model: PixelClassifier, pictures: PictureSet) -> Answers:
    logits, labels, sizes = predict(model, pictures).logits, pictures.labels, pictures.spec.sizes
    return Answers(
        losses=per_example_loss(logits, labels, sizes=sizes).double().numpy(),
        hits=correct(logits, labels, sizes=sizes).double().numpy(),
        labels=labels.numpy(),
        subjects=pictures.subjects,
    )


def _restore(model: PixelClassifier, original: PixelClassifier) -> None:
    model.load_state_dict(original.state_dict())
