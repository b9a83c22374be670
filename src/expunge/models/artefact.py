"""A model as an artefact: weights that were loaded, how to start afresh, and how to give back the same kind of thing.

In what form it lies on disk is known to a `Form` (a Hugging Face directory, or a file beside a factory); here is what
all forms share: fresh starts that follow a seed, and saving that is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from torch import nn

from expunge.models.classifier import PixelClassifier
from expunge.models.record import RECORD, read_recipe, read_record, write_record
from expunge.models.saving import check_place, check_saved, classifier_of
from expunge.models.seeding import seeded
from expunge.models.weights import State, state_bytes_hash
from expunge.types import TrainRecipe

__all__ = ["RECORD", "Form", "Kind", "ModelArtefact", "read_recipe", "read_record"]

Kind = Literal["huggingface", "factory", "module"]


class Form(Protocol):
    """How a network lies on disk and is built anew."""

    @property
    def factory(self) -> str:
        """Name of what builds the network; "" where a directory is complete without."""
        ...

    @property
    def origin(self) -> Path | None:
        """The directory that was loaded."""
        ...

    @property
    def kept(self) -> Mapping[str, bytes]:
        """Small files that are written back byte for byte."""
        ...

    def build(self) -> nn.Module:
        """A freshly initialised network from the global generators, or `Unavailable`."""
        ...

    def stored(self, net: nn.Module) -> State:
        """What the files of this network hold."""
        ...

    def write(self, net: nn.Module, directory: Path) -> None:
        """Write all files."""
        ...

    def reread(self, directory: Path) -> State:
        """What the files in `directory` hold."""
        ...

    def read(self, directory: Path) -> nn.Module:
        """The network that lies in `directory`."""
        ...


@dataclass(frozen=True)
class ModelArtefact:
    """A loaded model and what belongs to it.

    Args:
        classifier: with the loaded weights, in inference mode.
        kind: what was loaded, and will be saved.
        source: where it came from, for people.
        weights_sha256: `state_bytes_hash` of the loaded weights.
        recipe: how it was trained, or None where nobody knows.
        form: how it lies on disk.
    """

    classifier: PixelClassifier
    kind: Kind
    source: str
    weights_sha256: str
    recipe: TrainRecipe | None
    form: Form

    def fresh(self, seed: int) -> PixelClassifier:
        """A freshly initialised model of the same architecture; the same seed gives the same weights.

        Global random states stay as they are.

        Raises:
            Unavailable: nobody said how to build one.
        """
        like = self.classifier
        with seeded(seed):
            net = self.form.build()
        return PixelClassifier(net, like.preprocessing, like.spec, like.head_name)

    def save(self, classifier: PixelClassifier, directory: Path) -> None:
        """Write `classifier` as the same kind of artefact that was loaded, and check that it reads back the same.

        Names, shapes, types, layout and small files are those that were loaded; weights that came in half precision
        are computed with in fp32 and rounded here. The training state beside weights in a checkpoint is not kept.

        Args:
            classifier: of this architecture, on any device.
            directory: made where it is not there; never the one that was loaded.

        Raises:
            ModelError: what was written differs in keys, shapes, types, preprocessing or answers.
        """
        check_place(self.form, directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.form.write(classifier.net, directory)
        write_record(directory, classifier, self.recipe, factory=self.form.factory)
        check_saved(classifier, self.form, directory)

    def reopen(self, directory: Path) -> ModelArtefact:
        """What `save` wrote, read back by the code that built this one: works for factories and modules too.

        Raises:
            ModelError: anything missing, unsafe or not fitting.
        """
        found = classifier_of(self.form, directory)
        recipe = read_record(directory)["recipe"]
        sha256 = state_bytes_hash(found)
        return replace(self, classifier=found, source=str(directory), weights_sha256=sha256, recipe=recipe)
