"""The layers of any network in the order in which they run: one picture is shown, and whoever holds weights is noted.

A classifier flows in, names of modules flow out. Names themselves mean nothing here, and definition order neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from expunge.errors import MethodError
from expunge.models.classifier import PixelClassifier
from expunge.models.heads import probe


def weight_layers(model: PixelClassifier) -> list[tuple[str, ...]]:
    """Names (inside `model.net`) of the modules of every layer, in running order.

    A layer is a module with a weight of two or more dimensions, and whatever has only scales and shifts (batch norm,
    layer norm) and runs before the next such module. What never runs is in no layer.

    Args:
        model: run once on one picture, in inference mode, and left as it was.

    Example:
        >>> from expunge.models.preprocessing import Preprocessing
        >>> from expunge.types import LabelSpec
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
        >>> weight_layers(PixelClassifier(net, Preprocessing((4, 4)), LabelSpec(("a",), (("0", "1"),))))
        [('0', '1'), ('3',)]
    """
    order: list[str] = []

    def note(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            if name not in order:
                order.append(name)

        return hook

    holders = {name: m for name, m in model.net.named_modules() if any(True for _ in m.parameters(recurse=False))}
    handles = [module.register_forward_pre_hook(note(name)) for name, module in holders.items()]
    try:
        probe(model.net, model.preprocessing)
    finally:
        for handle in handles:
            handle.remove()
    layers: list[tuple[str, ...]] = []
    for name in order:
        if layers and all(p.dim() < 2 for p in holders[name].parameters(recurse=False)):
            layers[-1] += (name,)
        else:
            layers.append((name,))
    return layers


def last_layers(model: PixelClassifier, k: int) -> list[str]:
    """Names (inside `model.net`) of the modules of the last `k` layers, in running order.

    Raises:
        MethodError: there are fewer.
    """
    layers = weight_layers(model)
    if k > len(layers):
        raise MethodError("k", expected=f"at most the {len(layers)} layers of this network", came=str(k))
    return [name for layer in layers[len(layers) - k :] for name in layer]


def own_parameters(model: PixelClassifier, names: Sequence[str]) -> list[nn.Parameter]:
    """The parameters that these modules (inside `model.net`) hold themselves."""
    return [p for name in names for p in model.net.get_submodule(name).parameters(recurse=False)]


def copy_layers(source: PixelClassifier, target: PixelClassifier, names: Sequence[str]) -> None:
    """Give these modules (inside `net`) of `target` the parameters and buffers of `source`, in place."""
    for name in names:
        ours, theirs = (m.net.get_submodule(name) for m in (target, source))
        kept = [*theirs.named_parameters(recurse=False), *theirs.named_buffers(recurse=False)]
        for attribute, value in kept:
            getattr(ours, attribute).data.copy_(value.data)
