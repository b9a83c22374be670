"""The way in for models: a Hugging Face directory, a factory with weights, a bundled architecture, or a module in hand.

Names and paths flow in, a `ModelArtefact` flows out, which can be saved as the same kind of thing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from expunge.errors import ModelError
from expunge.models.artefact import ModelArtefact, read_record
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.factory import built, factory, write_weights
from expunge.models.huggingface import (
    build,
    bundled_config,
    read_config,
    read_network,
    read_preprocessing,
    read_spec,
    write_network,
)
from expunge.models.weights import check_finite, hash_state, load_into, read_weights
from expunge.types import LabelSpec


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
        model: a local Hugging Face model directory, or `package.module:factory`, `timm:NAME`, `torchvision:NAME`.
        spec: what the logits mean; as the model's own record says where None.
        weights: file of weights of a factory's network (`.safetensors`, or `.pth` / `.pt` of tensors alone).
        head: name of the last linear layer; found where None.
        preprocessing: size and normalisation; as the model directory says where None.

    Raises:
        ModelError: one line about what is missing, unsafe or does not fit.
    """
    place = Path(model)
    if place.is_dir():
        return _from_directory(place, spec, head, preprocessing)
    if ":" not in str(model):
        raise ModelError("model", expected="a model directory or package.module:factory", came=f"{model}, not there")
    return _from_factory(str(model), spec, weights, head, preprocessing)


def new_model(architecture: str, spec: LabelSpec, preprocessing: Preprocessing, *, seed: int) -> ModelArtefact:
    """A bundled network with fresh weights: `resnet18`, `resnet18-half`, `resnet18-quarter`, `resnet10` and so on.

    Raises:
        ModelError: no such architecture.

    Example:
        >>> spec = LabelSpec(("age",), (("young", "old"),))
        >>> new_model("resnet10-quarter", spec, Preprocessing((32, 32)), seed=0).kind
        'huggingface'
    """
    config = bundled_config(architecture, spec, preprocessing.channels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = build(config)
    return _artefact(
        PixelClassifier(net, preprocessing, spec).eval(),
        architecture,
        build=lambda: build(config),
        origin=None,
    )


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
        module: the classifier; not copied.
        factory: builds a freshly initialised one; without it there is no retraining.

    Raises:
        ModelError: its answer does not fit `spec`, or its weights are not finite.
    """
    check_finite(module.state_dict(), "the module")
    classifier = PixelClassifier(module, preprocessing, spec, head)
    name = "model.safetensors"

    def reload(directory: Path) -> PixelClassifier:
        net = copy.deepcopy(module)
        load_into(net, read_weights(directory / name)[0], str(directory))
        return PixelClassifier(net, preprocessing, spec, classifier.head_name)

    return ModelArtefact(
        classifier,
        "module",
        type(module).__name__,
        hash_state(module.state_dict()),
        None,
        factory,
        lambda net, directory: write_weights(net, directory / name, wrapper=""),
        reload,
    )


def _from_directory(
    place: Path, spec: LabelSpec | None, head: str | None, preprocessing: Preprocessing | None
) -> ModelArtefact:
    record = read_record(place)
    config = read_config(place)
    meaning = read_spec(config, spec or record.get("spec"))
    shape = preprocessing or record.get("preprocessing") or read_preprocessing(place)
    if shape is None:
        raise ModelError(
            "model", expected=f"a preprocessor_config.json in {place}", came="none", remedy="state size, mean and std"
        )
    net = read_network(place)
    classifier = PixelClassifier(net, shape, meaning, head or record.get("head")).eval()
    made = _artefact(classifier, str(place), build=lambda: build(config), origin=place)
    return replace(made, recipe=record.get("recipe"))


def _artefact(
    classifier: PixelClassifier, source: str, *, build: Callable[[], nn.Module], origin: Path | None
) -> ModelArtefact:
    write = partial(write_network, origin=origin, preprocessing=classifier.preprocessing)
    spec, head = classifier.spec, classifier.head_name

    def reload(directory: Path) -> PixelClassifier:
        shape = read_preprocessing(directory) if origin is None else classifier.preprocessing
        return PixelClassifier(read_network(directory), shape or classifier.preprocessing, spec, head)

    sha256 = hash_state(classifier.net.state_dict())
    return ModelArtefact(classifier, "huggingface", source, sha256, None, build, write, reload)


def _from_factory(
    name: str, spec: LabelSpec | None, weights: Path | None, head: str | None, preprocessing: Preprocessing | None
) -> ModelArtefact:
    if weights is None:
        raise ModelError("weights", expected=f"a file of weights for {name}", came="none", remedy="use --weights FILE")
    record = read_record(weights.parent)
    meaning, shape = spec or record.get("spec"), preprocessing or record.get("preprocessing")
    if meaning is None or shape is None:
        raise ModelError(
            "model", expected=f"classes and picture size for {name}", came="neither from the data nor a record"
        )
    state, wrapper = read_weights(weights)
    make = factory(name, logits=meaning.logits)

    def read(path: Path) -> PixelClassifier:
        net = built(make, name)
        load_into(net, read_weights(path)[0], str(path))
        return PixelClassifier(net, shape, meaning, head or record.get("head"))

    classifier = read(weights).eval()
    return ModelArtefact(
        classifier,
        "factory",
        f"{name} with {weights}",
        hash_state(state),
        record.get("recipe"),
        lambda: built(make, name),
        lambda net, directory: write_weights(net, directory / weights.name, wrapper=wrapper),
        lambda directory: read(directory / weights.name),
    )
