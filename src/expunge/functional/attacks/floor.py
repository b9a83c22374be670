"""What no distance from retraining can be read without: the same distance between retrained models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class BesideFloor:
    """A measurement between unlearned and retrained models, beside the one between retrained models and others.

    Args:
        value: float64 [n] of the unlearned models, one number a picture.
        floor: the same of retrained models, with as many models a side: what perfect unlearning would show.
        models: how many on each side. Both depend on it, so that values at different numbers are not comparable.
    """

    value: Array
    floor: Array
    models: int


def same_models(unlearned: Array, retrained: Array, again: Array) -> int:
    """The number of models on each of the three sides, [N, n] each.

    Raises:
        ValueError: they differ, so that the floor would not be that of the value.
    """
    shapes = [side.shape for side in (unlearned, retrained, again)]
    if len(set(shapes)) > 1:
        raise ValueError(f"expected as many models and pictures on every side, came {shapes}")
    return len(unlearned)
