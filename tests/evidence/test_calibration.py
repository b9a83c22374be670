"""What the verdict says of real models, as kept beside the benchmarks: its thresholds are executed here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "calibration"
OUTCOMES: list[dict[str, Any]] = json.loads((RESULTS / "verdict.json").read_text())["outcomes"]


def of(kind: str, people: int) -> list[str]:
    return [o["overall"] for o in OUTCOMES if (o["kind"], o["people"]) == (kind, people)]


def test_no_retrained_model_is_called_distinguishable() -> None:
    assert all("distinguishable" not in of("reference", people) for people in (5, 25, 100))
    assert of("reference", 100)


def test_untouched_originals_are_told_at_a_hundred_people() -> None:
    found = of("original", 100)
    assert found.count("distinguishable") / len(found) >= 0.95


def test_untouched_originals_are_never_called_indistinguishable() -> None:
    assert all("indistinguishable" not in of("original", people) for people in (5, 25, 100))


def test_models_are_disjoint_between_pairs() -> None:
    pairs = {(o["seed"], o["audited"], o["reference"]) for o in OUTCOMES if o["kind"] == "reference"}
    models = [(seed, number) for seed, *numbers in pairs for number in numbers]
    assert len(models) == len(set(models))


def test_half_unlearned_models_lie_between_original_and_reference() -> None:
    assert all(found["holds"] for found in json.loads((RESULTS / "half-unlearned.json").read_text())["results"])
