"""What the verdict says of real models, as kept beside the benchmarks: its thresholds are executed here.

Models that were in sight when margins were set say less than others; the share of originals is asked of the latter.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
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
# kind, references: audits with models in sight when margins were set, with others of that request, of other requests
AUDITS = {
    ("reference", 1): (4, 28, 32),
    ("original", 1): (8, 28, 32),
    ("reference", 2): (3, 18, 0),
    ("original", 2): (4, 28, 32),
}
SIGHTS = ("models in sight", "same request", "other requests")


def of(
    kind: str,
    people: int,
    *,
    beside: int | None = None,
    sight: Sequence[str] = SIGHTS,
    among: dict[str, Any] = FOUND,
) -> list[str]:
    rows = [o for o in among["outcomes"] if (o["kind"], o["people"]) == (kind, people) and o["sight"] in sight]
    return [o["overall"] for o in rows if beside in (None, len(o["references"]))]


def broken(among: dict[str, Any] = FOUND) -> list[str]:
    """Which criteria do not hold."""
    found = []
    for people in PEOPLE:
        if "distinguishable" in of("reference", people, among=among):
            found.append(f"a retrained model is called distinguishable at {people} people")
        if "indistinguishable" in of("original", people, among=among):
            found.append(f"an untouched original is called indistinguishable at {people} people")
    for beside in (1, 2):
        others = of("original", 100, beside=beside, sight=SIGHTS[1:], among=among)
        if others.count("distinguishable") < 0.95 * len(others):
            found.append(f"untouched originals are not told at 100 people, beside {beside}")
    seen = of("original", 100, sight=SIGHTS[:1], among=among)
    if seen.count("distinguishable") < len(seen):
        found.append("an untouched original that was in sight is not told at 100 people")
    return found


def test_criteria_hold_of_what_is_on_file() -> None:
    assert broken() == []


@pytest.mark.parametrize("people", PEOPLE)
@pytest.mark.parametrize(("kind", "beside"), AUDITS)
def test_audits_are_counted_and_none_is_lost(kind: str, beside: int, people: int) -> None:
    found = [len(of(kind, people, beside=beside, sight=[sight])) for sight in SIGHTS]
    assert tuple(found) == AUDITS[kind, beside]
    counted = {(c["kind"], c["references"], c["sight"]): c["audits"] for c in FOUND["counts"] if c["people"] == people}
    assert [counted.get((kind, beside, sight), 0) for sight in SIGHTS] == found


@pytest.mark.parametrize(
    ("kind", "count", "outcome"),
    [("reference", 1, "distinguishable"), ("original", 4, "inconclusive"), ("original", 1, "indistinguishable")],
)
def test_criteria_are_broken_by_planted_outcomes(kind: str, count: int, outcome: str) -> None:
    """Sixty fresh audits that are as they should be, and some that are not."""
    right = "inconclusive" if kind == "reference" else "distinguishable"

    def planted(wrong: int) -> dict[str, Any]:
        said = [outcome] * wrong + [right] * (ASKED - wrong)
        row = {"kind": kind, "people": 100, "sight": SIGHTS[2], "references": [0, 1]}
        return {"outcomes": [{**row, "overall": overall} for overall in said]}

    assert broken(planted(0)) == [] and broken(planted(count)) != []


def test_outcomes_are_of_the_margins_that_are_in_force() -> None:
    on_file = [m for m in MARGINS if m.name != "js_divergence"]
    judged = [[m.name, list(m.splits), m.margin, m.floor, m.proves] for m in on_file]
    assert FOUND["margins"] == [*judged, ["freedom of floors", FLOOR_FREEDOM]]


@pytest.mark.parametrize("beside", [1, 2])
def test_models_are_disjoint_between_audits(beside: int) -> None:
    rows = [o for o in FOUND["outcomes"] if (o["people"], len(o["references"])) == (100, beside)]
    for kind in ("reference", "original"):
        models = [(o["seed"], "reference", number) for o in rows if o["kind"] == kind for number in o["references"]]
        models += [(o["seed"], kind, o["audited"]) for o in rows if o["kind"] == kind]
        assert len(models) == len(set(models)) > 0


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that judges."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("verdict_calibration")


def test_what_every_judged_model_answered_is_in_the_repository(judging: ModuleType) -> None:
    assert FOUND["outcomes"]
    for told in FOUND["outcomes"]:
        for model in ((told["kind"], told["audited"]), *(("reference", number) for number in told["references"])):
            assert judging.file_of(told["seed"], *model).exists()


@pytest.mark.parametrize(("kind", "beside", "people"), [(*which, p) for which in AUDITS for p in (5, 100)])
def test_outcomes_follow_from_these_answers(judging: ModuleType, kind: str, beside: int, people: int) -> None:
    asked = (kind, people, beside)
    told = next(o for o in FOUND["outcomes"] if (o["kind"], o["people"], len(o["references"])) == asked)
    again = judging.outcome(judging.Asked(told["seed"], kind, told["audited"], tuple(told["references"])), people)
    assert again["overall"] == told["overall"] and again["audits"].keys() == told["audits"].keys()
    for name, (verdict, gap, *_) in told["audits"].items():
        assert again["audits"][name][:2] == [verdict, pytest.approx(gap, abs=1e-4)]


def test_half_unlearned_models_lie_between_original_and_reference() -> None:
    assert all(found["holds"] for found in json.loads((RESULTS / "half-unlearned.json").read_text())["results"])


def test_on_other_tasks_originals_are_called_distinguishable_and_retrained_models_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    elsewhere = importlib.import_module("elsewhere")
    found = json.loads((RESULTS / "elsewhere.json").read_text())
    assert found.keys() == set(elsewhere.BENCHES)
    assert all("distinguishable" not in task["verdicts"] for task in found.values())
    assert all(task["original"] == "distinguishable" for task in found.values())
    assert elsewhere.compared("lfw-people") == found["lfw-people"]
