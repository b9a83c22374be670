"""Pictures as a method shows them to the model, beside the originals; for a report that may show faces.

A method's first training phase flows in, pairs of pictures flow out. It is watched, not asked: whatever the loss
hands to the model in the place of retain pictures is what the model was trained on.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from expunge.app.line import Erasure, context_of
from expunge.evidence.report.data import PicturePair
from expunge.functional.seeding import derive_seed
from expunge.methods.phases import Batch, Labelled, PhaseResult, Train

LOOKED_AT, SHOWN = 32, 6
Array = np.ndarray[Any, np.dtype[np.uint8]]


def perturbed_pairs(erasure: Erasure) -> list[PicturePair]:
    """The pictures that the method changes most among its first ones, before and after the change."""
    context = context_of(erasure)
    phases = erasure.method.phases(erasure.config, context)
    phase: Any = next(phases, None)
    while phase is not None and not isinstance(phase, Train):
        phase = _after(phases)
    if phase is None or phase.inputs or phase.epoch_of not in phase.sources:
        return []
    original, seen = _watch(erasure, phase)
    if seen is None or seen.shape != original.shape:
        return []
    change = (seen - original).abs().amax(dim=(1, 2, 3))
    order = change.argsort(descending=True, stable=True)[:SHOWN].tolist()
    names = f"largest change {{:.1f}} of 255, {erasure.method.name}"
    return [
        PicturePair(_picture(original[i]), _picture(seen[i]), names.format(255 * float(change[i])))
        for i in order
        if change[i] > 0
    ]


def _after(phases: Any) -> Any:
    try:
        return phases.send(PhaseResult())
    except Exception:  # a phase that needs the true result of the one before cannot be watched alone
        return None


def _watch(erasure: Erasure, phase: Train) -> tuple[Tensor, Tensor | None]:
    """The first pictures of the phase's main source, and what the model was shown in their place."""
    parts = {name: _first(source.pictures, min(LOOKED_AT, source.batch_size)) for name, source in phase.sources.items()}
    model = copy.deepcopy(erasure.artefact.classifier)
    seen: list[Tensor] = []
    handle = model.register_forward_pre_hook(lambda _, args: seen.append(args[0].detach().float()))
    seed = derive_seed(erasure.settings.seed, "illustrate")
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            phase.loss(model, Batch(parts, 0, 0.0, {}, seed))
    finally:
        handle.remove()
    return parts[phase.epoch_of].x, seen[-1] if seen else None


def _first(pictures: Any, count: int) -> Labelled:
    chosen = pictures.subset(range(min(count, len(pictures))))
    x = chosen.pixels(torch.arange(len(chosen))).float().div_(255)
    return Labelled(x, chosen.labels, torch.arange(len(chosen)))


def _picture(x: Tensor) -> Array:
    return (x * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
