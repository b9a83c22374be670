"""A model as an artefact: weights that were loaded, how to start afresh, and how to give back the same kind of thing.

What expunge adds to a user's directory is one file, `expunge.json`: classes, size, head and training recipe.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from expunge.errors import ModelError, Unavailable
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.weights import hash_state
from expunge.types import Augmentation, LabelSpec, Optimizer, TrainRecipe

RECORD = "expunge.json"
Kind = Literal["huggingface", "factory", "module"]


@dataclass(frozen=True)
class ModelArtefact:
    """A loaded model and what belongs to it.

    Args:
        classifier: with the loaded weights, in inference mode.
        kind: what was loaded, and will be saved.
        source: where it came from, for people.
        weights_sha256: hash of the loaded weights.
        recipe: how it was trained, or None where nobody knows.
        build: a new network of the same architecture with weights from torch's global generator, or None.
        write: writes a classifier's network into a directory as the kind it came as.
        reload: reads such a directory back, for the check that what was saved is what was meant.
    """

    classifier: PixelClassifier
    kind: Kind
    source: str
    weights_sha256: str
    recipe: TrainRecipe | None
    build: Callable[[], torch.nn.Module] | None
    write: Callable[[torch.nn.Module, Path], None]
    reload: Callable[[Path], PixelClassifier]

    def fresh(self, seed: int) -> PixelClassifier:
        """A freshly initialised model of the same architecture; the same seed gives the same weights.

        Raises:
            Unavailable: nobody said how to build one.
        """
        if self.build is None:
            raise Unavailable(f"no freshly initialised model: {self.source} came without a factory that builds one")
        like = self.classifier
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = self.build()
        return PixelClassifier(net, like.preprocessing, like.spec, like.head_name)

    def save(self, classifier: PixelClassifier, directory: Path) -> None:
        """Write `classifier` as the same kind of artefact that was loaded, and check that it reads back the same.

        Raises:
            ModelError: what was written differs in keys, shapes, types, preprocessing or answers.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.write(classifier.net, directory)
        record = {
            "spec": asdict(classifier.spec),
            "preprocessing": asdict(classifier.preprocessing),
            "head": classifier.head_name,
            "recipe": asdict(self.recipe) if self.recipe is not None else None,
        }
        (directory / RECORD).write_text(json.dumps(record, indent=1) + "\n")
        check_same(classifier, self.reload(directory), directory)


def check_same(ours: PixelClassifier, saved: PixelClassifier, directory: Path) -> None:
    """Refuse a saved model that is not the one in memory.

    Raises:
        ModelError: saying what differs.
    """
    if saved.preprocessing != ours.preprocessing:
        raise ModelError("save", expected=f"{ours.preprocessing}", came=f"{saved.preprocessing} in {directory}")
    a, b = ours.net.state_dict(), saved.net.state_dict()
    described = [{k: (tuple(v.shape), v.dtype) for k, v in s.items()} for s in (a, b)]
    if described[0] != described[1]:
        differing = sorted(k for k in {*a, *b} if described[0].get(k) != described[1].get(k))
        raise ModelError(
            "save", expected="the same tensors as in memory", came=f"others in {directory}: {differing[:3]}"
        )
    if hash_state(a) != hash_state(b):
        raise ModelError("save", expected="the same weights as in memory", came=f"other values in {directory}")


def read_record(directory: Path) -> dict[str, Any]:
    """What `expunge.json` says, or nothing where there is none.

    Raises:
        ModelError: the file is not what expunge writes.
    """
    path = directory / RECORD
    if not path.exists():
        return {}
    try:
        raw = json.loads(path.read_text())
        spec, shape, recipe = raw["spec"], raw["preprocessing"], raw["recipe"]
        return {
            "spec": LabelSpec(tuple(spec["names"]), tuple(tuple(c) for c in spec["classes"])),
            "preprocessing": Preprocessing(tuple(shape["size"]), tuple(shape["mean"]), tuple(shape["std"])),
            "head": raw["head"],
            "recipe": None if recipe is None else read_recipe(recipe),
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(RECORD, expected="the record that expunge writes", came=f"{path}: {error!r}") from None


def read_recipe(raw: Mapping[str, Any]) -> TrainRecipe:
    """A recipe from its JSON form."""
    fields = dict(raw)
    fields["optimizer"] = Optimizer(**fields["optimizer"])
    fields["augmentation"] = None if fields["augmentation"] is None else Augmentation(**fields["augmentation"])
    return TrainRecipe(**fields)
