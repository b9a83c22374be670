"""The user's own training code: `module:train(subset, seed) -> model`, checked and made to fit the model at hand.

A name flows in, a callable of pictures and a seed flows out. Only importing happens here; nothing is trained.
"""

from __future__ import annotations

import copy
import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from expunge.errors import InputError, ModelError
from expunge.models.classifier import PixelClassifier
from expunge.types import PictureSet

UserTrain = Callable[[PictureSet, int], nn.Module]


def train_function(name: str) -> UserTrain:
    """The function called `package.module:function`.

    Raises:
        InputError: it cannot be imported or called.

    Example:
        >>> train_function("os.path:join")("a", "b")
        'a/b'
    """
    field = "recipe.function (the training function)"
    module, colon, attribute = name.partition(":")
    if not (module and colon and attribute):
        raise InputError(field, expected="package.module:function", came=repr(name))
    if os.getcwd() not in sys.path:  # a script beside the data is importable, as with `python -m`
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(field, expected="an importable package.module:function", came=f"{name!r} ({error})") from None
    if not callable(found):
        raise InputError(field, expected="a function", came=f"{name!r}, a {type(found).__name__}")
    made: UserTrain = found
    return made


def fitted(trained: nn.Module, like: PixelClassifier) -> PixelClassifier:
    """What the user's function returned, as a classifier with the preprocessing of `like`.

    Args:
        trained: a network with the keys and shapes of `like.net`, or a whole classifier.
        like: the model that it stands beside.

    Raises:
        ModelError: it has other weights, naming the first that differs.
    """
    net = trained.net if isinstance(trained, PixelClassifier) else trained
    if not isinstance(net, nn.Module):
        raise ModelError("train function", expected="a torch.nn.Module as its answer", came=type(net).__name__)
    same_weights(net, like.net)
    made = copy.deepcopy(like)
    with torch.no_grad():
        made.net.load_state_dict(net.state_dict())
    return made.to("cpu").eval()


def same_weights(net: nn.Module, like: nn.Module) -> None:
    """Refuse a network whose weights have other names or shapes.

    Raises:
        ModelError: naming the first weight that differs.
    """
    ours, theirs = ({name: tuple(t.shape) for name, t in m.state_dict().items()} for m in (net, like))
    for name in [*theirs, *(name for name in ours if name not in theirs)]:
        if ours.get(name) != theirs.get(name):
            raise ModelError(
                "train function",
                expected=f"the architecture of the model ({name}: {theirs.get(name, 'absent')})",
                came=f"{name}: {ours.get(name, 'absent')}",
            )
