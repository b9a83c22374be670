"""The way in for models: a Hugging Face directory, a factory with weights, a bundled architecture, or a module in hand.

Names and paths flow in, a `ModelArtefact` flows out, which can be saved as the same kind of thing.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from expunge.errors import ModelError
from expunge.models.artefact import Form, Kind, ModelArtefact
from expunge.models.builtin import BUILT_IN, built_in_at, is_factory
from expunge.models.bundled import bundled_config
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.factory import FileForm, built, factory, read_into, widened
from expunge.models.files import layout_of, only_weights
from expunge.models.huggingface import (
    CONFIG,
    HuggingFaceForm,
    build,
    read_config,
    read_files,
    read_network,
    read_preprocessing,
    read_spec,
)
from expunge.models.record import read_record
from expunge.models.seeding import seeded
from expunge.models.weights import check_finite, state_bytes_hash
from expunge.types import LabelSpec, TrainRecipe

FILE = "model.safetensors"


def load_model(
    model: str | Path,
    *,
    spec: LabelSpec | None = None,
    weights: Path | None = None,
    head: str | None = None,
    preprocessing: Preprocessing | None = None,
) -> ModelArtefact:
    """Load a trained classifier.

    Args:
        model: a local Hugging Face model directory, or `package.module:factory`, `timm:NAME`, `torchvision:NAME`,
            or a built-in network (`dlfd-resnet18`), also as a directory that was saved of one.
        spec: what the logits mean; as the model's own record says where None.
        weights: file of weights of a factory's network (`.safetensors`, or `.pth` / `.pt` of tensors alone).
        head: name of the last linear layer; found where None.
        preprocessing: size and normalisation; as the model's own record or directory says where None.

    Raises:
        ModelError: one line about what is missing, unsafe or does not fit.
        Unavailable: a library that the model needs is not installed.
    """
    place = Path(model)
    if (own := built_in_at(place)) is not None:
        return _from_factory(own, spec, only_weights(place), head, preprocessing)
    if os.path.isdir(place):
        return _from_directory(place, spec, head, preprocessing)
    if not is_factory(str(model)):
        expected = f"a local model directory, package.module:factory or {', '.join(BUILT_IN)}"
        raise ModelError("model", expected=expected, came=f"{model}, which is not there")
    return _from_factory(str(model), spec, weights, head, preprocessing)


def new_model(architecture: str, spec: LabelSpec, preprocessing: Preprocessing, *, seed: int) -> ModelArtefact:
    """A network with fresh weights: bundled (`resnet18`, `resnet18-half`, `resnet18-quarter` ...), or a factory's.

    Args:
        architecture: a bundled one, saved as a Hugging Face directory; or `package.module:factory`, `timm:NAME`,
            `torchvision:NAME`, `dlfd-resnet18`, saved as a file of weights.
        spec: what the logits shall mean.
        preprocessing: size and normalisation.
        seed: the weights follow from it; global random states stay as they are.

    Raises:
        ModelError: no such architecture.
        Unavailable: a library is not installed.

    Example:
        >>> spec = LabelSpec(("age",), (("young", "old"),))
        >>> new_model("resnet10-quarter", spec, Preprocessing((32, 32)), seed=0).kind
        'huggingface'
    """
    if is_factory(architecture):
        make = factory(architecture, logits=spec.logits, channels=preprocessing.channels)
        with seeded(seed):
            net = widened(built(make, architecture))
        form: Form = FileForm(architecture, make, build=make, layout=layout_of(net.state_dict(), FILE))
        return _artefact(PixelClassifier(net, preprocessing, spec), "factory", architecture, None, form)
    config = bundled_config(architecture, spec, preprocessing.channels)
    with seeded(seed):
        net = build(config)
    form = HuggingFaceForm(net, preprocessing)
    return _artefact(PixelClassifier(net, preprocessing, spec), "huggingface", architecture, None, form)


def wrap_module(
    module: nn.Module,
    spec: LabelSpec,
    preprocessing: Preprocessing,
    *,
    head: str | None = None,
    factory: Callable[[], nn.Module] | None = None,
) -> ModelArtefact:
    """A module in hand as an artefact; saved as a file of weights.

    Args:
        module: the classifier; not copied, and left in the mode (training or not) it is in.
        spec: what the logits mean.
        preprocessing: size and normalisation.
        head: name of the last linear layer; found where None.
        factory: builds a freshly initialised one; without it there is no retraining.

    Raises:
        ModelError: its answer does not fit `spec`, or its weights are not finite.
    """
    name = type(module).__name__
    check_finite(module.state_dict(), "the module")
    layout = layout_of(module.state_dict(), FILE)
    form = FileForm(name, partial(copy.deepcopy, module), build=factory, layout=layout)
    classifier = PixelClassifier(module, preprocessing, spec, head)
    return ModelArtefact(classifier, "module", name, state_bytes_hash(module), None, form)


def _from_directory(
    place: Path, spec: LabelSpec | None, head: str | None, preprocessing: Preprocessing | None
) -> ModelArtefact:
    record = read_record(place)
    _check_is_whole(place, record)
    config = read_config(place)
    meaning = read_spec(config, _meaning(spec, record))
    shape = preprocessing or record.get("preprocessing") or read_preprocessing(place)
    if shape is None:
        expected = f"a preprocessor_config.json in {place}"
        raise ModelError("model", expected=expected, came="none", remedy="state size, mean and std")
    stored = read_files(place)
    net = read_network(config, stored, str(place))
    classifier = PixelClassifier(net, shape, meaning, head or record.get("head"))
    form = HuggingFaceForm(net, shape, stored=stored, origin=place)
    return _artefact(classifier, "huggingface", str(place), record.get("recipe"), form)


def _from_factory(
    name: str, spec: LabelSpec | None, weights: Path | None, head: str | None, preprocessing: Preprocessing | None
) -> ModelArtefact:
    if weights is None:
        raise ModelError("weights", expected=f"a file of weights for {name}", came="none", remedy="use --weights FILE")
    record = read_record(weights.parent)
    meaning = _meaning(spec, record)
    shape: Preprocessing | None = preprocessing or record.get("preprocessing")
    if meaning is None or shape is None:
        what = "classes" if meaning is None else "picture size, mean and std"
        came = f"none given, and no record in {weights.parent}"
        raise ModelError("model", expected=f"{what} for {name}", came=came)
    make = factory(name, logits=meaning.logits, channels=shape.channels)
    net, stored = read_into(make, name, weights)
    form = FileForm(name, make, build=make, layout=stored.layout, origin=weights)
    classifier = PixelClassifier(net, shape, meaning, head or record.get("head"))
    return _artefact(classifier, "factory", f"{name} with {weights}", record.get("recipe"), form)


def _artefact(
    classifier: PixelClassifier, kind: Kind, source: str, recipe: TrainRecipe | None, form: Form
) -> ModelArtefact:
    return ModelArtefact(classifier.eval(), kind, source, state_bytes_hash(classifier), recipe, form)


def _meaning(spec: LabelSpec | None, record: dict[str, Any]) -> LabelSpec | None:
    """What the logits mean, where caller and record agree."""
    known: LabelSpec | None = record.get("spec")
    if spec is not None and known is not None and spec != known:
        expected = f"{known.names} with classes {known.classes} as the model was trained"
        raise ModelError("labels", expected=expected, came=f"{spec.names} with {spec.classes}")
    return spec or known


def _check_is_whole(place: Path, record: dict[str, Any]) -> None:
    """A directory of a factory's weights names the factory, but code is only run when the caller names it."""
    if record.get("factory") and not (place / CONFIG).exists():
        remedy = f"name what builds the network (it was {record['factory']}) and give the file as weights"
        raise ModelError("model", expected=f"a {CONFIG} in {place}", came="weights of a factory", remedy=remedy)
