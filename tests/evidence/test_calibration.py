"""What the verdict says of real models, as kept beside the benchmarks: its thresholds are executed here.

Pairs of models that were in sight when margins were set say less than fresh ones; the criteria are asked of the latter,
as soon as all of them are on file. Until then what is there must not contradict them.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from expunge.evidence.margins import MARGINS
from expunge.functional.equivalence import FLOOR_FREEDOM

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RESULTS = BENCHMARKS / "results" / "calibration"
FOUND: dict[str, Any] = json.loads((RESULTS / "verdict.json").read_text())
PEOPLE, ASKED = (5, 25, 100), 60
SEEN = {"reference": 4, "original": 8}  # pairs of models that were in sight when margins were set


def of(kind: str, people: int, *, fresh: bool | None = None, among: dict[str, Any] = FOUND) -> list[str]:
    rows = [o for o in among["outcomes"] if (o["kind"], o["people"]) == (kind, people)]
    return [o["overall"] for o in rows if fresh in (None, o["fresh"])]


def broken(among: dict[str, Any] = FOUND) -> list[str]:
    """Which criteria do not hold; the share of originals is asked for once all fresh pairs are there."""
    found = []
    for people in PEOPLE:
        if "distinguishable" in of("reference", people, among=among):
            found.append(f"a retrained model is called distinguishable at {people} people")
        if "indistinguishable" in of("original", people, among=among):
            found.append(f"an untouched original is called indistinguishable at {people} people")
    fresh = of("original", 100, fresh=True, among=among)
    if len(fresh) >= ASKED and fresh.count("distinguishable") / len(fresh) < 0.95:
        found.append("untouched originals are not told at 100 people")
    seen = of("original", 100, fresh=False, among=among)
    if seen.count("distinguishable") < len(seen):
        found.append("an untouched original that was in sight is not told at 100 people")
    return found


def test_criteria_hold_of_what_is_on_file() -> None:
    assert broken() == []


@pytest.mark.parametrize("people", PEOPLE)
@pytest.mark.parametrize("kind", ["reference", "original"])
def test_pairs_are_counted_and_none_is_lost(kind: str, people: int) -> None:
    seen, fresh = (len(of(kind, people, fresh=value)) for value in (False, True))
    assert seen == SEEN[kind]
    assert 1 <= fresh <= ASKED
    counted = {(c["kind"], c["fresh"]): c["pairs"] for c in FOUND["counts"] if c["people"] == people}
    assert (counted[kind, False], counted[kind, True]) == (seen, fresh)


@pytest.mark.parametrize(
    ("kind", "count", "outcome"),
    [("reference", 1, "distinguishable"), ("original", 4, "inconclusive"), ("original", 1, "indistinguishable")],
)
def test_criteria_are_broken_by_planted_outcomes(kind: str, count: int, outcome: str) -> None:
    """Sixty fresh pairs that are as they should be, and some that are not."""
    right = "inconclusive" if kind == "reference" else "distinguishable"

    def planted(wrong: int) -> dict[str, Any]:
        said = [outcome] * wrong + [right] * (ASKED - wrong)
        return {"outcomes": [{"kind": kind, "people": 100, "fresh": True, "overall": overall} for overall in said]}

    assert broken(planted(0)) == [] and broken(planted(count)) != []


def test_outcomes_are_of_the_margins_that_are_in_force() -> None:
    judged = [[m.name, list(m.splits), m.margin, m.floor, m.proves] for m in MARGINS]
    assert FOUND["margins"] == [*judged, ["freedom of floors", FLOOR_FREEDOM]]


def test_models_are_disjoint_between_pairs() -> None:
    pairs = {(o["seed"], o["audited"], o["reference"]) for o in FOUND["outcomes"] if o["kind"] == "reference"}
    models = [(seed, number) for seed, *numbers in pairs for number in numbers]
    assert len(models) == len(set(models))


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that judges."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("verdict_calibration")


def test_what_every_judged_model_answered_is_in_the_repository(judging: ModuleType) -> None:
    assert FOUND["outcomes"]
    for told in FOUND["outcomes"]:
        for model in ((told["kind"], told["audited"]), ("reference", told["reference"])):
            assert judging.file_of(told["seed"], *model).exists()


@pytest.mark.parametrize("people", [5, 100])
@pytest.mark.parametrize("kind", ["reference", "original"])
def test_outcomes_follow_from_these_answers(judging: ModuleType, kind: str, people: int) -> None:
    told = next(o for o in FOUND["outcomes"] if (o["kind"], o["people"]) == (kind, people))
    pair = judging.Pair(told["seed"], kind, told["audited"], told["reference"])
    again = judging.outcome(pair, people)
    assert again["overall"] == told["overall"] and again["audits"].keys() == told["audits"].keys()
    for name, (verdict, gap, *_) in told["audits"].items():
        assert again["audits"][name][:2] == [verdict, pytest.approx(gap, abs=1e-4)]


def test_half_unlearned_models_lie_between_original_and_reference() -> None:
    assert all(found["holds"] for found in json.loads((RESULTS / "half-unlearned.json").read_text())["results"])
