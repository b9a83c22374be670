"""Tries a few methods and keeps what comes closest to retraining, as far as tuning non-members can tell.

Which methods is handed in by the registry; each starts from the original, and none knows of the others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch

from expunge.errors import MethodError
from expunge.functional.forgetting import (
    Answers,
    Array,
    gaps_by_chance,
    gone_classes,
    nearness,
    retraining_gaps,
    skill_gaps,
    skill_kept,
)
from expunge.functional.guards import FAILED, FAILURES, failure, guarded_compute, guarded_loss, guarded_measure
from expunge.functional.losses import correct, per_example_loss
from expunge.functional.seeding import derive_seed, generator
from expunge.methods.cost import Passes, Sizes
from expunge.methods.phases import (
    Compute,
    Context,
    Edit,
    Measure,
    Phase,
    PhaseResult,
    Phases,
    Probe,
    Select,
    Snapshot,
    Train,
    recipe_for,
    sample,
)
from expunge.models.classifier import PixelClassifier, label_slices
from expunge.models.predict import predict
from expunge.types import PictureSet, SteeringTask

LEFT_OUT = "left out"  # in the names of phases that say what became of a candidate, as is `FAILED`; a reason follows


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
    candidate with the smallest largest gap wins, of those whose gaps are all small enough: within the tolerance of what
    chance explains, where nineteen in twenty sets of tuning pictures lie that are put in the place of the forget set.
    If there is none, the one that is least beyond that is kept, and retraining is recommended. A candidate that fails
    or diverges is left behind.

    $$\text{chosen} = \arg\min_m \max\bigl(|a_f - \hat a_f|, |\mathrm{AUROC} - \widehat{\mathrm{AUROC}}|,
      |a_r - a_r^0|, (a_t^0 - a_t)_+\bigr)$$

    Args:
        budget: what all candidates and the looks at them may cost, as a share of the training of the original (> 0);
            they are tried in the order of the registry, those left out that do not fit into what is left.
        tolerance: gap that counts as none (0..1).
        probe_size: most retain pictures in a look.

    Cost: that of every candidate that fits the budget, and a look at each of them and at the original: one
    forward pass per tuning (of one half) and retain picture (of a sample), and but for the original per forget picture.
    Fails when: the forget set is small: chance explains large gaps of few people or pictures, so that what is still
    remembered of them is not seen; tuning people are few, or easier or harder than the forgotten ones of the same
    labels: then these look remembered or over-forgotten.
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
    for name in (c.name for c in candidates if c not in chosen):
        yield _note(f"{name}: {LEFT_OUT}: it does not fit into what is left of the budget (auto.budget)")
    look = Look(
        replace(task, tuning=judged),
        sample(task.retain, config.probe_size, context.seed, "auto", "retain"),
        context.seed,
    )
    found = yield Compute(
        "original", lambda model: {name: torch.tensor(v) for name, v in look.accuracies(model).items()}
    )
    done = list[str]()
    for number, candidate in enumerate(chosen):
        if number:
            yield Edit(f"{candidate.name}: return", lambda model: _restore(model, context.original()))
        if reason := (yield from _within(candidate, given)):
            yield _note(f"{candidate.name}: {FAILED}: {reason}")
        else:
            yield Snapshot(candidate.name)
            done.append(candidate.name)
    original = {name: float(value) for name, value in found.tensors.items()}
    if done:
        best = yield Select("best", done, look.nearness(original, config.tolerance))
    if not done or best.measured.get(best.selected, {}).get(FAILED):
        came = f"failures of all: {', '.join(c.name for c in chosen)}"
        raise MethodError("auto", expected="a candidate that ends", came=came, remedy="retrain (--method retrain)")


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
    total = _look(config, sizes)
    for candidate in affordable(config, sizes, candidates):
        total += _price(config, sizes, candidate)
    return total


def affordable(config: Auto, sizes: Sizes, candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates that fit the budget with a look at each, taken in their order.

    Raises:
        Unavailable: nobody knows how the original was trained, so that no share of it can be said.
        MethodError: not even one fits.
    """
    epochs = recipe_for("auto", sizes.recipe, None).epochs
    whole = epochs * (sizes.retain + sizes.forget) / sizes.retain
    first = _look(config, sizes).epochs(sizes.retain)
    left, chosen, cheapest = config.budget * whole - first, list[Candidate](), float("inf")
    for candidate in candidates:
        price = _price(config, sizes, candidate).epochs(sizes.retain)
        cheapest = min(cheapest, price)
        if price <= left:
            chosen.append(candidate)
            left -= price
    if not chosen:
        raise MethodError(
            "auto.budget",
            expected=f"at least {(first + cheapest) / whole:.3f} of the training of {epochs:g} epochs, for the "
            "cheapest candidate",
            came=f"{config.budget:g}",
            remedy="raise it (--set budget=...), or retrain",
        )
    return chosen


def _price(config: Auto, sizes: Sizes, candidate: Candidate) -> Passes:
    """What a candidate costs, and the look at what it made."""
    given = replace(sizes, tuning=_shown(sizes))
    return candidate.cost(candidate.config, given) + _look(config, sizes) + Passes(forward=sizes.forget)


def _look(config: Auto, sizes: Sizes) -> Passes:
    """What a look costs, at tuning and retain pictures."""
    return Passes(forward=sizes.tuning - _shown(sizes) + min(config.probe_size, sizes.retain))


def _shown(sizes: Sizes) -> int:
    return sizes.tuning // 2  # about: people are halved, not pictures


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
        return self._kept(model, self._of_tuning(model))

    def nearness(self, original: Mapping[str, float], tolerance: float) -> Measure:
        """How near a model is to the estimated retrained one: the gaps, and whether they are small enough (1 or 0).

        The score is minus the largest gap; where gaps are not small enough, lower than that of any where they are, by
        what is beyond chance; and lowest where the model has `failed`: its answers are not finite. `chance` is the
        largest gap that chance explains.

        Args:
            original: accuracies of the original.
        """
        gone = np.asarray(self._gone(self.task.forget).all(1))

        def measure(model: PixelClassifier) -> Mapping[str, float]:
            forget, tuning = _answers(model, self.task.forget), self._of_tuning(model)
            gaps = retraining_gaps(forget, tuning, gone) | skill_gaps(self._kept(model, tuning), original)
            ends = gaps_by_chance(forget, tuning, gone, seed=derive_seed(self.seed, "auto"))
            told = {f"{name} gap": gap for name, gap in gaps.items()} | {
                "chance": max(high for _, high in ends.values())
            }
            score = nearness(gaps, ends, tolerance)
            return {"score": score, "enough": float(score >= -1), **told}

        return guarded_measure(measure, score=-math.inf, enough=0.0)

    def _kept(self, model: PixelClassifier, tuning: Answers) -> dict[str, float]:
        return skill_kept(_answers(model, self.retain).hits, tuning.hits, self._gone(self.task.tuning))

    def _of_tuning(self, model: PixelClassifier) -> Answers:
        """Answers to tuning pictures, none of which is right where a retrained model would not know the class."""
        return _answers(model, self.task.tuning, wrong=self._gone(self.task.tuning))

    def _gone(self, pictures: PictureSet) -> Array:
        return gone_classes(pictures.labels.numpy(), self.task.retain.labels.numpy())


def _within(candidate: Candidate, context: Context) -> Generator[Phase, PhaseResult, str]:
    """The phases of a candidate, under names of their own.

    Returns:
        why it failed, or nothing. All that this rests on is recorded, so that a resumed run goes the same way.
    """
    try:
        phases = candidate.phases(candidate.config, context)
        phase = next(phases, None)
        while phase is not None:
            result = yield _guarded(replace(phase, name=f"{candidate.name}: {phase.name}"))
            if reason := failure(result.tensors, result.probe):
                return reason
            phase = phases.send(result)
    except StopIteration:
        pass
    except FAILURES as error:
        return str(error)
    return ""


def _guarded(phase: Phase) -> Phase:
    """The same phase, but where it fails the run goes on; `failure` finds it in the result."""
    if isinstance(phase, Compute):
        return replace(phase, fn=guarded_compute(phase.fn))
    if isinstance(phase, Train):
        probe = None if phase.probe is None else _guarded_probe(phase.probe)
        return replace(phase, loss=guarded_loss(phase.loss), probe=probe)
    return phase


def _guarded_probe(probe: Probe) -> Probe:
    stop, keep = probe.stop, probe.keep
    return replace(
        probe,
        measure=guarded_measure(probe.measure),
        stop=lambda values: FAILED in values or (stop is not None and stop(values)),
        keep=None if keep is None else lambda values: None if FAILED in values else keep(values),
    )


def _note(name: str) -> Compute:
    """A phase that does nothing: its name stands in the records of the run."""
    return Compute(name, lambda _: {})


def _answers(model: PixelClassifier, pictures: PictureSet, *, wrong: Array | None = None) -> Answers:
    logits, labels, sizes = predict(model, pictures).logits, pictures.labels, pictures.spec.sizes
    parts = enumerate(label_slices(sizes))
    hits = torch.stack([correct(logits[:, part], labels[:, i : i + 1], sizes=(sizes[i],)) for i, part in parts], 1)
    if wrong is not None:
        hits = hits.masked_fill(torch.from_numpy(wrong), 0)
    return Answers(
        losses=per_example_loss(logits, labels, sizes=sizes).double().numpy(),
        hits=hits.mean(1).double().numpy(),
        labels=labels.numpy(),
        subjects=pictures.subjects,
    )


def _restore(model: PixelClassifier, original: PixelClassifier) -> None:
    model.load_state_dict(original.state_dict())
