"""What each method would take on this machine: a few measured training steps times what the methods' cards say.

A fresh network and an erasure task flow in, seconds and bytes flow out. The network is thrown away.
"""

from __future__ import annotations

import os
from dataclasses import replace

import torch

from expunge.app.references import Retraining, price
from expunge.engine.settings import EngineSettings
from expunge.errors import MethodError, Unavailable
from expunge.evidence.preflight import Cost, Machine
from expunge.methods.cost import Sizes
from expunge.methods.registry import METHODS, Method
from expunge.models.artefact import ModelArtefact
from expunge.models.footprint import Footprint, footprint
from expunge.types import SCRATCH, ErasureTask, TrainRecipe

LOOKED_AT = 8  # pictures; what one leaves behind is their mean
NETWORKS = 2  # the model and the original that methods may ask


def costs(
    artefact: ModelArtefact, task: ErasureTask, recipe: TrainRecipe, settings: EngineSettings
) -> tuple[tuple[Cost, ...], Machine]:
    """Time and memory of every method, and the machine that they hold for."""
    try:
        seconds, size = _epoch_seconds(artefact, task, recipe, settings), _footprint(artefact, task)
        why = ""
    except Unavailable as error:
        seconds, size, why = None, None, str(error)
    sizes = Sizes(len(task.retain), len(task.forget), len(task.tuning), recipe)
    found = tuple(_cost(method, sizes, recipe, seconds, size, why) for method in METHODS.values())
    return found, Machine(settings.device, settings.threads, _free_bytes(settings.device), seconds)


def _cost(
    method: Method, sizes: Sizes, recipe: TrainRecipe, seconds: float | None, size: Footprint | None, why: str
) -> Cost:
    try:
        epochs = method.cost(method.config, sizes).epochs(sizes.retain)
    except (Unavailable, MethodError) as error:
        return Cost(method.name, None, None, None, str(error))
    if seconds is None or size is None:
        return Cost(method.name, epochs, None, None, why)
    batch = min(getattr(method.config, "batch_size", recipe.batch_size), sizes.retain)
    return Cost(method.name, epochs, epochs * seconds, size.training_bytes(batch, networks=NETWORKS))


def _epoch_seconds(
    artefact: ModelArtefact, task: ErasureTask, recipe: TrainRecipe, settings: EngineSettings
) -> float | None:
    """Of one plain epoch over the pictures that stay."""
    return price(Retraining(artefact, task.retain, replace(recipe, epochs=1, start=SCRATCH), None, settings))


def _footprint(artefact: ModelArtefact, task: ErasureTask) -> Footprint:
    return footprint(artefact.fresh(0), task.retain.pixels(torch.arange(min(LOOKED_AT, len(task.retain)))))


def _free_bytes(device: str) -> int | None:
    """Free memory of the device; None where the system does not say."""
    if torch.device(device).type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None
