"""Where the last linear layer of a network sits: one picture is shown, and the layer whose output is the answer is it.

A network flows in, the dotted name of a layer flows out. Names and shapes of layers alone are never trusted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from expunge.errors import ModelError
from expunge.models.modes import inference_mode_of
from expunge.models.preprocessing import Preprocessing
from expunge.types import LabelSpec

LISTED = 12  # how many layers an error lists: convolutional networks have hundreds of 1x1 convolutions


def linear_layers(net: nn.Module) -> list[str]:
    """Dotted names of all linear layers, and of 1x1 convolutions, which some heads are, in definition order."""
    return [name for name, module in net.named_modules() if _is_linear(module)]


def find_head(net: nn.Module, spec: LabelSpec, preprocessing: Preprocessing) -> str:
    """The linear layer whose output are the logits.

    Args:
        net: on any device; it is run once on one picture, in inference mode, and left as it was.
        spec: tells how many logits there must be.
        preprocessing: tells the picture's size.

    Raises:
        ModelError: the network answers with another number of logits, or no single layer gives its answer.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.Dropout(), nn.Linear(4, 2))
        >>> find_head(net, LabelSpec(("smiles",), (("no", "yes"),)), Preprocessing((2, 2)))
        '3'
    """
    runs, outputs = Counter[str](), dict[str, Tensor]()
    with _watched(net, spec.logits, runs, outputs):
        logits = probe(net, preprocessing)
    check_width(logits, spec)
    alike = [name for name, output in outputs.items() if torch.equal(output.flatten(), logits.flatten())]
    # two layers may give the same numbers, as zeros of a fresh head: then the one whose memory the answer is
    fitting = [name for name in alike if outputs[name].data_ptr() == logits.data_ptr()] or alike
    if len(fitting) == 1 and runs[fitting[0]] == 1:
        return fitting[0]
    came = ", ".join(f"{name} ({runs[name]} runs)" if runs[name] > 1 else name for name in fitting)
    raise ModelError(
        "head",
        expected="one linear layer whose output are the logits",
        came=f"{len(fitting)} such ({came})" if fitting else "none",
        remedy=f"name the layer whose input are the features with --head; {candidates(list(runs))}",
    )


def check_head(net: nn.Module, name: str, spec: LabelSpec, preprocessing: Preprocessing) -> None:
    """Refuse a named head that does not run exactly once or give the answer, and an answer of another width.

    What it gives may be a part of the answer: the logits of some attributes, beside which others' stand.

    Raises:
        ModelError: saying which.
    """
    outputs: list[Any] = []

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        # a copy, since a layer that follows may write into it
        outputs.append(output.clone() if isinstance(output, Tensor) else output)

    handle = net.get_submodule(name).register_forward_hook(keep)
    try:
        logits = probe(net, preprocessing)
    finally:
        handle.remove()
    check_width(logits, spec)
    remedy = candidates(linear_layers(net))
    if len(outputs) != 1:
        expected = f"layer {name!r} to run exactly once per forward pass"
        raise ModelError("head", expected=expected, came=f"{len(outputs)} runs", remedy=remedy)
    if not _is_part(outputs[0], logits):
        expected = f"layer {name!r} to give the logits, or those of some attributes"
        raise ModelError("head", expected=expected, came="an output that is not in the answer", remedy=remedy)


def check_width(logits: Tensor, spec: LabelSpec) -> None:
    """Refuse an answer to one picture that is not one row of `spec.logits` numbers.

    Raises:
        ModelError: with both numbers.
    """
    if logits.shape != (1, spec.logits):
        came = f"{logits.shape[1]} in the model" if logits.dim() == 2 else f"an answer of shape {list(logits.shape)}"
        raise ModelError("model", expected=f"{spec.logits} classes as in the data", came=came)


def probe(net: nn.Module, preprocessing: Preprocessing) -> Tensor:
    """What a network answers to one picture of noise, the same every time.

    Raises:
        ModelError: it cannot take such a picture, or does not answer with logits.
    """
    shape = (1, preprocessing.channels, *preprocessing.size)
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(0))  # not the global one
    picture = noise.to(next((parameter.device for parameter in net.parameters()), "cpu"))
    try:
        with inference_mode_of(net), torch.no_grad():
            answer = net(picture)
    except Exception as error:  # whatever a network says about a shape it does not take
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError("model", expected=f"a network that takes {list(shape)}", came=reason) from error
    return logits_of(answer)


def logits_of(answer: Any) -> Tensor:
    """The logits in what a network returned: itself, or its `.logits`.

    Raises:
        ModelError: there are none.
    """
    logits = answer if isinstance(answer, Tensor) else getattr(answer, "logits", None)
    if not isinstance(logits, Tensor):
        expected = "a network that returns logits, or an object with .logits"
        raise ModelError("model", expected=expected, came=f"a {type(answer).__name__}")
    return logits


def catch_input(caught: list[Tensor]) -> Callable[..., None]:
    """A forward pre-hook (with keyword arguments) that keeps the first input of a layer."""

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        caught.append(args[0] if args else next(iter(kwargs.values())))

    return hook


def candidates(names: Sequence[str]) -> str:
    """The last few layers, in words."""
    shown = ", ".join(names[-LISTED:]) or "none"
    return f"linear layers are: {'..., ' if len(names) > LISTED else ''}{shown}"


@contextmanager
def _watched(net: nn.Module, width: int, runs: Counter[str], outputs: dict[str, Tensor]) -> Iterator[None]:
    """Count inside how often each linear layer runs, and keep its last output if it could be the answer."""

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            runs[name] += 1
            if isinstance(output, Tensor) and output.numel() == width:
                outputs[name] = output

        return hook

    handles = [net.get_submodule(name).register_forward_hook(keep(name)) for name in linear_layers(net)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_part(output: Any, logits: Tensor) -> bool:
    """Whether what a layer gave for one picture stands in the answer, side by side."""
    if not isinstance(output, Tensor):
        return False
    found, answer = output.flatten(), logits.flatten()
    return any(torch.equal(found, answer[i : i + len(found)]) for i in range(len(answer) - len(found) + 1))


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1))
