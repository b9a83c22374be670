"""What a method may ask the engine for: phases, the batches they draw, and the context they read.

A method is a frozen config dataclass and a generator that yields phases and receives their results.
It says what is trained on which batches with which loss; only the engine steps optimizers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from expunge.errors import Unavailable
from expunge.functional.losses import mean_loss
from expunge.functional.seeding import generator
from expunge.models.classifier import PixelClassifier
from expunge.types import Augmentation, Optimizer, PictureSet, SteeringTask, TrainRecipe


@dataclass(frozen=True)
class Source:
    """A stream of pictures: passes over `pictures`, `batch_size` at a time, reshuffled every pass."""

    pictures: PictureSet
    batch_size: int
    augmentation: Augmentation | None = None
    shuffle: bool = True


@dataclass(frozen=True)
class Labelled:
    """Pictures of one source in one batch.

    Args:
        x: float32 [b, C, H, W] in 0..1, on the device. y: int64 [b, k], there too.
        at: where they are among the source's pictures, int64 [b], on the CPU.
    """

    x: Tensor
    y: Tensor
    at: Tensor


@dataclass(frozen=True)
class Batch:
    """What a loss sees.

    Args:
        parts: one `Labelled` per source name.
        step: number of optimizer steps done before this one in the phase.
        progress: `step` over the planned steps of the phase, 0..1.
        probe: values of the latest probe, empty before the first.
        seed: derived from (run seed, phase, step, micro-batch); for any randomness inside the loss.
        notes: numbers a loss may leave for the event log (floats by name).
    """

    parts: Mapping[str, Labelled]
    step: int
    progress: float
    probe: Mapping[str, float]
    seed: int
    notes: dict[str, float] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Labelled:
        return self.parts[name]


Loss = Callable[[nn.Module, Batch], Tensor]
Measure = Callable[[PixelClassifier], Mapping[str, float]]


@dataclass(frozen=True)
class Probe:
    """Something measured on the model every `every` steps, before the step, with the model in inference mode.

    Args:
        every: steps between measurements.
        start: the first step before which it is measured (0: also before anything is trained).
        measure: deterministic; must not change the model.
        stop: ends the phase when it answers True.
        keep: a score (higher is better) of weights worth keeping, or None where they are not eligible;
            the phase ends with the best weights kept, or with the last ones where none was eligible.
        final: also measure after the last step (so that `keep` sees the end).
    """

    every: int
    measure: Measure
    start: int = 0
    stop: Callable[[Mapping[str, float]], bool] | None = None
    keep: Callable[[Mapping[str, float]], float | None] | None = None
    final: bool = True


@dataclass(frozen=True)
class Train:
    """Minimise `loss(model, batch)` over the model's parameters, or over learned input tensors.

    Args:
        name: stable name; resume and all randomness hang on it.
        sources: named streams; each batch holds one `Labelled` of each.
        epoch_of: the source whose one pass is an epoch.
        loss: scalar to be minimised.
        optimizer: how it is stepped.
        epochs, steps: length of the phase; exactly one is given.
        first_step: position in the streams to start at (continue another phase's epoch).
        parameters: which parameters are trained; all where None. The others are frozen, and layers none of whose own
            parameters is trained run in inference mode, so that their running statistics stay as they are.
        inputs: tensors to be learned instead of parameters; the result carries them back. The loss
            reads them from `batch.parts` under their names (as `Labelled(x=tensor, y=empty, at=empty)`).
        probe: measurements, stop rule and best-weights rule.
        train_mode: False runs with batch norm and dropout in inference mode.
        freeze_statistics: False leaves the mode of frozen layers to `train_mode` too, as some published code does.
    """

    name: str
    sources: Mapping[str, Source]
    epoch_of: str
    loss: Loss
    optimizer: Optimizer
    epochs: float | None = None
    steps: int | None = None
    first_step: int = 0
    parameters: Callable[[PixelClassifier], Sequence[nn.Parameter]] | None = None
    inputs: Mapping[str, Tensor] | None = None
    probe: Probe | None = None
    train_mode: bool = True
    freeze_statistics: bool = True


@dataclass(frozen=True)
class Compute:
    """Compute tensors from the model without changing it (Fisher information, a mask); stored under `name`."""

    name: str
    fn: Callable[[PixelClassifier], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Edit:
    """Change the weights in one go. `fn` may modify the model in place; it is run under `torch.no_grad`."""

    name: str
    fn: Callable[[PixelClassifier], None]


@dataclass(frozen=True)
class Snapshot:
    """Keep a copy of the weights under `name`."""

    name: str


@dataclass(frozen=True)
class Select:
    """Go back to that snapshot among `names` whose weights score highest by `score` (tuning data only).

    Its measure answers with the key `score`, and whatever else explains the choice; where it answers with `enough`,
    0 there says that not even the chosen one is good enough.
    """

    name: str
    names: Sequence[str]
    score: Measure


Phase = Train | Compute | Edit | Snapshot | Select


@dataclass(frozen=True)
class PhaseResult:
    """What a method gets back for a phase.

    Args:
        steps: optimizer steps done.
        reason: `complete`, `stopped` (by the probe's rule) or `budget`.
        probe: the last measured values.
        tensors: from `Compute`, or the learned inputs of a `Train`.
        selected: the snapshot chosen by a `Select`.
        measured: what a `Select` measured on each of its snapshots.
    """

    steps: int = 0
    reason: str = "complete"
    probe: Mapping[str, float] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    selected: str = ""
    measured: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


Phases = Generator[Phase, PhaseResult, None]


@dataclass(frozen=True)
class Context:
    """What a method may read.

    Args:
        task: retain, forget and tuning pictures; no reporting non-members.
        original: the model before unlearning: a frozen copy in inference mode (call it; do not keep it).
        fresh: a freshly initialised model of the same architecture by seed; raises `Unavailable` without one.
        recipe: how the original was trained, or None where nobody knows.
        seed: of this run.
    """

    task: SteeringTask
    original: Callable[[], PixelClassifier]
    fresh: Callable[[int], PixelClassifier]
    recipe: TrainRecipe | None
    seed: int


def classification(name: str) -> Loss:
    """The plain training loss on the source `name`: mean cross entropy over pictures and attributes."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        part = batch[name]
        return mean_loss(model(part.x), part.y, sizes=unwrap(model).spec.sizes)

    return loss


def planned_steps(epochs: float, pictures: int, batch_size: int) -> int:
    """Optimizer steps that `epochs` passes over so many pictures take: a rounded number of whole batches, at least 1.

    Example:
        >>> planned_steps(2, pictures=100, batch_size=64)
        3
    """
    return max(1, round(epochs * (pictures / batch_size)))


def recipe_for(method: str, known: TrainRecipe | None, epochs: float | None) -> TrainRecipe:
    """The recipe of the original, of `epochs` passes where given.

    Raises:
        Unavailable: nobody knows it.
    """
    if known is None:
        raise Unavailable(f"{method}: no recipe: nobody said how the original was trained; give a recipe in the job")
    return known if epochs is None else replace(known, epochs=epochs)


def training_phase(recipe: TrainRecipe, pictures: PictureSet) -> Train:
    """The one phase that trains a model by `recipe` on `pictures`, reading them as source `train`."""
    source = Source(pictures, min(recipe.batch_size, len(pictures)), recipe.augmentation)
    return Train("train", {"train": source}, "train", classification("train"), recipe.optimizer, epochs=recipe.epochs)


def sample(pictures: PictureSet, most: int, seed: int, *names: str) -> PictureSet:
    """At most so many of the pictures, in their order: what is looked at where all would take too long.

    Args:
        seed, names: of the draw, as for `generator`.
    """
    if len(pictures) <= most:
        return pictures
    drawn = torch.randperm(len(pictures), generator=generator(seed, *names))
    return pictures.subset(drawn[:most].sort().values)


def unwrap(model: nn.Module) -> PixelClassifier:
    """The classifier inside whatever the engine wrapped around it for several processes."""
    inner = getattr(model, "module", model)
    if not isinstance(inner, PixelClassifier):
        raise TypeError(f"expected a PixelClassifier, came {type(inner).__name__}")
    return inner
