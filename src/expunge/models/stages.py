"""Features of any classifier at several depths: what enters layers along the way, averaged over places.

A classifier and pictures flow in, arrays flow out. The model is only looked at.
"""

from __future__ import annotations

import torch
from torch import Tensor

from expunge.models.classifier import PixelClassifier, inference_mode_of
from expunge.models.heads import catch_input
from expunge.models.layers import weight_layers
from expunge.types import PictureSet

PENULTIMATE = "penultimate"
DEPTHS = {"early": 1 / 3, "late": 2 / 3}  # as a share of the layers before the head


def stage_features(model: PixelClassifier, pictures: PictureSet, *, batch_size: int = 256) -> dict[str, Tensor]:
    """Features that enter the layers a third and two thirds down, and the penultimate ones.

    Args:
        model: on any device. pictures: n of them. batch_size: pictures per forward pass.

    Returns:
        float32 [n, d] on the CPU by stage, in running order; fewer stages for networks of fewer than four layers.
        Maps are averaged over their places, sequences over their tokens.
    """
    layers = stage_layers(model)
    caught: dict[str, list[Tensor]] = {name: [] for name in layers}
    handles = [
        model.net.get_submodule(layer).register_forward_pre_hook(catch_input(caught[name]), with_kwargs=True)
        for name, layer in layers.items()
    ]
    kept: dict[str, list[Tensor]] = {name: [] for name in (*layers, PENULTIMATE)}
    try:
        with inference_mode_of(model), torch.no_grad(), torch.autocast(model.mean.device.type, enabled=False):
            for index in torch.split(torch.arange(len(pictures)), batch_size):
                x = pictures.pixels(index).to(model.mean.device).float().div_(255)
                caught[PENULTIMATE] = [model.features_and_logits(x)[0]]
                for name, found in caught.items():
                    kept[name].append(pooled(found[-1]).float().cpu())
                    found.clear()
    finally:
        for handle in handles:
            handle.remove()
    return {name: torch.cat(parts) for name, parts in kept.items()}


def stage_layers(model: PixelClassifier) -> dict[str, str]:
    """The layer (inside `model.net`) that a stage enters, by stage; the penultimate one enters the head."""
    before_head = [names for names in weight_layers(model) if model.head_name not in names]
    if len(before_head) < 3:
        return {}
    return {name: before_head[round(share * len(before_head))][0] for name, share in DEPTHS.items()}


def pooled(found: Tensor) -> Tensor:
    """Maps [b, C, H, W] and sequences [b, t, d] as one vector a picture.

    Example:
        >>> pooled(torch.ones(2, 5, 3, 3)).shape, pooled(torch.ones(2, 7, 5)).shape, pooled(torch.ones(2, 5)).shape
        (torch.Size([2, 5]), torch.Size([2, 5]), torch.Size([2, 5]))
    """
    if found.dim() == 3:
        return found.mean(1)
    return found.flatten(2).mean(2) if found.dim() > 3 else found.flatten(1)
