"""Which models still hold erased people is known from their runs: what they were trained on, and what they came of."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from expunge.app.purgeruns import (
    FOLLOWS,
    FOREIGN,
    NEVER_SAW,
    ORIGINAL,
    STARTED,
    TRAINED,
    UNLEARNED,
    Judged,
    Models,
    OtherRun,
)
from expunge.app.purgescope import Scope
from expunge.app.resolve import request_sha256
from expunge.data.requests import ErasureRequest

ANA = ErasureRequest(subjects=("Ana",))
BOTH = ErasureRequest(subjects=("Ana", "Bo"))
BO = ErasureRequest(subjects=("Bo",))
RUNS = Path("/runs")


def scope() -> Scope:
    """A run that erased Ana from the model `first`, which made `second`."""
    model = SimpleNamespace(weights=None)
    inputs = {"pictures": "p", "weights": "first", "request": request_sha256(ANA)}
    run = SimpleNamespace(path=RUNS / "erased", inputs=inputs, after="second", job=SimpleNamespace(model=model))
    found = SimpleNamespace(
        run=run, request=ANA, original=RUNS / "original" / "model", data=Path("/data/faces.parquet")
    )
    return cast(Scope, found)


def other(name: str, kind: str, data: str = "/data/faces.parquet", **inputs: str) -> OtherRun:
    subjects = {request_sha256(asked): list(asked.subjects) for asked in (ANA, BO, BOTH)}
    fields: dict[str, Any] = {"data": {"path": data}, "request": {"subjects": subjects.get(inputs.get("request", ""))}}
    return OtherRun(RUNS / name, kind, fields, inputs)


def bo(weights: str, name: str = "bo") -> OtherRun:
    return other(name, "erase", pictures="p", weights=weights, request=request_sha256(BO))


def later(weights: str) -> OtherRun:
    """A run for Bo that kept Ana out of all sets."""
    run = bo(weights, "later")
    fields = {**run.fields, "request": {**run.fields["request"], "erased_subjects": ["Ana"]}}
    return OtherRun(run.path, run.kind, fields, {**run.inputs, "erased before": request_sha256(ANA)})


CASES: list[tuple[OtherRun, str, Judged]] = [
    (other("erased", "erase"), "model/model.safetensors", UNLEARNED),
    (other("erased", "erase"), "references/1/model.safetensors", NEVER_SAW),
    (other("original", "train", pictures="p"), "model/model.safetensors", ORIGINAL),
    (other("again", "train", pictures="p"), "model/model.safetensors", TRAINED),
    (other("larger", "train", pictures="other size"), "model/model.safetensors", TRAINED),
    (other("flowers", "train", data="/data/flowers", pictures="f"), "model/model.safetensors", FOREIGN),
    (other("reference", "train", pictures="p", request=request_sha256(ANA)), "model/model.pth", NEVER_SAW),
    (other("other-reference", "train", pictures="p", request="of somebody"), "model/model.pth", TRAINED),
    (other("method", "erase", pictures="p", weights="first", request=request_sha256(ANA)), "model/m.bin", UNLEARNED),
    (other("both", "erase", pictures="p", weights="first", request=request_sha256(BOTH)), "model/m.bin", UNLEARNED),
    (bo("first"), "model/m.bin", TRAINED),
    (bo("second"), "model/m.bin", FOLLOWS),
    (bo("second"), "references/1/m.bin", TRAINED),  # trained without Bo, but with Ana
    (later("second"), "references/1/m.bin", NEVER_SAW),
    (later("first"), "references/1/m.bin", NEVER_SAW),
    (later("first"), "model/m.bin", TRAINED),  # Ana was kept out of its sets, and not erased from it
    (other("method.partial", "erase", weights="first", request=request_sha256(ANA)), "checkpoints/state.pt", STARTED),
    (other("ref.partial", "train", pictures="p", request=request_sha256(ANA)), "checkpoints/state.pt", NEVER_SAW),
    (bo("second", "bo.partial"), "checkpoints/state.pt", FOLLOWS),
]


@pytest.mark.parametrize(("run", "name", "judged"), CASES)
def test_a_model_is_judged_by_its_run(run: OtherRun, name: str, judged: Judged) -> None:
    assert Models(scope(), [run]).judge(run.path / name) == judged


def test_weights_that_no_run_names_are_not_judged() -> None:
    assert Models(scope(), []).judge(RUNS / "weights.pt") is None


def test_what_followed_is_followed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Erasures one after the other: all models after the run are clean, however far."""
    made = {"bo": "third", "bo-again": "fourth"}
    monkeypatch.setattr(OtherRun, "after", property(lambda run: made.get(run.path.name)))
    runs = [bo("fourth", "last"), bo("third", "bo-again"), bo("second")]
    assert Models(scope(), runs).judge(RUNS / "last" / "model" / "m.bin") == FOLLOWS
