"""Ways to run a network that leave no trace on it: modes and flags are put back afterwards; and who is not trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def inference_mode_of(model: nn.Module) -> Iterator[None]:
    """Run with batch norm and dropout in inference mode; every submodule's mode is put back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """No parameter asks for a gradient inside: only inputs are differentiated. Flags are put back afterwards."""
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    model.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def untrained(model: nn.Module) -> Iterator[nn.Module]:
    """All modules that hold tensors of their own, none of which asks for a gradient."""
    for module in model.modules():
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        if own and not any(tensor.requires_grad for tensor in own):
            yield module
