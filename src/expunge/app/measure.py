"""Small measurements and conversions that several use cases share."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from expunge.data.dataset import Dataset
from expunge.engine.settings import EngineSettings
from expunge.errors import DataError
from expunge.functional.losses import correct
from expunge.models.classifier import PixelClassifier
from expunge.models.predict import predict
from expunge.types import PictureSet


def accuracy(model: PixelClassifier, pictures: PictureSet, settings: EngineSettings) -> float:
    """Share of attributes answered right, 0..1, in float32 as in an audit."""
    model.to(settings.device)
    try:
        logits = predict(model, pictures).logits
    finally:
        model.to("cpu")
    return float(correct(logits, pictures.labels, sizes=pictures.spec.sizes).mean())


def train_accuracies(
    model: PixelClassifier, trained: PictureSet, data: Dataset, settings: EngineSettings
) -> dict[str, float]:
    """Accuracy on what was trained on, and on non-members where there are any."""
    found = {"trained": accuracy(model, trained, settings)}
    for role in ("tuning", "reporting"):
        try:
            found[role] = accuracy(model, data.role(role), settings)
        except DataError:  # a training needs no non-members
            continue
    return found


def plain(value: Any) -> Any:
    """Dataclasses, tuples, arrays and paths as JSON values; a number that is none becomes null.

    Example:
        >>> plain((1.5, float("nan"), {"a": (1,)}))
        [1.5, None, {'a': [1]}]
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
