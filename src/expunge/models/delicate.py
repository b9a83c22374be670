"""Layers that CPUs compute wrongly in bfloat16: convolutions that stride further than their map is wide.

PyTorch's CPU kernels (oneDNN) then read memory that nobody wrote: answers and gradients differ from call to call and
may be NaN (found with torch 2.13: kernel 3 and stride 2 on a 1x1 map; see also pytorch/pytorch#169688). Pictures much
smaller than a network was made for lead there. Such a network is computed in float32 throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from expunge.models.modes import inference_mode_of
from expunge.models.preprocessing import Preprocessing


def strides_past_its_map(net: nn.Module, preprocessing: Preprocessing) -> tuple[str, ...]:
    """Names of all convolutions with a kernel above 1 whose stride is larger than the map that they see.

    Args:
        net: run once on one picture, in inference mode, and left as it was.
        preprocessing: tells the picture's size.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(4, 4, 3, stride=2, padding=1))
        >>> strides_past_its_map(net, Preprocessing((2, 2))), strides_past_its_map(net, Preprocessing((4, 4)))
        (('1',), ())
    """
    found: list[str] = []

    def watch(name: str) -> Callable[..., None]:
        def hook(layer: Any, args: tuple[Tensor, ...]) -> None:
            sides = zip(args[0].shape[2:], layer.stride, layer.kernel_size, strict=True)
            if name not in found and any(side < stride and kernel > 1 for side, stride, kernel in sides):
                found.append(name)

        return hook

    layers = [(name, m) for name, m in net.named_modules() if isinstance(m, nn.Conv2d) and max(m.stride) > 1]
    handles = [layer.register_forward_pre_hook(watch(name)) for name, layer in layers]
    parameter = next(iter(net.parameters()), torch.zeros(()))
    picture = torch.zeros((1, preprocessing.channels, *preprocessing.size), device=parameter.device)
    try:
        with inference_mode_of(net), torch.no_grad():
            net(picture)
    finally:
        for handle in handles:
            handle.remove()
    return tuple(found)
