"""Counts what a run shows to networks: pictures in forward passes, in backward passes into parameters, into inputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor

from expunge.methods.cost import Passes
from expunge.models.classifier import PixelClassifier
from expunge.models.heads import catch_input


class Counter:
    """Pictures so far, over all networks: the model, the original, fresh ones."""

    def __init__(self) -> None:
        self.forward = self.backward = self.inputs = 0

    @property
    def passes(self) -> Passes:
        return Passes(self.forward, self.backward, self.inputs)

    def saw(self, model: PixelClassifier, x: Tensor, features: Tensor, logits: Tensor) -> None:
        """Note a forward pass, and have its backward passes noted when they come."""
        self.forward += len(x)
        if not (torch.is_grad_enabled() and logits.requires_grad):
            return
        into_parameters = any(p.requires_grad for p in model.parameters())

        def hook(_: Tensor) -> None:
            if into_parameters:
                self.backward += len(x)
            else:
                self.inputs += len(x)

        # every gradient passes the features, but where the head alone is trained there is none behind them
        (features if features.requires_grad else logits).register_hook(hook)


@contextmanager
def counting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    """Count inside, whichever classifiers are called and however they came to be."""
    counter, plain = Counter(), PixelClassifier.forward

    def forward(model: PixelClassifier, x: Tensor) -> Tensor:
        caught: list[Tensor] = []
        handle = model.head.register_forward_pre_hook(catch_input(caught), with_kwargs=True)
        try:
            logits = plain(model, x)
        finally:
            handle.remove()
        counter.saw(model, x, caught[0], logits)
        return logits

    with monkeypatch.context() as patch:
        patch.setattr(PixelClassifier, "forward", forward)
        yield counter
