"""`expunge check`: every kind of finding is found where it was planted, and nothing is found where nothing was."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from expunge.app import check as use_case
from expunge.app.check import check_files
from expunge.app.checkcost import costs
from expunge.app.desk import Silent
from expunge.app.job import CheckJob
from expunge.app.jobfile import build_job
from expunge.data.requests import ErasureRequest, resolve
from expunge.engine.settings import EngineSettings, decide
from expunge.errors import RequestError, RunDirectoryError, Unavailable
from expunge.evidence.preflight import Cost, Machine, findings, verdict
from expunge.methods.registry import METHODS
from expunge.models.load import new_model
from expunge.models.preprocessing import Preprocessing
from expunge.types import TrainRecipe
from tests.app.preflights import Faces, Fault, facts, keys
from tests.app.workbench import ENGINE, Workbench, listing


@pytest.fixture(autouse=True)
def unpriced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices have their own test; they take a second."""
    found = (Cost("finetune", 2.0, 4.0, 1000), Cost("retrain", None, None, None, "no recipe"))
    monkeypatch.setattr(use_case, "costs", lambda *_: (found, Machine("cpu", 1, 2**40, 2.0)))


def copy_to_retain(faces: Faces) -> None:
    faces.copy(faces.at("forget")[3], faces.at("retain")[7])


def near_copy_of_the_same_name(faces: Faces) -> None:
    """A mirrored picture under the erased name, in a request that names pictures one by one."""
    of, *rest = faces.at("forget")
    faces.copy(of, rest[0])
    faces.pixels[rest[0]] = faces.pixels[of].flip(-1)
    faces.asked, faces.pictures = faces.asked[1:], tuple(faces.ids[[of]].tolist())
    own = faces.subjects[of]
    faces.asked = [name for name in faces.asked if name != own]


def near_copy_of_another_name(faces: Faces) -> None:
    of, to = faces.at("forget")[3], faces.at("retain")[7]
    faces.pixels[to] = (faces.pixels[of].float() * 0.9).to(torch.uint8)


def leaked_picture(faces: Faces) -> None:
    faces.copy(faces.at("retain")[0], faces.at("reporting")[5])


def tuning_picture_in_reporting(faces: Faces) -> None:
    faces.copy(faces.at("reporting")[0], faces.at("tuning")[5])


def one_picture_two_names(faces: Faces) -> None:
    one = faces.at("retain")[0]
    other = next(i for i in faces.at("retain") if faces.subjects[i] != faces.subjects[one])
    faces.copy(one, other)


def one_picture_two_labels(faces: Faces) -> None:
    one, other = faces.at("retain")[:2]
    assert faces.subjects[one] == faces.subjects[other]
    faces.copy(one, other)
    faces.labels[other] = (faces.labels[one] + 1) % 4


def class_vanishes(faces: Faces) -> None:
    faces.labels[faces.at("retain")] = faces.labels[faces.at("retain")].clamp(max=2)


def class_halved(faces: Faces) -> None:
    retain = faces.at("retain")
    rare = np.flatnonzero(faces.labels[retain, 0].numpy() == 3)
    faces.labels[retain[rare[2:]]] = 2


def class_without_non_members(faces: Faces) -> None:
    faces.labels[faces.at("reporting")] = faces.labels[faces.at("reporting")].clamp(max=2)


def few_reporting(faces: Faces) -> None:
    faces.roles[faces.at("reporting")[9:]] = "unused"


def few_tuning(faces: Faces) -> None:
    faces.roles[faces.at("tuning")[9:]] = "unused"


def few_people(faces: Faces) -> None:
    reporting = faces.at("reporting")
    faces.subjects[reporting] = np.array(["x-1", "x-2", "x-3"])[np.arange(len(reporting)) % 3]


def one_picture_asked_for(faces: Faces) -> None:
    faces.asked, faces.pictures = [], (str(faces.ids[faces.at("forget")[0]]),)


def nearly_everybody(faces: Faces) -> None:
    people = sorted(set(faces.subjects[faces.roles == "train"].tolist()))
    faces.asked = people[: len(people) * 3 // 5]


def darker(name: str) -> Fault:
    def fault(faces: Faces) -> None:
        at = faces.at(name)
        faces.pixels[at] = (faces.pixels[at].float() * 0.7).to(torch.uint8)

    return fault


def negative(name: str) -> Fault:
    def fault(faces: Faces) -> None:
        faces.pixels[faces.at(name)] = 255 - faces.pixels[faces.at(name)]

    return fault


def unreadable(faces: Faces) -> None:
    faces.unreadable = ("bad.png (row 3): no bytes",)


# the fault, what must be found, and what follows from the same fault and may be found
PLANTED: dict[str, tuple[Fault, dict[str, str], set[str]]] = {
    "a copy that stays": (copy_to_retain, {"copies": "warning", "shared-pictures": "warning"}, set()),
    "a near copy of the same name": (near_copy_of_the_same_name, {"near-copies": "warning"}, set()),
    "a near copy of another name": (near_copy_of_another_name, {"near-copies": "warning"}, set()),
    "a test picture in train": (leaked_picture, {"leaks": "warning", "shared-pictures": "warning"}, set()),
    "a picture that steers and reports": (
        tuning_picture_in_reporting,
        {"leaks": "warning", "shared-pictures": "warning"},
        set(),
    ),
    "one picture, two names": (one_picture_two_names, {"shared-pictures": "warning"}, set()),
    "one picture, two labels": (one_picture_two_labels, {"label-conflicts": "warning"}, set()),
    "a class that vanishes": (class_vanishes, {"class-lost": "warning"}, set()),
    "a class that is halved": (class_halved, {"class-halved": "warning"}, set()),
    "a class without non-members": (class_without_non_members, {"class-unmatched": "warning"}, set()),
    "few reporting pictures": (
        few_reporting,
        {"few-reporting": "stop"},
        {"few-people", "class-unmatched", "little-power"},
    ),
    "few tuning pictures": (few_tuning, {"few-tuning": "stop"}, {"few-people", "class-unmatched"}),
    "few people": (few_people, {"few-people": "warning"}, {"little-power"}),
    "one picture": (one_picture_asked_for, {"little-power": "warning", "few-people": "warning"}, {"near-copies"}),
    "nearly everybody": (nearly_everybody, {"most-erased": "warning"}, {"class-halved"}),
    "darker reporting pictures": (darker("reporting"), {"unlike-reporting": "warning"}, set()),
    "tuning pictures of another kind": (negative("tuning"), {"alien-tuning": "stop"}, set()),
    "reporting pictures of another kind": (negative("reporting"), {"alien-reporting": "stop"}, set()),
    "an unreadable picture": (unreadable, {"unreadable": "warning"}, set()),
}


def test_a_clean_set_has_no_findings() -> None:
    data = facts(Faces.clean())
    assert keys(data) == {} and verdict(findings(data)) == "go"
    assert not data.overlaps and not data.labels and not data.owners


@pytest.mark.parametrize("name", PLANTED)
def test_what_was_planted_is_found_and_nothing_else(name: str) -> None:
    fault, due, may = PLANTED[name]
    faces = Faces.clean()
    fault(faces)
    found = keys(facts(faces))
    assert {key: level for key, level in found.items() if key not in may} == due


def test_every_kind_of_finding_is_planted_somewhere() -> None:
    """Read off the source; too little memory has its own test."""
    source = Path(use_case.__file__).parents[1] / "evidence" / "preflight" / "findings.py"
    known = {key.rstrip("-") for key in re.findall(r'Finding\(\s*f?"([a-z-]+)', source.read_text())}
    planted = {key for _, due, _ in PLANTED.values() for key in due}
    missing = {kind for kind in known if not any(key == kind or key.startswith(f"{kind}-") for key in planted)}
    assert len(known) > 10 and missing == {"memory"}


def test_too_little_memory_is_found() -> None:
    data = facts(Faces.clean())
    small = replace(data, machine=replace(data.machine, memory_bytes=999))
    (found,) = findings(small)
    assert (
        (found.key, found.level) == ("memory", "warning") and "finetune" in found.text and "retrain" not in found.text
    )


def test_counts_are_those_of_what_was_planted() -> None:
    faces = Faces.clean()
    forget, retain, reporting = (faces.at(name) for name in ("forget", "retain", "reporting"))
    faces.copy(forget[0], retain[0])
    faces.copy(forget[0], retain[1])
    faces.copy(retain[9], reporting[2])
    data = facts(faces)
    told = {(o.first, o.second): (o.in_first, o.in_second, o.different, o.outcome) for o in data.overlaps}
    assert told == {
        ("forget", "retain"): (1, 2, 1, "moved to the forget set"),
        ("retain", "reporting"): (1, 1, 1, "left out of reporting"),
    }
    sizes = {one.name: (one.before, one.pictures) for one in data.sets}
    assert sizes["forget"] == (len(forget), len(forget) + 2) and sizes["retain"] == (len(retain), len(retain) - 2)
    assert sizes["reporting"] == (len(reporting), len(reporting) - 1)


def test_pictures_that_stand_twice_count_once() -> None:
    faces = Faces.clean()
    before = facts(faces).size("retain").independent
    retain = faces.at("retain")
    same = [i for i in retain if faces.subjects[i] == faces.subjects[retain[0]]]
    for other in same[1:]:
        faces.copy(same[0], other)
    after = facts(faces)
    assert after.size("retain").independent < before - 2 and after.size("retain").pictures == len(retain)


def job(bench: Workbench, out: Path | None = None, **fields: Any) -> CheckJob:
    given = {"out": out, "data": bench.data, "model": {"arch": "resnet10-quarter"}, "engine": ENGINE}
    return build_job(CheckJob, {**given, "request": {"file": bench.request}, **fields})


def test_page_and_numbers_are_written_and_nothing_else(bench: Workbench, tmp_path: Path) -> None:
    checked = check_files(job(bench, tmp_path / "check"), desk=Silent())
    assert set(listing(tmp_path)) == {"check/check.html", "check/check.json"}
    numbers = json.loads((tmp_path / "check" / "check.json").read_text())
    assert numbers == checked.to_json() and numbers["verdict"] == checked.verdict
    assert numbers["effects"] and numbers["costs"] and numbers["classes"] and numbers["comparisons"]
    again = check_files(job(bench, tmp_path / "check"), desk=Silent())
    assert again.to_json() == numbers


def test_what_an_erasure_refuses_is_refused(bench: Workbench, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="unknown 'nobody'"):
        check_files(job(bench, tmp_path / "check", request={"subjects": ["nobody"]}), desk=Silent())
    assert not listing(tmp_path)


def test_a_file_is_no_place_for_a_page(bench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(RunDirectoryError, match="expected a directory"):
        check_files(job(bench, tmp_path / "taken"), desk=Silent())


def test_the_summary_counts_instead_of_listing() -> None:
    faces = Faces.clean()
    copy_to_retain(faces)
    data = facts(faces)
    told = use_case.Checked(data, findings(data)).summary()
    assert told["copies"]["exact_moved"] == 1 and told["owners"] == 1 and told["labels"] == 0
    assert json.loads(json.dumps(told)) == told


def test_methods_are_priced_by_what_their_cards_say() -> None:
    data = Faces.clean().dataset()
    task = resolve(ErasureRequest(subjects=tuple(Faces.clean().asked)), data, near_copies="ignore").task
    shape = Preprocessing((32, 32), (0.5,) * 3, (0.5,) * 3)
    artefact = new_model("resnet10-quarter", data.pictures.spec, shape, seed=0)
    found, machine = costs(artefact, task, TrainRecipe(epochs=3), decide(EngineSettings(threads=1)))
    by_name = {cost.method: cost for cost in found}
    assert set(by_name) == set(METHODS) and machine.epoch_seconds and machine.threads == 1
    assert (
        by_name["auto"].epochs is None and "auto.budget" in by_name["auto"].note
    )  # three epochs leave it nothing to try
    retrain, tuned = by_name["retrain"], by_name["finetune"]
    assert retrain.epochs == pytest.approx(3, rel=0.1) and retrain.seconds and tuned.seconds
    assert retrain.seconds == pytest.approx(retrain.epochs * machine.epoch_seconds)
    assert tuned.memory_bytes and tuned.memory_bytes > 4 * sum(p.nbytes for p in artefact.classifier.parameters())


def test_without_a_fresh_network_prices_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> float:
        raise Unavailable("no fresh network can be had")

    monkeypatch.setattr("expunge.app.checkcost.price", refuse)
    data = Faces.clean().dataset()
    task = resolve(ErasureRequest(subjects=tuple(Faces.clean().asked)), data, near_copies="ignore").task
    shape = Preprocessing((32, 32), (0.5,) * 3, (0.5,) * 3)
    artefact = new_model("resnet10-quarter", data.pictures.spec, shape, seed=0)
    found, machine = costs(artefact, task, TrainRecipe(), decide(EngineSettings(threads=1)))
    assert machine.epoch_seconds is None
    assert all(cost.seconds is None and cost.note == "no fresh network can be had" and cost.epochs for cost in found)


def test_the_published_lists_give_up_their_copies(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the real lists, what is known of them is found without being told."""
    monkeypatch.setattr(use_case, "comparisons", lambda *_, **__: ())
    with (faces / "mufac_published.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["published_split"] == "train"]
    asked = [f"train-{row['row']}" for row in rows[:1500]]
    fields = {"path": f"mufac-lists:{faces}", "size": 16}
    request = {"pictures": asked, "near_copies": "ignore"}
    checked = check_files(build_job(CheckJob, {"data": fields, "request": request, "engine": ENGINE}), desk=Silent())
    told = {(o.first, o.second): (o.in_first, o.in_second, o.different) for o in checked.data.overlaps}
    assert told["forget", "retain"][0] == 18
    assert told["retain", "reporting"][1:] == (27, 27)
    assert told["tuning", "reporting"] == (16, 16, 16)
    assert {"copies", "leaks", "shared-pictures", "label-conflicts"} <= {one.key for one in checked.findings}
