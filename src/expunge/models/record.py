"""`expunge.json`: the one file that expunge adds to a model, with classes, picture size, head and training recipe.

Plain values flow in and out as JSON. It names no code that would be run when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from expunge.errors import ModelError
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.types import Augmentation, LabelSpec, Optimizer, TrainRecipe

RECORD = "expunge.json"


def write_record(directory: Path, classifier: PixelClassifier, recipe: TrainRecipe | None, *, factory: str) -> None:
    """Write what a model's own files do not say.

    Args:
        directory: exists.
        classifier: whose classes, size and head to note.
        recipe: how it was trained, or None.
        factory: name of what builds the network, for people; "" where the directory is complete without.
    """
    record = {
        "spec": asdict(classifier.spec),
        "preprocessing": asdict(classifier.preprocessing),
        "head": classifier.head_name,
        "recipe": asdict(recipe) if recipe is not None else None,
        "factory": factory,
    }
    (directory / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def read_record(directory: Path) -> dict[str, Any]:
    """What `expunge.json` says (`spec`, `preprocessing`, `head`, `recipe`, `factory`), or nothing where there is none.

    Raises:
        ModelError: the file is not what expunge writes.
    """
    path = directory / RECORD
    if not path.exists():
        return {}
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        spec, shape, recipe = raw["spec"], raw["preprocessing"], raw["recipe"]
        height, width = map(int, shape["size"])
        return {
            "spec": LabelSpec(tuple(spec["names"]), tuple(tuple(c) for c in spec["classes"])),
            "preprocessing": Preprocessing((height, width), tuple(shape["mean"]), tuple(shape["std"])),
            "head": raw["head"],
            "recipe": None if recipe is None else read_recipe(recipe),
            "factory": str(raw.get("factory", "")),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ModelError(RECORD, expected="the record that expunge writes", came=f"{path}: {error!r}") from None


def read_recipe(raw: Mapping[str, Any]) -> TrainRecipe:
    """A recipe from its JSON form."""
    fields = dict(raw)
    fields["optimizer"] = Optimizer(**fields["optimizer"])
    fields["augmentation"] = None if fields["augmentation"] is None else Augmentation(**fields["augmentation"])
    return TrainRecipe(**fields)
