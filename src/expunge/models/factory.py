"""Networks that the user's own code builds: `package.module:factory` with a file of weights beside it.

The named function is the user's, and is trusted as such; the file of weights is not. timm and torchvision are the
same thing with somebody else's factory, imported only when named.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from expunge.errors import ModelError, Unavailable

Build = Callable[[], nn.Module]


def factory(name: str, *, logits: int) -> Build:
    """A function that builds the network called `name`.

    Args:
        name: `package.module:function` (called without arguments), `timm:NAME` or `torchvision:NAME`.
        logits: classes of the data, for libraries that ask for them.

    Raises:
        ModelError: there is no such module or function, or it does not return a network.
        Unavailable: the library is not installed.
    """
    module, _, attribute = name.partition(":")
    if module == "timm":
        timm = _library("timm")
        return lambda: _network(timm.create_model(attribute, num_classes=logits, pretrained=False), name)
    if module == "torchvision":
        models = _library("torchvision.models")
        return lambda: _network(models.get_model(attribute, weights=None, num_classes=logits), name)
    made = _named(module, attribute)
    return lambda: _network(made(), name)


def built(build: Build, name: str) -> nn.Module:
    """Call a factory; whatever it raises becomes one line."""
    try:
        return build()
    except ModelError:
        raise
    except Exception as error:  # anything may go wrong in the user's code
        raise ModelError(
            "model", expected=f"{name} to build a network", came=f"{type(error).__name__}: {error}"
        ) from error


def write_weights(net: nn.Module, path: Path, *, wrapper: str) -> None:
    """Write a state dict as it came: safetensors, or tensors alone in a pickle, under the key it was wrapped in."""
    state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    if path.suffix == ".safetensors":
        save_file(state, path, metadata={"format": "pt"})
    else:
        torch.save({wrapper: state} if wrapper else state, path)


def _named(module: str, attribute: str) -> Any:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ModelError("model", expected="package.module:factory that can be imported", came=str(error)) from None
    finally:
        sys.path.remove(here)
    made = getattr(found, attribute, None)
    if not callable(made):
        raise ModelError("model", expected=f"a function {attribute!r} in {module}", came="none")
    return made


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        extra = name.partition(".")[0]
        raise Unavailable(f"model: {extra} cannot be imported ({error}); install expunge[{extra}]") from None


def _network(found: object, name: str) -> nn.Module:
    if not isinstance(found, nn.Module):
        raise ModelError("model", expected=f"{name} to return a torch.nn.Module", came=type(found).__name__)
    return found
