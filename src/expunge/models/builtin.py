"""Networks of the literature that expunge builds itself, by plain names: `--model NAME --weights FILE`, `--arch NAME`.

They are factories whose code is our own, so that a directory of theirs may be opened without naming them again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from expunge.models.dlfd_resnet import IMAGENET, SIDE, DLFDResNet18, dlfd_preprocessing
from expunge.models.preprocessing import Preprocessing
from expunge.models.record import read_record


@dataclass(frozen=True)
class BuiltIn:
    """A network, and what its published weights expect of pictures.

    Args:
        build: `(logits, channels) -> network` with fresh weights.
        side: of the pictures, in pixels.
        published: `(size, logits) -> preprocessing` of the published weights; None where there are none like that.
        fresh: mean and standard deviation for one that is trained anew on other classes.
    """

    build: Callable[[int, int], nn.Module]
    side: int
    published: Callable[[tuple[int, int], int], Preprocessing | None]
    fresh: tuple[tuple[float, ...], tuple[float, ...]]


BUILT_IN: Mapping[str, BuiltIn] = {"dlfd-resnet18": BuiltIn(DLFDResNet18, SIDE, dlfd_preprocessing, IMAGENET)}


def is_factory(name: str) -> bool:
    """Whether `name` says which code builds a network.

    Example:
        >>> is_factory("timm:resnet18"), is_factory("dlfd-resnet18"), is_factory("resnet18")
        (True, True, False)
    """
    return ":" in name or name in BUILT_IN


def built_in_at(directory: Path) -> str | None:
    """Name of the built-in network whose weights a directory holds, by its record; None where it is another thing."""
    name = read_record(directory).get("factory", "") if directory.is_dir() else ""
    return name if name in BUILT_IN else None
