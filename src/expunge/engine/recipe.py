"""Trains a model from its start by a recipe: the original, a retrained reference, a shadow model; all the same way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from expunge.engine.events import Events
from expunge.engine.loop import run_phases
from expunge.engine.outcome import Outcome
from expunge.engine.progress import Progress
from expunge.engine.settings import EngineSettings
from expunge.methods.phases import Phases, training_phase
from expunge.models.classifier import PixelClassifier
from expunge.types import PictureSet, TrainRecipe


def train_model(
    model: PixelClassifier,
    pictures: PictureSet,
    recipe: TrainRecipe,
    *,
    settings: EngineSettings,
    key: str = "",
    checkpoints: Path | None = None,
    events: Events | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Train `model` (freshly initialised by the caller) on `pictures` by `recipe` and its seed, in place."""

    def phases() -> Phases:
        yield training_phase(recipe, pictures)

    return run_phases(
        model,
        phases(),
        settings=replace(settings, seed=recipe.seed),
        key=key,
        checkpoints=checkpoints,
        events=events,
        progress=progress,
    )
