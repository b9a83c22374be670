"""The check behind every save: what lies on disk is what was meant, and answers as the model in memory does.

A classifier, its form and a directory flow in; nothing flows out but an error.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from expunge.errors import ModelError
from expunge.models.classifier import PixelClassifier
from expunge.models.predict import answers, noise
from expunge.models.record import RECORD, read_record
from expunge.models.weights import State


class Readable(Protocol):
    """The part of a form that the check needs; see `artefact.Form`."""

    @property
    def origin(self) -> Path | None: ...
    @property
    def kept(self) -> Mapping[str, bytes]: ...
    def stored(self, net: nn.Module) -> State: ...
    def reread(self, directory: Path) -> State: ...
    def read(self, directory: Path) -> nn.Module: ...


def check_place(form: Readable, directory: Path) -> None:
    """Refuse to write over the model that was loaded.

    Raises:
        ModelError: `directory` is where it came from.
    """
    if form.origin is not None and directory.resolve() == form.origin.resolve():
        raise ModelError("save", expected="another directory than the one that was loaded", came=str(directory))


def check_saved(ours: PixelClassifier, form: Readable, directory: Path) -> None:
    """Refuse a saved model that is not the one in memory.

    Raises:
        ModelError: saying what differs: tensors, small files, classes, preprocessing, head, or answers.
    """
    check_tensors(form.stored(ours.net), form.reread(directory), directory)
    for name, content in form.kept.items():
        if (directory / name).read_bytes() != content:
            raise ModelError("save", expected=f"{name} as it was loaded", came=f"another in {directory}")
    saved = classifier_of(form, directory)
    for part in ("spec", "preprocessing", "head_name"):
        meant, came = getattr(ours, part), getattr(saved, part)
        if meant != came:
            raise ModelError("save", expected=f"{part} {meant}", came=f"{came} in {directory}")
    check_tensors(form.stored(ours.net), form.stored(saved.net), directory)
    check_answers_alike(ours, saved, directory)


def check_tensors(meant: Mapping[str, Tensor], came: Mapping[str, Tensor], directory: Path) -> None:
    """Refuse tensors with other names, shapes, types or values than were meant.

    Raises:
        ModelError: naming the first few.
    """
    kinds = [{name: (tuple(v.shape), v.dtype) for name, v in state.items()} for state in (meant, came)]
    differing = sorted(name for name in {*meant, *came} if kinds[0].get(name) != kinds[1].get(name))
    if differing:
        text = f"others in {directory}: {', '.join(differing[:3])}"
        raise ModelError("save", expected="names, shapes and types as in memory", came=text)
    changed = [name for name, value in meant.items() if not torch.equal(value, came[name])]
    if changed:
        text = f"other values in {directory}: {', '.join(changed[:3])}"
        raise ModelError("save", expected="the same weights as in memory", came=text)


def check_answers_alike(ours: PixelClassifier, saved: PixelClassifier, directory: Path) -> None:
    """Refuse a saved model that answers differently with the same weights: its configuration must differ.

    Raises:
        ModelError: logits on fixed pictures are not identical.
    """
    # with the saved weights, which may have been rounded to the file's type; all else is ours
    mine = copy.deepcopy(ours).to("cpu").to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    mine.net.load_state_dict(saved.net.state_dict())
    pictures = noise(ours.preprocessing, 2)
    if not torch.equal(answers(mine, pictures), answers(saved, pictures)):
        raise ModelError("save", expected="answers identical to those in memory", came=f"others from {directory}")


def classifier_of(form: Readable, directory: Path) -> PixelClassifier:
    """The classifier that a saved directory says it is.

    Raises:
        ModelError: the record or the network cannot be read.
    """
    record = read_record(directory)
    if not record:
        raise ModelError("save", expected=f"{RECORD} in {directory}", came="none")
    net = form.read(directory)
    return PixelClassifier(net, record["preprocessing"], record["spec"], record["head"]).eval()
