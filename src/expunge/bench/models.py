"""Trained models, kept by everything that decides them: shared between methods, runs and protocols.

Pictures, an architecture and a recipe flow in, a loaded model flows out; trained only where it is not there yet.
A killed training continues from its checkpoint.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from expunge.app.desk import Desk
from expunge.app.measure import plain
from expunge.app.references import save_whole
from expunge.app.rundir import write_whole
from expunge.bench.tasks import key_of, pictures_key
from expunge.engine.recipe import train_model
from expunge.engine.settings import EngineSettings
from expunge.models.artefact import ModelArtefact
from expunge.models.classifier import Preprocessing
from expunge.models.load import new_model
from expunge.types import PictureSet, TrainRecipe

FORMAT = 1  # of the key: raised where a training of the same key would give another model
TOLD = "trained.json"


@dataclass(frozen=True)
class Trained:
    """A trained model, its key, and what training it took (`seconds`, `threads`)."""

    artefact: ModelArtefact
    key: str
    told: dict[str, Any]


def trained(
    arch: str,
    pictures: PictureSet,
    recipe: TrainRecipe,
    *,
    side: int,
    settings: EngineSettings,
    cache: Path,
    desk: Desk,
) -> Trained:
    """The model of this architecture, trained on `pictures` by `recipe` and its seed.

    Args:
        arch: bundled architecture or factory. side: of the pictures.
        settings: decided; precision and layout belong to the key, threads do not.
        cache: folder of models. desk: who listens.
    """
    fresh = new_model(arch, pictures.spec, Preprocessing((side, side)), seed=recipe.seed)
    key = key_of(
        format=FORMAT,
        arch=arch,
        pictures=pictures_key(pictures),
        classes=pictures.spec.classes,
        recipe=recipe,
        precision=settings.precision,
        channels_last=settings.channels_last,
    )[:32]
    place = cache / "models" / key
    if not (place / TOLD).exists():
        model, work = fresh.classifier, place.with_name(f"{key}.partial")
        outcome = train_model(
            model, pictures, recipe, settings=settings, key=key, checkpoints=work, progress=desk.progress
        )
        told = {"arch": arch, "recipe": plain(recipe), "seconds": outcome.seconds, "threads": settings.threads}
        shutil.rmtree(place, ignore_errors=True)
        save_whole(replace(fresh, recipe=recipe), place)
        write_whole(place / TOLD, json.dumps(told, indent=1, sort_keys=True) + "\n")
        shutil.rmtree(work, ignore_errors=True)
    return Trained(fresh.reopen(place), key, json.loads((place / TOLD).read_text(encoding="utf-8")))
