"""Networks of timm and torchvision by name, with fresh weights; both libraries are imported only when named.

Only architectures that the installed library itself lists are built, so that nothing is ever downloaded.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn

from expunge.errors import ModelError, Unavailable

LIBRARIES = ("timm", "torchvision")


def library_network(library: str, name: str, *, logits: int, channels: int = 3) -> Callable[[], nn.Module]:
    """A function that builds `name` of timm or torchvision with fresh weights.

    Args:
        library: `timm` or `torchvision`.
        name: an image classifier as the library calls it, e.g. `resnet18`.
        logits: width of its answer.
        channels: of its pictures; torchvision has networks for 3 only.

    Raises:
        Unavailable: the library is not installed.
        ModelError: it has no such classifier.
    """
    return _timm(name, logits, channels) if library == "timm" else _torchvision(name, logits, channels)


def _timm(name: str, logits: int, channels: int) -> Callable[[], nn.Module]:
    timm = _library("timm")
    _check_known("timm", name, timm.list_models(), known=timm.is_model(name))
    return partial(timm.create_model, name, num_classes=logits, in_chans=channels, pretrained=False)


def _torchvision(name: str, logits: int, channels: int) -> Callable[[], nn.Module]:
    models = _library("torchvision.models")
    # of this module only: networks for detection and segmentation download a pretrained backbone
    names = models.list_models(module=models)
    _check_known("torchvision", name, names, known=name in names)
    if channels != 3:
        raise ModelError("model", expected="pictures of 3 channels for torchvision", came=str(channels))
    return partial(models.get_model, name, weights=None, num_classes=logits)


def _check_known(library: str, name: str, names: Sequence[str], *, known: bool) -> None:
    # timm would take "hf-hub:..." and "local-dir:..." too, and look elsewhere
    if not known or ":" in name or "/" in name:
        near = ", ".join(difflib.get_close_matches(name, names)) or "none"
        raise ModelError("model", expected=f"a classifier of {library} (near: {near})", came=repr(name))


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        extra = name.partition(".")[0]
        reason = str(error).splitlines()[0]
        raise Unavailable(f"model: {extra} cannot be imported ({reason}); install expunge[{extra}]") from None
