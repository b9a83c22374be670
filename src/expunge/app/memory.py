"""What a notebook holds, made into what the use cases take: pictures, models and requests in memory.

Tensors, `datasets.Dataset`s, modules and names flow in; data sets and artefacts that fit each other flow out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from expunge.app.inputs import DEFAULT_SIZE, check_answers, known_of, model_place
from expunge.data.dataset import Dataset, from_tensors
from expunge.data.requests import ErasureRequest
from expunge.data.sources import DataSpec, from_datasets
from expunge.data.tables import dataset_parts
from expunge.errors import DataError, ModelError, RequestError
from expunge.models.artefact import ModelArtefact
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.load import load_model, wrap_module

# a `Dataset`, a mapping of tensors, or a `datasets.Dataset` (not named here: importing it takes a second)
Pictures = Dataset | Mapping[str, Any] | Any
TENSORS = ("pixels", "labels", "subjects", "roles", "ids", "spec")


def as_dataset(
    data: Pictures, columns: DataSpec | None, model: nn.Module | str | Path, preprocessing: Preprocessing | None
) -> Dataset:
    """Pictures in memory as a checked data set.

    Raises:
        DataError: they are of no known kind, or do not fit together.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, Mapping) and "pixels" in data:
        return _tensors(data)
    if columns is None:
        dataset_parts(data)  # says what was expected where this is no data set at all
        raise DataError("columns", expected="a DataSpec that says which column is what", came="nothing")
    shape = preprocessing or _shape_of(model, columns)
    size, channels = (shape.size, shape.channels) if shape is not None else ((DEFAULT_SIZE, DEFAULT_SIZE), 3)
    return from_datasets(data, columns, size=size, channels=channels)


def as_artefact(
    model: nn.Module | str | Path,
    data: Dataset,
    *,
    preprocessing: Preprocessing | None,
    head: str | None,
    factory: Callable[[], nn.Module] | None = None,
) -> ModelArtefact:
    """A network in hand, or a model directory, as an artefact that fits the pictures.

    Raises:
        ModelError: it cannot be read, or does not take these pictures and classes.
    """
    spec, store = data.pictures.spec, data.store
    if isinstance(model, str | Path):
        found = load_model(model_place(str(model)), spec=spec, head=head, preprocessing=preprocessing)
    elif isinstance(model, PixelClassifier):
        found = wrap_module(model.net, spec, model.preprocessing, head=head or model.head_name, factory=factory)
    elif isinstance(model, nn.Module):
        plain = Preprocessing((store.height, store.width), (0.0,) * store.channels, (1.0,) * store.channels)
        found = wrap_module(model, spec, preprocessing or plain, head=head, factory=factory)
    else:
        raise ModelError("model", expected="a torch.nn.Module or a model directory", came=type(model).__name__)
    check_answers(found, data.pictures)
    return found


def as_request(request: ErasureRequest | Sequence[str]) -> ErasureRequest:
    """A request; names alone are subjects.

    Raises:
        RequestError: neither a request nor names.
    """
    if isinstance(request, ErasureRequest):
        return request
    names = [request] if isinstance(request, str) else list(request)
    if not all(isinstance(name, str) for name in names):
        raise RequestError("request", expected="an ErasureRequest or names of subjects", came=repr(names)[:80])
    return ErasureRequest(subjects=tuple(names))


def _tensors(data: Mapping[str, Any]) -> Dataset:
    strange = sorted(set(data) - set(TENSORS))
    if strange or "labels" not in data:
        came = ", ".join(strange) or "no labels"
        raise DataError("data", expected=f"pixels, labels and any of {', '.join(TENSORS[2:])}", came=came)
    return from_tensors(
        data["pixels"],
        data["labels"],
        subjects=data.get("subjects"),
        roles=data.get("roles"),
        ids=data.get("ids"),
        spec=data.get("spec"),
    )


def _shape_of(model: nn.Module | str | Path, columns: DataSpec) -> Preprocessing | None:
    if isinstance(model, PixelClassifier):
        return model.preprocessing
    if isinstance(model, str | Path):
        return known_of(model_place(str(model)), None, columns.labels).shape
    return None
