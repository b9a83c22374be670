"""Functions that go on where a model no longer answers with numbers, and say so in what they return.

A function flows in, the same function flows out, but for failures. Whatever tries several things in turn needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from expunge.errors import MethodError, ModelError, Unavailable

FAILED = "failed"
FAILURES = (MethodError, ModelError, Unavailable)


def guarded_loss(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A loss that is not finite counts as 0, so that a run goes on; weights that are no longer finite show it later.

    Example:
        >>> guarded_loss(lambda x: x.log().sum())(torch.tensor([-1.0]))
        tensor(0.)
    """

    def finite(*args: Any) -> Tensor:
        value = loss(*args)
        return torch.where(value.isfinite(), value, torch.zeros_like(value))

    return finite


def guarded_compute(fn: Callable[..., Mapping[str, Tensor]]) -> Callable[..., Mapping[str, Tensor]]:
    """Answers with the reason as bytes, under `FAILED`, where `fn` fails."""

    def compute(*args: Any) -> Mapping[str, Tensor]:
        try:
            return fn(*args)
        except FAILURES as error:
            return {FAILED: torch.tensor(list(str(error).encode()), dtype=torch.uint8)}

    return compute


def guarded_measure(fn: Callable[..., Mapping[str, float]], **told: float) -> Callable[..., Mapping[str, float]]:
    """Answers with `FAILED` and what else is `told` where `fn` fails."""

    def measure(*args: Any) -> Mapping[str, float]:
        try:
            return fn(*args)
        except FAILURES:
            return {**told, FAILED: 1.0}

    return measure


def failure(tensors: Mapping[str, Tensor], measured: Mapping[str, float]) -> str:
    """Why guarded functions failed that gave these; nothing where they did not.

    Example:
        >>> def refuse() -> dict[str, Tensor]: raise Unavailable("no network")
        >>> failure(guarded_compute(refuse)(), {}), failure({}, {})
        ('no network', '')
    """
    if FAILED in tensors:
        return bytes(tensors[FAILED].tolist()).decode()
    return "what it measures is no longer finite" if FAILED in measured else ""
