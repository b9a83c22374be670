"""Loads what a job names: pictures and models, checked against each other before anything is written.

Jobs flow in; data sets and models flow out. A model's own record (classes, size) is read first, so that pictures are
decoded and labelled the way the model knows them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from expunge.app.desk import Desk
from expunge.app.job import DataJob, ModelJob
from expunge.data.dataset import Dataset
from expunge.data.sources import DataSpec, read_dataset
from expunge.errors import ExpungeError, ModelError
from expunge.models.artefact import ModelArtefact
from expunge.models.builtin import BUILT_IN, built_in_at, is_factory
from expunge.models.classifier import Preprocessing, inference_mode_of
from expunge.models.dlfd_resnet import HALF, IMAGENET
from expunge.models.files import only_weights
from expunge.models.huggingface import CONFIG, read_config, read_preprocessing, read_spec
from expunge.models.load import load_model
from expunge.models.record import read_record
from expunge.types import LabelSpec, PictureSet

DEFAULT_SIZE = 64
UNNAMED = "LABEL_"  # what transformers calls classes that nobody named
# mean and standard deviation per channel, in units of 0..1
NORMALISATIONS: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "none": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "half": HALF,
    "imagenet": IMAGENET,
}


@dataclass(frozen=True)
class Known:
    """What a model says about itself before it is loaded: classes and picture size, each None where it does not.

    `side` is that of its pictures where neither the model nor the user says it.
    """

    spec: LabelSpec | None
    shape: Preprocessing | None
    side: int = DEFAULT_SIZE

    def size(self, asked: int | None) -> tuple[int, int]:
        """Side lengths to decode pictures at.

        Raises:
            ModelError: another size is asked for than the model was trained at.
        """
        if self.shape is None:
            return (asked or self.side,) * 2
        if asked is not None and (asked, asked) != self.shape.size:
            height, width = self.shape.size
            raise ModelError("data.size (--size)", expected=f"{height}x{width}, the model's size", came=str(asked))
        return self.shape.size


def read_pictures(
    job: DataJob, *, size: tuple[int, int], channels: int, desk: Desk, spec: LabelSpec | None = None
) -> Dataset:
    """All pictures of a job, decoded; what was left out is said.

    Args:
        job: where they are. size, channels: to decode to. desk: who listens.
        spec: classes in the model's order, where it knows them.
    """
    desk.stage("reading pictures")
    found = read_dataset(data_spec(job, spec), size=size, channels=channels, cache=job.cache)
    if found.unreadable:
        shown = "; ".join(found.unreadable[:5])
        desk.warn(f"{len(found.unreadable)} unreadable pictures were left out: {shown}")
    return found


def data_spec(job: DataJob, spec: LabelSpec | None = None) -> DataSpec:
    """The same for the room that reads pictures."""
    roles = {"train": job.train_split, "tuning": job.tuning_split, "reporting": job.reporting_split}
    known = dict(zip(spec.names, spec.classes, strict=True)) if spec is not None else {}
    return DataSpec(
        path=job.path,
        image=job.image,
        labels=job.labels,
        subject=job.subject,
        split=job.split,
        splits={role: values for role, values in roles.items() if values},
        id=job.id,
        root=str(job.root) if job.root is not None else None,
        config=job.config,
        classes={name: classes for name, classes in known.items() if name in job.labels},
        skip_unreadable=job.skip_unreadable,
    )


def stated_shape(model: ModelJob, size: tuple[int, int], logits: int) -> Preprocessing | None:
    """Preprocessing of a model that has no record of it: as the user states or a publication says it, never guessed.

    None where the model is no factory's: then its own directory has to say it.

    Raises:
        ModelError: nobody said how its pictures are normalised.
    """
    if model.normalise is None and (not is_factory(model.path) or Path(model.path).exists()):
        return None
    own = BUILT_IN.get(model.path)
    if model.normalise is None and own is not None and (shape := own.published(size, logits)) is not None:
        return shape
    if model.normalise is None:
        raise ModelError(
            "model.normalise (--normalise)",
            expected=f"one of {', '.join(NORMALISATIONS)}, since nothing beside the weights says it",
            came="nothing",
        )
    return Preprocessing(size, *NORMALISATIONS[model.normalise])


def load_for_data(model: ModelJob, job: DataJob, *, desk: Desk) -> tuple[Dataset, ModelArtefact]:
    """The pictures and the model of a job, which fit each other.

    Raises:
        ModelError, DataError: what does not fit.
    """
    place = model_place(model.path)
    weights = weights_file(model.weights) if model.weights is not None else None
    known = known_of(place, weights, job.labels)
    channels = known.shape.channels if known.shape is not None else 3
    data = read_pictures(job, size=known.size(job.size), channels=channels, desk=desk, spec=known.spec)
    desk.stage("loading models")
    shape = known.shape or stated_shape(model, known.size(job.size), data.pictures.spec.logits)
    found = load_model(place, spec=data.pictures.spec, weights=weights, head=model.head, preprocessing=shape)
    check_answers(found, data.pictures)
    return data, found


def load_beside(
    paths: Sequence[str], factory: str | None, like: ModelArtefact, data: Dataset
) -> tuple[ModelArtefact, ...]:
    """Further models of the same task: directories, finished runs, or weights of the same factory's network.

    Args:
        paths: where they are.
        factory: `package.module:factory` of files of weights, where they are such.
        like: the model whose classes and preprocessing they share.
    """
    found = []
    for path in paths:
        place, shape = Path(model_place(path)), like.classifier.preprocessing
        if not place.exists():
            raise ModelError("reference or model", expected="an existing model or run directory", came=path)
        spec = data.pictures.spec
        if (place / CONFIG).exists() or built_in_at(place) is not None:
            known = known_of(str(place), None, spec.names)
            if known.spec is not None and known.spec != spec:
                raise ModelError(path, expected=f"the classes {spec.classes}", came=f"{known.spec.classes}")
            artefact = load_model(place, spec=spec, preprocessing=known.shape or shape)
        elif factory is None or Path(factory).exists():
            raise ModelError(path, expected=f"a model directory with a {CONFIG}", came="none")
        else:
            head = like.classifier.head_name
            artefact = load_model(factory, spec=spec, weights=weights_file(place), head=head, preprocessing=shape)
        if artefact.classifier.preprocessing != shape:
            raise ModelError(path, expected=f"{shape}", came=f"{artefact.classifier.preprocessing}")
        check_answers(artefact, data.pictures)
        found.append(artefact)
    return tuple(found)


def known_of(place: str, weights: Path | None, labels: Sequence[str]) -> Known:
    """What the model at `place` says about its classes and picture size.

    Raises:
        ModelError: it was trained on other attributes than `labels`.
    """
    directory = Path(place) if Path(place).is_dir() else weights.parent if weights is not None else None
    record = read_record(directory) if directory is not None else {}
    if record:
        spec: LabelSpec = record["spec"]
        if spec.names != tuple(labels):
            raise ModelError("data.labels (--label)", expected=", ".join(spec.names), came=", ".join(labels))
        return Known(spec, record["preprocessing"])
    if directory is None or not (directory / CONFIG).exists():
        return Known(None, None, side_of(place))
    names = read_spec(read_config(directory), None).classes[0]
    named = len(labels) == 1 and not any(name.startswith(UNNAMED) for name in names)
    return Known(LabelSpec(tuple(labels), (names,)) if named else None, read_preprocessing(directory))


def side_of(name: str) -> int:
    """Side of the pictures of an architecture where nobody says it: a built-in network's own, else the default."""
    return BUILT_IN[name].side if name in BUILT_IN else DEFAULT_SIZE


def fresh_shape(name: str, size: tuple[int, int], logits: int) -> Preprocessing:
    """Preprocessing of a network that is trained anew."""
    own = BUILT_IN.get(name)
    if own is None:
        return Preprocessing(size)
    return own.published(size, logits) or Preprocessing(size, *own.fresh)


def model_place(path: str) -> str:
    """Where the model lies: of a finished run its `model/`; anything else as it was given.

    Raises:
        ModelError: the run is not finished.
    """
    place = Path(path)
    unfinished = place.with_name(f"{place.name}.partial")
    if (place.name.endswith(".partial") and (place / "job.yaml").exists()) or (
        not place.exists() and unfinished.is_dir()
    ):
        raise ModelError("model", expected="a finished run", came=path, remedy="continue that run with --resume")
    return str(place / "model") if (place / "job.yaml").exists() and (place / "model").is_dir() else path


def run_root(place: Path) -> Path:
    """The directory of a run, also where its `model/` was named."""
    return place.parent if place.name == "model" else place


def weights_file(path: Path) -> Path:
    """A file of weights: as named, or the only one in a model or run directory.

    Raises:
        ModelError: there is none, or several.
    """
    place = Path(model_place(str(path)))
    if not place.is_dir():
        return place
    return only_weights(place)


def check_answers(artefact: ModelArtefact, pictures: PictureSet) -> None:
    """Show the model two pictures: whatever goes wrong, goes wrong now and in one line.

    Raises:
        ModelError: it cannot take pictures of this size, or answers with another number of classes.
    """
    model = artefact.classifier
    x = pictures.pixels(torch.arange(min(2, len(pictures)))).float().div_(255)
    try:
        with inference_mode_of(model), torch.no_grad():
            logits = model.features_and_logits(x)[1]
    except ExpungeError:
        raise
    except Exception as error:  # anything may go wrong in a network of the user's
        came = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ModelError("model", expected=f"a network that takes {list(x.shape)} pictures", came=came) from error
    if logits.shape[1:] != (pictures.spec.logits,):
        came = f"answers of shape {list(logits.shape[1:])}"
        raise ModelError("model", expected=f"{pictures.spec.logits} classes as in the data", came=came)
