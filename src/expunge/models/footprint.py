"""How much memory a network needs: its weights, and what one picture leaves behind for the backward pass.

A network and a few pictures flow in, bytes flow out, counted rather than watched: no allocator is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from expunge.models.classifier import PixelClassifier


@dataclass(frozen=True)
class Footprint:
    """Bytes of all weights and buffers, and of what is kept of one picture until its backward pass (in float32)."""

    weights_bytes: int
    picture_bytes: int

    def training_bytes(self, batch_size: int, *, networks: int = 1) -> int:
        """Least bytes of training steps: weights, gradients and momentum, what the batch leaves, other networks."""
        return (2 + networks) * self.weights_bytes + batch_size * self.picture_bytes


def footprint(model: PixelClassifier, pixels: Tensor) -> Footprint:
    """Count what `model` holds, and what it keeps of pictures in a forward pass in training mode; buffers may change.

    Args:
        model: on the CPU.
        pixels: uint8 [b, C, H, W].
    """
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.train()
    with torch.enable_grad(), saved_tensors_hooks(keep, lambda tensor: tensor):
        answer = model(pixels.float().div(255))
    # the answer holds on to the graph, and so to every storage counted, until here
    held = sum(kept.values()) + answer.untyped_storage().nbytes()
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    return Footprint(weights, -(-held // len(pixels)))
