"""Job files: every field that a user can set, its range and its flag, in one place; nothing else decides defaults.

YAML or flags flow in, frozen and checked models flow out; each mistake becomes one line. Flags and help texts are
generated from the fields here. No model, picture or tensor may enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from expunge.data.published import published_columns
from expunge.engine.settings import EngineSettings
from expunge.evidence.drift import DriftLimits
from expunge.types import Augmentation, Optimizer, TrainRecipe


@dataclass(frozen=True)
class Flag:
    """The command line's name of a field, and what its help says."""

    name: str
    help: str


@dataclass(frozen=True)
class Prefix:
    """Flags of a nested part get this prefix, where their plain names would mean something else."""

    text: str


Name = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
REFERENCE_LIMIT = 100


class Part(BaseModel):
    """A group of fields: frozen, without unknown names, without infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class DataJob(Part):
    """Where the pictures are and what their columns mean."""

    path: Annotated[
        Name,
        Flag(
            "--data",
            "Parquet, image folder, CSV of paths, saved dataset, hub:OWNER/NAME, or mufac:, raf-db:, mucac:PATH.",
        ),
    ]
    image: Annotated[Name, Flag("--image", "Column of the pictures.")] = "image"
    labels: Annotated[
        tuple[Name, ...], Field(min_length=1), Flag("--label", "Label column; repeat for several attributes.")
    ] = ("label",)
    subject: Annotated[Name | None, Flag("--subject", "Column that says who is on a picture.")] = None
    id: Annotated[Name | None, Flag("--id-column", "Column of picture ids [file name where unique, else row].")] = None
    split: Annotated[Name, Flag("--split-column", "Column that says which split a picture is in.")] = "split"
    train_split: Annotated[
        tuple[Name, ...], Flag("--train-split", "Split value that the model was trained on [train].")
    ] = ()
    tuning_split: Annotated[
        tuple[Name, ...], Flag("--tuning-split", "Split value of non-members that may steer a method [val].")
    ] = ()
    reporting_split: Annotated[
        tuple[Name, ...], Flag("--reporting-split", "Split value of non-members that are only measured on [test].")
    ] = ()
    root: Annotated[Path | None, Flag("--root", "Folder that picture paths start from [that of the table].")] = None
    config: Annotated[Name | None, Flag("--config", "Configuration of a hub dataset.")] = None
    size: Annotated[
        int | None, Field(ge=8, le=4096), Flag("--size", "Side of the pictures in pixels [the model's own, else 64].")
    ] = None
    cache: Annotated[
        Path | None, Flag("--cache", "Directory for decoded pictures and shadow models, reused between runs.")
    ] = None
    skip_unreadable: Annotated[
        bool, Flag("--skip-unreadable", "Leave out pictures that cannot be read; they are counted and listed.")
    ] = False

    @model_validator(mode="before")
    @classmethod
    def _name_columns(cls, raw: Any) -> Any:
        """A data set in its published layout has columns of known names; what is given goes before."""
        known = published_columns(raw["path"]) if isinstance(raw, dict) and isinstance(raw.get("path"), str) else {}
        return known | raw if known else raw


Normalise = Annotated[
    Literal["none", "half", "imagenet"] | None,
    Flag("--normalise", "How pictures in 0..1 reach a factory's network: as they are, to -1..1, or ImageNet's way."),
]


class ModelJob(Part):
    """The classifier to work on."""

    path: Annotated[Name, Flag("--model", "Model directory, run directory, package.module:factory or dlfd-resnet18.")]
    weights: Annotated[Path | None, Flag("--weights", "Weights of a factory's model (.safetensors, .pth).")] = None
    head: Annotated[Name | None, Flag("--head", "Name of the last linear layer, where it is not found.")] = None
    normalise: Normalise = None


class NewModelJob(Part):
    """The network to train."""

    arch: Annotated[Name, Flag("--arch", "E.g. resnet18, resnet18-half, efficientnet-b0, dlfd-resnet18.")] = (
        "resnet18-half"
    )
    path: Annotated[
        Name | None, Flag("--model", "Instead: this model's network afresh, or package.module:factory.")
    ] = None


class RequestJob(Part):
    """Who or what is to be forgotten."""

    subjects: Annotated[tuple[Name, ...], Flag("--forget-subject", "Name of a subject to erase; repeatable.")] = ()
    pictures: Annotated[tuple[Name, ...], Flag("--forget-picture", "Id of a picture to erase; repeatable.")] = ()
    file: Annotated[Path | None, Flag("--request", "CSV or JSON file of subjects and pictures to erase.")] = None
    near_copies: Annotated[
        Literal["ask", "move", "ignore"],
        Flag(
            "--near-copies",
            "Near copies under the same name: ask (or list, where nobody can answer), erase too, or do not search.",
        ),
    ] = "ask"
    erased_subjects: Annotated[
        tuple[Name, ...],
        Flag("--erased-subject", "Name of a subject erased before: nothing learns from its pictures; repeatable."),
    ] = ()
    erased_pictures: Annotated[
        tuple[Name, ...], Flag("--erased-picture", "Id of a picture erased before: the same; repeatable.")
    ] = ()

    @property
    def empty(self) -> bool:
        """Nothing is asked for."""
        return not (self.subjects or self.pictures or self.file)


class MethodJob(Part):
    """The unlearning method and its settings."""

    name: Annotated[Name, Flag("--method", "Method, or method:preset (see `expunge methods`).")] = "dlfd"
    set: Annotated[
        dict[str, bool | int | float | str | None], Flag("--set", "Setting of the method, e.g. lr=0.01; repeatable.")
    ] = {}


class RecipeJob(Part):
    """How the original was trained; unset fields are taken from the model's own record, where it has one."""

    epochs: Annotated[float | None, Field(gt=0, le=100_000), Flag("--epochs", "Passes over the training set.")] = None
    batch_size: Annotated[int | None, Field(ge=2, le=65536), Flag("--batch-size", "Pictures per step.")] = None
    lr: Annotated[float | None, Field(gt=0, le=100), Flag("--lr", "Learning rate at its peak.")] = None
    optimizer: Annotated[Literal["sgd", "adamw"] | None, Flag("--optimizer", "How weights are stepped.")] = None
    momentum: Annotated[Share | None, Flag("--momentum", "Momentum of SGD.")] = None
    weight_decay: Annotated[float | None, Field(ge=0, le=10), Flag("--weight-decay", "Pull of weights to 0.")] = None
    schedule: Annotated[
        Literal["constant", "cosine", "linear"] | None, Flag("--schedule", "Course of the learning rate.")
    ] = None
    warmup: Annotated[Share | None, Flag("--warmup", "Share of training over which the rate rises.")] = None
    augment: Annotated[bool | None, Flag("--augment/--no-augment", "Random flips and shifts.")] = None
    function: Annotated[
        Name | None, Flag("--train-function", "Your own module:train(subset, seed) -> model instead of a recipe.")
    ] = None

    @classmethod
    def of(cls, recipe: TrainRecipe, function: str | None) -> RecipeJob:
        """The fields of a recipe, all of them set."""
        step = recipe.optimizer
        return cls(
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            lr=step.lr,
            optimizer=step.kind,
            momentum=step.momentum,
            weight_decay=step.weight_decay,
            schedule=step.schedule,
            warmup=step.warmup,
            augment=recipe.augmentation is not None,
            function=function,
        )

    def recipe(self, base: TrainRecipe | None, seed: int) -> TrainRecipe | None:
        """These fields over `base`; None where nothing at all is known about the training."""
        given = {name: value for name, value in self.model_dump(exclude={"function"}).items() if value is not None}
        if base is None and not given:
            return None
        start = base or TrainRecipe()
        step = start.optimizer
        return TrainRecipe(
            epochs=given.get("epochs", start.epochs),
            batch_size=given.get("batch_size", start.batch_size),
            optimizer=Optimizer(
                lr=given.get("lr", step.lr),
                kind=given.get("optimizer", step.kind),
                momentum=given.get("momentum", step.momentum),
                weight_decay=given.get("weight_decay", step.weight_decay),
                schedule=given.get("schedule", step.schedule),
                warmup=given.get("warmup", step.warmup),
                clip_norm=step.clip_norm,
            ),
            augmentation=_augmentation(given.get("augment"), start.augmentation),
            seed=seed,
            start=start.start,
        )


class EngineJob(Part):
    """How the computation is done."""

    device: Annotated[Name, Flag("--device", "auto, cpu, cuda, cuda:1, mps.")] = "auto"
    precision: Annotated[Literal["auto", "fp32", "bf16"], Flag("--precision", "Arithmetic of the model.")] = "auto"
    channels_last: Annotated[Literal["auto", "on", "off"], Flag("--channels-last", "Memory layout.")] = "auto"
    accumulate: Annotated[int, Field(ge=1, le=4096), Flag("--accumulate", "Micro-batches per step.")] = 1
    threads: Annotated[int, Field(ge=0, le=4096), Flag("--threads", "CPU threads; 0 for torch's own choice.")] = 0
    max_seconds: Annotated[float | None, Field(gt=0), Flag("--max-seconds", "Time budget of the training.")] = None
    max_steps: Annotated[int | None, Field(ge=1), Flag("--max-steps", "Step budget of the training.")] = None
    checkpoint_seconds: Annotated[
        float, Field(ge=0, le=86400), Flag("--checkpoint-seconds", "Time between checkpoints.")
    ] = 20.0

    def settings(self, seed: int) -> EngineSettings:
        """The same for the engine."""
        return EngineSettings(seed=seed, **self.model_dump())


class ReferenceJob(Part):
    """Models retrained without the forget set: given by path, to be trained, or none."""

    paths: tuple[Name, ...] = ()
    train: Annotated[int, Field(ge=0, le=REFERENCE_LIMIT)] = 0


class DriftJob(Part):
    """When a line of unlearned models is to be trained anew; only a ledger looks at it."""

    accuracy_lost: Annotated[
        float,
        Field(ge=0, le=1),
        Flag("--retrain-at-loss", "Say when to retrain: tuning accuracy lost since the last training, as a share."),
    ] = DriftLimits.accuracy_lost
    share_erased: Annotated[
        float,
        Field(ge=0, le=1),
        Flag("--retrain-at-share", "The same: share of the training pictures erased since the last training."),
    ] = DriftLimits.share_erased


class Frozen(Part):
    """What was decided or found when a run began; a resumed run must find the same."""

    expunge: str
    versions: dict[str, str]
    inputs: dict[str, str]


Seed = Annotated[int, Field(ge=0, lt=2**63), Flag("--seed", "All randomness of this run follows from it.")]
Out = Annotated[Path | None, Flag("--out", "Run directory to write.")]
Reference = Annotated[
    ReferenceJob,
    Flag("--reference", "Retrained model (repeatable), `train` or `train:N` to train N here, or `none`."),
]


class Job(Part):
    """What all jobs share."""

    out: Out = None
    data: DataJob
    seed: Seed = 0
    frozen: Frozen | None = None

    @model_validator(mode="before")
    @classmethod
    def _strip_kind(cls, raw: Any) -> Any:
        """`kind` says which command a file is for; it is checked where the file is read."""
        return {key: value for key, value in raw.items() if key != "kind"} if isinstance(raw, dict) else raw


class ComputeJob(Job):
    """A job that runs models."""

    engine: EngineJob = EngineJob()


class DrawJob(Job):
    """Draw whole people at random from the training pictures, as a request."""

    share: Annotated[
        float, Field(gt=0, lt=1), Flag("--share", "Share of the training pictures that the people own at least.")
    ] = 0.15


class TrainJob(ComputeJob):
    """Train an original, or a reference without some pictures."""

    model: NewModelJob = NewModelJob()
    recipe: RecipeJob = RecipeJob()
    without: Annotated[
        Path | None, Flag("--without", "Request file: train without these pictures and their copies (a reference).")
    ] = None
    near_copies: Annotated[
        Literal["ask", "move", "ignore"], Flag("--near-copies", "As for `expunge erase`; use the same there.")
    ] = "ask"


class EraseJob(ComputeJob):
    """Erase subjects or pictures from a model."""

    model: ModelJob
    request: RequestJob = RequestJob()
    method: MethodJob = MethodJob()
    recipe: Annotated[RecipeJob, Prefix("recipe-")] = RecipeJob()
    reference: Reference = ReferenceJob()
    drift: DriftJob = DriftJob()
    show_faces: Annotated[bool, Flag("--show-faces", "Put pictures of people into the report.")] = False

    @field_validator("reference", mode="before")
    @classmethod
    def _read_reference(cls, raw: Any) -> Any:
        return parse_reference(raw)


class CheckJob(ComputeJob):
    """Look at data and request before anything is trained."""

    out: Annotated[Path | None, Flag("--out", "Directory to write check.html and check.json to.")] = None
    model: NewModelJob = NewModelJob()
    request: RequestJob = RequestJob()
    recipe: Annotated[RecipeJob, Prefix("recipe-")] = RecipeJob()


class MadeByJob(Part):
    """What made the audited model, where anybody knows."""

    name: Annotated[Name | None, Flag("--method", "Method that made the model; shadow models are unlearned by it.")] = (
        None
    )
    set: Annotated[
        dict[str, bool | int | float | str | None], Flag("--set", "Setting of that method, e.g. lr=0.01; repeatable.")
    ] = {}


class AuditJob(ComputeJob):
    """Measure finished models."""

    run: Annotated[
        Path | None,
        Flag("--run", "Finished erase run to audit: says data, request, models, references, recipe and method."),
    ] = None
    models: Annotated[
        tuple[Name, ...],
        Field(min_length=1),
        Flag("--model", "Model to audit: model directory, run directory, file of weights; repeatable."),
    ]
    original: Annotated[Name | None, Flag("--original", "The model before erasure, to compare with.")] = None
    factory: Annotated[
        Name | None, Flag("--factory", "package.module:factory of the network, where models are files of weights.")
    ] = None
    normalise: Normalise = None
    head: Annotated[Name | None, Flag("--head", "Name of the last linear layer, where it is not found.")] = None
    request: RequestJob = RequestJob()
    reference: Reference = ReferenceJob()
    groups: Annotated[
        tuple[Name, ...], Flag("--group", "Column whose groups are attacked one by one, beside labels; repeatable.")
    ] = ()
    method: MadeByJob = MadeByJob()
    recipe: Annotated[RecipeJob, Prefix("recipe-")] = RecipeJob()
    tier: Annotated[
        Literal["quick", "standard", "thorough"],
        Flag("--tier", "How much it may cost: no shadow models, 16 of them, or 128; the price is told first."),
    ] = "quick"
    workers: Annotated[
        Name, Flag("--workers", "Who trains shadow models: in-process, pool, ray, or ray:ADDRESS of a cluster.")
    ] = "pool"

    @field_validator("reference", mode="before")
    @classmethod
    def _read_reference(cls, raw: Any) -> Any:
        return parse_reference(raw)


def parse_reference(raw: Any) -> Any:
    """`none`, `train`, `train:3`, a path or a list of these, as the fields of a `ReferenceJob`.

    Example:
        >>> parse_reference(["runs/a", "train:2"])
        {'paths': ['runs/a'], 'train': '2'}
    """
    words = [raw] if isinstance(raw, str) else raw
    if not isinstance(words, list | tuple):
        return raw
    paths: list[Any] = []
    train: Any = 0
    for word in words:
        if word == "train":
            train = 1
        elif isinstance(word, str) and word.startswith("train:"):
            train = word.partition(":")[2]
        elif word != "none":
            paths.append(word)
    return {"paths": paths, "train": train}


def _augmentation(asked: bool | None, base: Augmentation | None) -> Augmentation | None:
    if asked is None:
        return base
    return (base or Augmentation()) if asked else None
