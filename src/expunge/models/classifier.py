"""Any image classifier behind one face: pictures in 0..1 go in, logits come out, penultimate features on request.

The classifier owns the normalisation, so that perturbations and clipping live in pixel units. Where the last
linear layer sits is found automatically (or named by the user); its input is what expunge calls features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from expunge.errors import ModelError
from expunge.types import LabelSpec


@dataclass(frozen=True)
class Preprocessing:
    """What happens to a picture before the network sees it.

    Args:
        size: height and width in pixels.
        mean, std: per channel, in units of 0..1; their length is the number of channels.
    """

    size: tuple[int, int]
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)

    @property
    def channels(self) -> int:
        """Colour channels the network takes."""
        return len(self.mean)


class PixelClassifier(nn.Module):
    """A network with its preprocessing, whose last linear layer is known.

    Args:
        net: maps normalised pictures [b, C, H, W] to logits [b, c], or to an object with `.logits`.
        preprocessing: normalisation and size.
        spec: what the logits mean; their number must be `spec.logits`.
        head: dotted name of the last linear layer inside `net`; found where None.

    Raises:
        ModelError: no linear layer answers with `spec.logits` values, or several could.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> spec = LabelSpec(("smiles",), (("no", "yes"),))
        >>> model = PixelClassifier(net, Preprocessing((2, 2)), spec)
        >>> features, logits = model.features_and_logits(torch.rand(5, 3, 2, 2))
        >>> features.shape, logits.shape
        (torch.Size([5, 4]), torch.Size([5, 2]))
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, preprocessing: Preprocessing, spec: LabelSpec, head: str | None = None) -> None:
        super().__init__()
        self.net = net
        self.preprocessing = preprocessing
        self.spec = spec
        shape = (1, preprocessing.channels, 1, 1)
        # not persistent: the saved artefact must have exactly the keys of the user's network
        self.register_buffer("mean", torch.tensor(preprocessing.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(preprocessing.std).view(shape), persistent=False)
        self.head_name = head if head is not None else find_head(net, spec, preprocessing)
        self.head  # noqa: B018  (fail now, not at the first batch, where the named layer does not exist)

    @property
    def head(self) -> nn.Module:
        """The last linear layer; its input are the penultimate features."""
        try:
            return self.net.get_submodule(self.head_name)
        except AttributeError:
            raise ModelError(
                "head",
                expected="the name of a layer of the network",
                came=repr(self.head_name),
                remedy=f"linear layers are: {', '.join(linear_layers(self.net)) or 'none'}",
            ) from None

    def forward(self, x: Tensor) -> Tensor:
        """Logits [b, c] of pictures `x`, float [b, C, H, W] in 0..1."""
        answer: Any = self.net((x - self.mean) / self.std)
        logits: Tensor = answer if isinstance(answer, Tensor) else answer.logits
        return logits

    def features_and_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Penultimate features [b, d] and logits [b, c] of pictures in 0..1, in one pass."""
        caught: list[Tensor] = []
        handle = self.head.register_forward_pre_hook(lambda _, args: caught.append(args[0]))
        try:
            logits = self.forward(x)
        finally:
            handle.remove()
        if len(caught) != 1:
            raise ModelError(
                "head",
                expected=f"layer {self.head_name!r} to run exactly once per forward pass",
                came=f"{len(caught)} runs",
                remedy="name the last linear layer with --head",
            )
        return caught[0].flatten(1), logits


def linear_layers(net: nn.Module) -> list[str]:
    """Dotted names of all linear layers (and 1x1 convolutions used as such) in definition order."""
    return [name for name, module in net.named_modules() if _width(module) is not None]


def find_head(net: nn.Module, spec: LabelSpec, preprocessing: Preprocessing) -> str:
    """The linear layer whose output are the logits, found by showing the network one grey picture.

    Raises:
        ModelError: the network answers with another number of logits, or no single layer gives its answer.
    """
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, args, output: outputs.__setitem__(name, output)

    handles = [net.get_submodule(name).register_forward_hook(keep(name)) for name in linear_layers(net)]
    try:
        logits = _answer(net, preprocessing)
    finally:
        for handle in handles:
            handle.remove()
    if logits.shape != (1, spec.logits):
        raise ModelError(
            "model", expected=f"{spec.logits} classes as in the data", came=f"an answer of {list(logits.shape)}"
        )
    fitting = [name for name, output in outputs.items() if torch.equal(output.flatten(1), logits)]
    if len(fitting) == 1:
        return fitting[0]
    raise ModelError(
        "head",
        expected="one linear layer whose output are the logits",
        came=f"{len(fitting)} such ({', '.join(fitting) or 'none'})",
        remedy=f"name it with --head; linear layers are: {', '.join(linear_layers(net)) or 'none'}",
    )


def _answer(net: nn.Module, preprocessing: Preprocessing) -> Tensor:
    parameter = next(net.parameters(), torch.empty(0))
    picture = torch.zeros(1, preprocessing.channels, *preprocessing.size, device=parameter.device)
    try:
        with inference_mode_of(net), torch.no_grad():
            answer = net(picture)
    except Exception as error:  # whatever a network says about a shape it does not take
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError("model", expected=f"a network that takes {list(picture.shape)}", came=reason) from error
    return answer if isinstance(answer, Tensor) else answer.logits  # type: ignore[no-any-return]


def _width(module: nn.Module) -> int | None:
    if isinstance(module, nn.Linear):
        return module.out_features
    if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.bias is not None:
        return module.out_channels
    return None


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


def label_slices(sizes: Sequence[int]) -> list[slice]:
    """Where each attribute's logits sit in the model's answer."""
    ends = torch.tensor(list(sizes)).cumsum(0).tolist()
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
