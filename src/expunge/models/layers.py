"""The layers of any network in the order in which they run: one picture is shown, and whoever holds weights is noted.

A classifier flows in, names of modules flow out. Names themselves mean nothing here, and definition order neither.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from expunge.errors import MethodError
from expunge.models.classifier import PixelClassifier
from expunge.models.heads import probe


def weight_layers(model: PixelClassifier) -> list[tuple[str, ...]]:
    """Names (inside `model.net`) of the modules of every layer, in the order in which they (last) start to run.

    A layer is a module with a weight of two or more dimensions, and whatever has only scales and shifts (batch norm,
    layer norm) and runs before the next such module. What never runs is in no layer, but where the module around it
    has weights too, which then uses it (attention and its output projection).

    Args:
        model: run once on one picture, in inference mode, and left as it was.

    Example:
        >>> from expunge.models.preprocessing import Preprocessing
        >>> from expunge.types import LabelSpec
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))
        >>> weight_layers(PixelClassifier(net, Preprocessing((4, 4)), LabelSpec(("a",), (("0", "1"),))))
        [('0', '1'), ('3',)]
    """
    started: dict[str, None] = {}
    with _noted(model.net, started):
        probe(model.net, model.preprocessing)
    held: dict[str, list[str]] = {}
    for name, module in model.net.named_modules():
        if _tensors(module) and (user := _user(model.net, name, started)) is not None:
            held.setdefault(user, []).append(name)
    layers: list[tuple[str, ...]] = []
    opened = False  # scales and shifts in front of the first weight belong to its layer
    for names in (tuple(held[user]) for user in started if user in held):
        wide = any(p.dim() > 1 for p in own_parameters(model, names))
        if not layers or (wide and opened):
            layers.append(())
        opened = opened or wide
        layers[-1] += names
    return layers


def last_layers(model: PixelClassifier, k: int) -> list[str]:
    """Names (inside `model.net`) of the modules of the last `k` layers, in running order.

    Raises:
        MethodError: there are fewer.
    """
    layers = weight_layers(model)
    if not 1 <= k <= len(layers):
        raise MethodError("k", expected=f"1 to {len(layers)}, the number of layers of this network", came=str(k))
    return [name for layer in layers[len(layers) - k :] for name in layer]


def own_parameters(model: PixelClassifier, names: Sequence[str]) -> list[nn.Parameter]:
    """The parameters that these modules (inside `model.net`) hold themselves, each once."""
    found = (p for name in names for p in model.net.get_submodule(name).parameters(recurse=False))
    return list(dict.fromkeys(found))


def copy_layers(source: PixelClassifier, target: PixelClassifier, names: Sequence[str]) -> None:
    """Give these modules (inside `net`) of `target` the parameters and buffers of `source`, in place."""
    for name in names:
        ours, theirs = (m.net.get_submodule(name) for m in (target, source))
        for mine, value in zip(_tensors(ours), _tensors(theirs), strict=True):
            mine.data.copy_(value.data)


def _tensors(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers that a module holds itself."""
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def _user(net: nn.Module, name: str, ran: Container[str]) -> str | None:
    """Who computes with the tensors of the module `name`: itself, or the nearest module around it that has some too."""
    name = name.partition(".parametrizations.")[0]  # a reparametrised weight is its layer's
    if name in ran:
        return name
    while name:
        name = name.rpartition(".")[0]
        if name in ran and _tensors(net.get_submodule(name)):
            return name
    return None


@contextmanager
def _noted(net: nn.Module, started: dict[str, None]) -> Iterator[None]:
    """Note inside which modules start to run, each where it starts for the last time."""

    def note(name: str) -> Callable[..., None]:
        def hook(*_: object) -> None:
            started.pop(name, None)
            started[name] = None

        return hook

    handles = [module.register_forward_pre_hook(note(name)) for name, module in net.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
