"""What goes to the engineer with an unlearned model: the drop-in check, the hand-off page, the model card.

An erasure and the directory of its saved model flow in; plain values for `metrics.json` and the texts of two pages
flow out. The page can be made again from a finished run alone, when the original is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from expunge.app.freeze import run_key
from expunge.app.line import Erasure
from expunge.evidence.files import hash_file, hash_files
from expunge.evidence.report import CardFacts, Check, Handoff, OnnxCheck
from expunge.models.artefact import ModelArtefact
from expunge.models.classifier import PixelClassifier
from expunge.models.predict import answers, noise
from expunge.models.record import read_record
from expunge.models.weights import State
from expunge.types import LabelSpec

PAGE, CARD = "handoff.html", "README.md"
PICTURES = 4
NARROW = {"float16", "bfloat16"}


def handoff_facts(original: ModelArtefact, made: PixelClassifier, directory: Path) -> dict[str, Any]:
    """What `metrics.json` says for the hand-off: kind and files of the original, and the drop-in check.

    Args:
        original: what was loaded. made: the unlearned model in memory. directory: where it was saved.
    """
    origin = original.form.origin
    places = [] if origin is None else sorted(origin.iterdir()) if origin.is_dir() else [origin]
    return {
        "kind": original.kind,
        "files": {place.name: hash_file(place, "model") for place in places if place.is_file()},
        "checks": [asdict(check) for check in drop_in_checks(original, made, directory)],
    }


def drop_in_checks(original: ModelArtefact, made: PixelClassifier, directory: Path) -> list[Check]:
    """Compare what was saved with the original and with the model in memory; nothing is raised for a difference."""
    meant, came = original.form.stored(original.classifier.net), original.form.reread(directory)
    ours, saved = original.classifier, original.reopen(directory).classifier
    shape = saved.preprocessing
    kept = [name for name, content in original.form.kept.items() if (directory / name).read_bytes() == content]
    return [
        Check("names of the weights, in their order", list(meant) == list(came), f"{len(came):,} tensors"),
        Check("shapes of the weights", _shapes(meant) == _shapes(came), f"{_numbers(came):,} numbers"),
        Check("types of the weights", _types(meant) == _types(came), ", ".join(sorted(set(_types(came).values())))),
        Check(
            "preprocessing",
            ours.preprocessing == shape,
            f"{shape.channels} x {shape.size[0]} x {shape.size[1]}, mean {list(shape.mean)}, std {list(shape.std)}",
        ),
        Check("order of the labels", ours.spec == saved.spec, _order(saved.spec)),
        Check("last layer", ours.head_name == saved.head_name, saved.head_name),
        Check("small files, byte for byte", len(kept) == len(original.form.kept), ", ".join(kept) or "none to keep"),
        _answers_check(made, saved, came),
    ]


def handoff(place: Path, fields: Mapping[str, Any], metrics: Mapping[str, Any], onnx: OnnxCheck | None) -> Handoff:
    """What the hand-off page of a run says.

    Args:
        place: the run's directory. fields: of its `job.yaml`. metrics: of its `metrics.json`.
        onnx: the last export.
    """
    record, told, model = read_record(place / "model"), metrics["handoff"], fields["model"]
    shape = record["preprocessing"]
    return Handoff(
        run_id=run_key(fields)[:12],
        method=metrics["method"],
        kind=told["kind"],
        factory=record["factory"],
        checks=[Check(**check) for check in told["checks"]],
        original=" with ".join(str(part) for part in (model["path"], model["weights"]) if part is not None),
        original_files=told["files"],
        before=metrics["weights"]["before"],
        after=metrics["weights"]["after"],
        files=hash_files(place / "model", "run"),
        classes=_classes(record["spec"]),
        picture=(shape.channels, *shape.size),
        mean=shape.mean,
        std=shape.std,
        changed=metrics["weights"]["changed"],
        onnx=onnx,
    )


def card_facts(erasure: Erasure, metrics: Mapping[str, Any]) -> CardFacts:
    """What the model card says of the model itself."""
    model = erasure.artefact.classifier
    shape = model.preprocessing
    return CardFacts(
        erasure.artefact.kind, _classes(model.spec), (shape.channels, *shape.size), dict(metrics["pictures"])
    )


def _answers_check(made: PixelClassifier, saved: PixelClassifier, state: State) -> Check:
    """The file against the model in memory: what was measured is what is handed over."""
    pictures = noise(saved.preprocessing, PICTURES)
    difference = float((answers(made, pictures) - answers(saved, pictures)).abs().max())
    narrow = NARROW & set(_types(state).values())
    detail = f"largest difference of two logits over {PICTURES} pictures: {difference:.2g}"
    if narrow and difference:  # as the original's file was
        detail += f", since the file holds {', '.join(sorted(narrow))}"
    return Check("answers of the file, as of the model in memory", difference == 0 or bool(narrow), detail)


def _classes(spec: LabelSpec) -> dict[str, list[str]]:
    return {name: list(classes) for name, classes in zip(spec.names, spec.classes, strict=True)}


def _order(spec: LabelSpec) -> str:
    return "; ".join(f"{name}: {', '.join(classes)}" for name, classes in _classes(spec).items())


def _shapes(state: State) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in state.items()}


def _types(state: State) -> dict[str, str]:
    return {name: str(value.dtype).removeprefix("torch.") for name, value in state.items()}


def _numbers(state: State) -> int:
    return sum(value.numel() for value in state.values())
