"""Optimizers from their plain description, and the rate at every step: a function of the step, so nothing is saved."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from expunge.errors import MethodError
from expunge.types import Optimizer


def learning_rate(optimizer: Optimizer, step: int, steps: int) -> float:
    """The rate at `step` of `steps`: linear warm-up, then the schedule down to 0 (or constant).

    Example:
        >>> [round(learning_rate(Optimizer(lr=1.0, schedule="cosine"), s, 4), 2) for s in range(4)]
        [1.0, 0.85, 0.5, 0.15]
    """
    warm = optimizer.warmup * steps
    if step < warm:
        return optimizer.lr * (step + 1) / (warm + 1)
    share = (step - warm) / max(1.0, steps - warm)
    factor = {"constant": 1.0, "linear": 1 - share, "cosine": (1 + math.cos(math.pi * share)) / 2}[optimizer.schedule]
    return optimizer.lr * factor


def make_optimizer(trained: list[Tensor], spec: Optimizer) -> torch.optim.Optimizer:
    """The torch optimizer of `spec` over `trained`.

    Raises:
        MethodError: nothing to train.
    """
    if not trained:
        raise MethodError("parameters", expected="at least one parameter to train", came="none")
    if spec.kind == "adamw":
        return torch.optim.AdamW(trained, lr=spec.lr, weight_decay=spec.weight_decay)
    return torch.optim.SGD(trained, lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay)
