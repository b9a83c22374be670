"""Retrained references: trained here where asked for, after saying what that will cost.

An erasure task and a recipe (or the user's own function) flow in, finished models flow out, each saved as soon as
it is done. A reference never sees the forget set, and no budget cuts it short: then it would not be one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from expunge.app.desk import Desk
from expunge.app.rundir import RunDirectory
from expunge.app.user import UserTrain, fitted
from expunge.engine.events import Events
from expunge.engine.progress import Progress
from expunge.engine.recipe import train_model
from expunge.engine.settings import EngineSettings
from expunge.errors import InputError, Unavailable, readable
from expunge.models.artefact import ModelArtefact
from expunge.models.classifier import PixelClassifier
from expunge.types import SCRATCH, PictureSet, TrainRecipe

FIRST_SEED = 101
SHORT_STEPS, LONG_STEPS = 4, 24


@dataclass(frozen=True)
class Retraining:
    """How to get a model that never saw the forget set.

    Args:
        artefact: the original: its architecture, and what to save like.
        retain: what to train on.
        recipe: how the original was trained; None where nobody knows.
        function: the user's own training instead.
        settings: of the engine, decided.
    """

    artefact: ModelArtefact
    retain: PictureSet
    recipe: TrainRecipe | None
    function: UserTrain | None
    settings: EngineSettings

    @property
    def unbounded(self) -> EngineSettings:
        """Without the budget of the method."""
        return replace(self.settings, max_seconds=None, max_steps=None)

    def seeds(self, count: int) -> list[int]:
        """Seeds of the references, never the original's own."""
        own = self.recipe.seed if self.recipe else None
        return [seed for seed in range(FIRST_SEED, FIRST_SEED + count + 1) if seed != own][:count]


def check_apart(models: Sequence[ModelArtefact], references: Sequence[ModelArtefact]) -> None:
    """Refuse a reference that is one of the models compared with it, or another reference, under another name.

    Raises:
        InputError: naming both.
    """
    known = {model.weights_sha256: model.source for model in models}
    for reference in references:
        if (same := known.get(reference.weights_sha256)) is not None:
            expected = "other weights than those of all models that it is compared with"
            raise InputError(
                "reference (--reference)", expected=expected, came=f"{reference.source}, the same as {same}"
            )
        known[reference.weights_sha256] = reference.source


def repeatable(recipe: TrainRecipe | None, what: str) -> TrainRecipe:
    """The recipe of the original, by which `what` can be trained here.

    Raises:
        Unavailable: nobody knows it, or it started from weights that are not at hand.
    """
    if recipe is None:
        raise Unavailable(
            f"{what}: unavailable: no recipe: nobody said how the original was trained; "
            "give one with --recipe-epochs, --recipe-lr ..., or your own --recipe-train-function"
        )
    if recipe.start != SCRATCH:
        raise Unavailable(
            f"{what}: unavailable: the original was trained from {readable(recipe.start)}, and a recipe starts from "
            "fresh weights; give your own --recipe-train-function that starts there"
        )
    return recipe


def price(retraining: Retraining) -> float | None:
    """Seconds that one reference will take, from a few measured steps; None for a function of the user's.

    Raises:
        Unavailable: nothing is known about the training, or the architecture cannot be had afresh.
    """
    if retraining.function is not None:
        return None
    recipe = repeatable(retraining.recipe, "reference")
    total = max(1, round(recipe.epochs * len(retraining.retain) / recipe.batch_size / retraining.settings.accumulate))
    short, long = min(SHORT_STEPS, total), min(LONG_STEPS, total)
    first, second = (_timed(retraining, recipe, steps) for steps in (short, long))
    if long == short:
        return second
    # the difference of two runs: what comes before the first step is paid once, not once per measured step
    return first + max(0.0, second - first) / (long - short) * (total - short)


def trained_references(
    retraining: Retraining, count: int, *, run: RunDirectory | None, events: Events, desk: Desk
) -> Iterator[ModelArtefact]:
    """Train `count` references, or take up those that an interrupted run had finished."""
    for number, seed in enumerate(retraining.seeds(count), start=1):
        desk.stage(f"reference {number} of {count}")
        place = run.path("references") / str(number) if run is not None else None
        if place is not None and place.exists():
            yield replace(retraining.artefact.reopen(place), source=_made_here(seed))
            continue
        trained = retrained(
            retraining,
            seed,
            key=f"reference-{number}",
            checkpoints=run.checkpoints / f"reference-{number}" if run is not None else None,
            events=events,
            progress=desk.progress,
        )
        recipe = replace(retraining.recipe, seed=seed) if retraining.recipe else None
        artefact = replace(retraining.artefact, classifier=trained, source=_made_here(seed), recipe=recipe)
        if place is not None and run is not None:
            save_whole(artefact, place)
            shutil.rmtree(run.checkpoints / f"reference-{number}", ignore_errors=True)
            artefact = replace(artefact.reopen(place), source=artefact.source)
        yield artefact


def _made_here(seed: int) -> str:
    return f"trained here, seed {seed}"


def save_whole(artefact: ModelArtefact, place: Path) -> None:
    """Save a model so that its directory is either whole or absent."""
    part = place.with_name(f".{place.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    artefact.save(artefact.classifier, part)
    shutil.rmtree(place, ignore_errors=True)
    part.rename(place)


def retrained(
    retraining: Retraining,
    seed: int,
    *,
    key: str = "",
    checkpoints: Path | None = None,
    events: Events | None = None,
    progress: Progress | None = None,
) -> PixelClassifier:
    """One model trained on `retraining.retain` by the recipe, or by the user's own function, with this seed.

    Args:
        retraining: on what, and how. seed: initialisation, order and augmentation follow from it.
        key, checkpoints, events, progress: of the engine, as in `train_model`.

    Raises:
        Unavailable: the recipe cannot be repeated, or the architecture cannot be had afresh.
    """
    if retraining.function is not None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)  # in case the function leaves something to torch's own state
            return fitted(retraining.function(retraining.retain, seed), retraining.artefact.classifier)
    recipe = replace(repeatable(retraining.recipe, "reference"), seed=seed)
    model = retraining.artefact.fresh(seed)
    outcome = train_model(
        model,
        retraining.retain,
        recipe,
        settings=retraining.unbounded,
        key=key,
        checkpoints=checkpoints,
        events=events,
        progress=progress,
    )
    if events is not None:
        events.write("reference_trained", seed=seed, steps=outcome.steps, seconds=round(outcome.seconds, 3))
    return model


def _timed(retraining: Retraining, recipe: TrainRecipe, steps: int) -> float:
    settings = replace(retraining.unbounded, max_steps=steps)
    return train_model(retraining.artefact.fresh(0), retraining.retain, recipe, settings=settings).seconds
