"""Any image classifier behind one face: pictures in 0..1 go in, logits come out, penultimate features on request.

The classifier owns the normalisation, so that perturbations and clipping live in pixel units. Where the last
linear layer sits is found automatically (or named by the user); its input is what expunge calls features.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from expunge.errors import ModelError
from expunge.models.delicate import strides_past_its_map
from expunge.models.heads import candidates, catch_input, check_head, find_head, linear_layers, logits_of
from expunge.models.modes import frozen, inference_mode_of
from expunge.models.preprocessing import Preprocessing
from expunge.types import LabelSpec

__all__ = [
    "PixelClassifier",
    "Preprocessing",
    "find_head",
    "frozen",
    "inference_mode_of",
    "label_slices",
    "linear_layers",
]


class PixelClassifier(nn.Module):
    """A network with its preprocessing, whose last linear layer is known.

    Args:
        net: maps normalised pictures [b, C, H, W] to logits [b, c], or to an object with `.logits`.
        preprocessing: normalisation and size.
        spec: what the logits mean; their number must be `spec.logits`.
        head: dotted name of the last linear layer inside `net`; found where None.

    Raises:
        ModelError: it does not answer with `spec.logits` values, or no single layer gives its answer.

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
        self.head_name = find_head(net, spec, preprocessing) if head is None else head
        if head is not None:
            self.head  # noqa: B018  (fail now, not at the first batch, where the named layer does not exist)
            check_head(net, head, spec, preprocessing)
        self.delicate = strides_past_its_map(net, preprocessing)

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
                remedy=candidates(linear_layers(self.net)),
            ) from None

    def forward(self, x: Tensor) -> Tensor:
        """Logits [b, c] of pictures `x`, float [b, C, H, W] in 0..1."""
        with self._safely(x):
            return logits_of(self.net((x - self.mean) / self.std))

    def _safely(self, x: Tensor) -> AbstractContextManager[object]:
        """Without autocast where layers of this network would be computed wrongly by it."""
        if self.delicate and x.device.type == "cpu":
            return torch.autocast("cpu", enabled=False)
        return nullcontext()

    def features_and_logits(self, x: Tensor, *, through: nn.Module | None = None) -> tuple[Tensor, Tensor]:
        """Penultimate features [b, d] and logits [b, c] of pictures in 0..1, in one pass.

        Args:
            x: float [b, C, H, W].
            through: what to call where something is wrapped around this classifier, as for several processes.

        Raises:
            ModelError: the head did not run exactly once.
        """
        caught: list[Tensor] = []
        handle = self.head.register_forward_pre_hook(catch_input(caught), with_kwargs=True)
        try:
            logits = self.forward(x) if through is None else through(x)
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


def label_slices(sizes: Sequence[int]) -> list[slice]:
    """Where each attribute's logits sit in the model's answer."""
    ends = torch.tensor(list(sizes)).cumsum(0).tolist()
    return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]
