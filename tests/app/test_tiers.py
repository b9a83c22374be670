"""Tiers of an audit, from files to metrics: what each takes, its price, whoever trains, and what cannot be had."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file

from expunge.app.audit import audit_files
from expunge.app.auditrun import run_fields
from expunge.app.desk import Silent
from expunge.app.erase import erase_files
from expunge.app.job import AuditJob
from expunge.app.jobfile import build_job
from expunge.app.runs import load_run
from expunge.app.tiers import (
    MEMBERSHIP,
    METHOD,
    NO_METHOD,
    TIERS,
    Shadowing,
    Tier,
    _later,
    _plans,
    tier_table,
    workers_of,
)
from expunge.errors import InputError, ModelError
from expunge.methods.registry import resolve_method
from tests.app.shadowing import HERE, RECIPE, TASK, Listener, retraining
from tests.app.test_shadows import RAY, mine
from tests.app.workbench import Workbench

SHADOW_ROWS = {"lira_auroc", "lira_offline_auroc", "rmia_auroc"}
PROBE_ROWS = {"full_gradient_auroc", "relearn_speed", "residue_member_auroc", "collapse_separability"}
METHOD_ROWS = {"u_lira", "u_lira_auroc", "u_lira_tpr_at_1pct_fpr", "klom", "epsilon_quality"}


@pytest.fixture(scope="module")
def erased(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished erase run with one reference."""
    place = tmp_path_factory.mktemp("erased") / "run"
    return erase_files(bench.erase(place, reference=str(bench.reference)), desk=Silent())


def audit(run: Path, out: Path, **flags: Any) -> AuditJob:
    """An audit of that run, in this process; its shadows beside `out`."""
    asked = {"out": out, "workers": "in-process", "engine.threads": 1, "data.cache": out.parent / "cache"}
    return build_job(
        AuditJob, run_fields(run), asked | {name.replace("__", "."): value for name, value in flags.items()}
    )


def measured(job: AuditJob, desk: Silent | None = None, *, resume: bool = False) -> dict[str, Any]:
    return load_run(audit_files(job, desk=desk or Silent(), resume=resume)).metrics


def by_name(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rows}


def shelf(job: AuditJob) -> dict[str, int]:
    """Finished shadows, and when they were written."""
    assert job.data.cache is not None
    return {path.name: path.stat().st_mtime_ns for path in (job.data.cache / "shadows").glob("*.json")}


@pytest.fixture
def unprobed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard tier without the probes, which take most of the time here."""
    monkeypatch.setitem(TIERS, "standard", Tier("standard", 16, 0, probes=False, takes="moments"))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def standard(erased: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The standard tier in this process, by groups of a column as well."""
    place = tmp_path_factory.mktemp("standard") / "audit"
    return measured(audit(erased, place, tier="standard", groups=["expression"]))


def test_the_standard_tier_attacks_original_model_and_references_of_a_run(
    erased: Path, standard: dict[str, Any]
) -> None:
    assert (standard["tier"], standard["shadows"]) == ("standard", {"halves": 16, "unlearned": 0, "retrained": 0})
    (found,) = standard["audits"]
    for rows in (found["rows_before"], found["rows_after"], *found["rows_reference"]):
        assert set(by_name(rows)) >= SHADOW_ROWS | PROBE_ROWS and by_name(rows)["lira_auroc"]["value"] is not None
    assert by_name(found["rows_after"])["lira_auroc"]["gap"] is not None
    assert found["verdict"]["overall"] in ("inconclusive", "distinguishable", "indistinguishable")
    traded = {(one["attack"], one["model"]) for one in found["curves"]["curves"]}
    models = ("before", "after", "reference-1")
    assert {(attack, model) for attack in ("loss", "lira", "lira_offline", "rmia") for model in models} <= traded
    assert len(found["people_by_lira"]["rows"]) == len(found["people"]["rows"]) > 1
    assert found["people_by_lira"]["rows"][0]["after"]["name"] == "lira_auroc"
    assert found["people_by_lira"]["worst"]["people"] == found["people"]["worst"]["people"]
    assert [(g["column"], g["group"]) for g in found["groups_by_lira"]] == [
        (g["column"], g["group"]) for g in found["groups"]
    ]
    assert {g["after"]["name"] for g in found["groups_by_lira"]} == {"lira_auroc"}
    assert {g["column"] for g in found["groups_by_lira"]} == {"expression", "age_group"}
    curves = found["relearning"]["curves"]
    assert {(c["model"], c["part"]) for c in curves} >= {("before", "retain"), ("after", "forget")}
    assert all(len(c["loss"]) == len(c["steps"]) > 1 for c in curves)
    # what the run itself measured is measured again, digit by digit
    before = by_name(load_run(erased).metrics["audit"]["rows_after"])
    assert before["mia_auroc"] == by_name(found["rows_after"])["mia_auroc"]


@pytest.mark.usefixtures("unprobed")
@pytest.mark.parametrize("workers", ["pool", RAY])
def test_by_two_workers_the_numbers_are_the_same(
    erased: Path, standard: dict[str, Any], tmp_path: Path, workers: str
) -> None:
    job = audit(erased, tmp_path / "audit", tier="standard", workers=workers, engine__threads=2)
    rows, known = (by_name(m["audits"][0]["rows_after"]) for m in (measured(job), standard))
    for name in SHADOW_ROWS:
        assert rows[name]["value"] == pytest.approx(known[name]["value"], abs=1e-9)


@pytest.mark.usefixtures("unprobed")
def test_killed_it_goes_on_without_training_a_finished_shadow_again(
    erased: Path, standard: dict[str, Any], tmp_path: Path
) -> None:
    job = audit(erased, tmp_path / "audit", tier="standard")
    words = ["audit", "--run", str(erased), "--tier", "standard", "--workers", "in-process", "--threads", "1"]
    words += ["--cache", str(job.data.cache), "--out", str(job.out)]
    process = subprocess.Popen([sys.executable, "-m", "expunge", *words])
    end = time.monotonic() + 120
    while not shelf(job) and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.005)
    process.kill()
    process.wait()
    finished = shelf(job)
    assert 1 <= len(finished) < 16
    rows, known = (by_name(m["audits"][0]["rows_after"]) for m in (measured(job, resume=True), standard))
    assert {name: rows[name] for name in SHADOW_ROWS} == {name: known[name] for name in SHADOW_ROWS}
    assert len(shelf(job)) == 16
    assert {name: when for name, when in shelf(job).items() if name in finished} == finished


@pytest.mark.usefixtures("unprobed")
def test_the_price_is_told_and_a_no_leaves_the_rest_of_the_audit(erased: Path, tmp_path: Path) -> None:
    listener = Listener(answer=False)
    job = audit(erased, tmp_path / "audit", tier="standard")
    found = measured(job, listener)
    assert listener.said[0].startswith("tier standard: 16 shadow models")
    assert listener.said[1].startswith("one shadow model takes") and "15 more, 1 at a time" in listener.said[1]
    assert len(shelf(job)) == 1 and found["shadows"]["halves"] == 0
    (report,) = found["audits"]
    assert "not wanted at that price" in report["notes"][-1]
    assert "mia_auroc" in by_name(report["rows_after"]) and not SHADOW_ROWS & set(by_name(report["rows_after"]))


def test_where_no_shadow_is_trained_the_probes_are_priced_and_may_be_refused(
    erased: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(TIERS, "standard", Tier("standard", 16, 0, probes=False, takes="moments"))  # type: ignore[arg-type]
        measured(audit(erased, tmp_path / "first", tier="standard"))
    listener = Listener(answer=False)
    (report,) = measured(audit(erased, tmp_path / "second", tier="standard"), listener)["audits"]
    assert listener.said[0].endswith(f"takes {TIERS['standard'].takes}")
    assert re.match(r"the probes, for each model that is looked at: about \d+ (s|min)", listener.said[1])
    rows = set(by_name(report["rows_after"]))
    assert rows >= SHADOW_ROWS and not rows & PROBE_ROWS and "not wanted at that price" in report["notes"][-1]


def test_the_thorough_tier_unlearns_shadows_by_the_method_of_the_run(
    erased: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shadows of the standard tier are taken up, not trained again."""
    monkeypatch.setitem(TIERS, "standard", Tier("standard", 2, 0, probes=False, takes="moments"))  # type: ignore[arg-type]
    monkeypatch.setitem(TIERS, "thorough", Tier("thorough", 4, 3, probes=False, takes="moments"))  # type: ignore[arg-type]
    smaller = audit(erased, tmp_path / "smaller", tier="standard")
    measured(smaller)
    there = shelf(smaller)
    listener = Listener()
    found = measured(audit(erased, tmp_path / "audit", tier="thorough"), listener)
    assert len(there) == 2 and there.items() < shelf(smaller).items() and len(shelf(smaller)) == 4 + 3 + 6
    assert found["shadows"] == {"halves": 4, "unlearned": 3, "retrained": 6}
    assert set(by_name(found["audits"][0]["rows_after"])) >= SHADOW_ROWS | METHOD_ROWS
    price = listener.said[1]
    assert "; then 3 that learn the forget set: about" in price and "; then 3 unlearnings: about" in price
    assert "; then 6 that are retrained without it: about" in price and "probes" not in price
    nobody = audit(erased, tmp_path / "again", tier="thorough")
    nobody = nobody.model_copy(update={"method": nobody.method.model_copy(update={"name": None})})
    before = shelf(nobody)
    (report,) = measured(nobody)["audits"]
    assert NO_METHOD in report["notes"] and shelf(nobody) == before
    assert set(by_name(report["rows_after"])) >= SHADOW_ROWS and not METHOD_ROWS & set(by_name(report["rows_after"]))


def test_a_no_names_every_attack_that_is_missing(erased: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody who reads the report has to know which attack needs which kind of shadow."""
    monkeypatch.setitem(TIERS, "thorough", Tier("thorough", 2, 1, probes=False, takes="moments"))  # type: ignore[arg-type]
    job = audit(erased, tmp_path / "audit", tier="thorough")
    (report,) = measured(job, Listener(answer=False))["audits"]
    assert report["notes"][-1].startswith(f"{MEMBERSHIP}; {METHOD}: shadows: unavailable: not wanted")


@pytest.mark.usefixtures("unprobed")
def test_a_model_of_which_nobody_knows_more_gets_the_rest(bench: Workbench, tmp_path: Path) -> None:
    stripped = tmp_path / "model"
    stripped.mkdir()
    for path in (bench.original / "model").iterdir():
        (stripped / path.name).write_bytes(path.read_bytes())
    record = json.loads((stripped / "expunge.json").read_text())
    (stripped / "expunge.json").write_text(json.dumps(record | {"recipe": None}))
    job = bench.audit(tmp_path / "audit", models=[str(stripped)], tier="standard")
    (report,) = measured(job)["audits"]
    assert "no retrained reference" in report["notes"][0]
    assert report["notes"][-1].startswith("LiRA (online and offline) and RMIA: shadows: unavailable: no recipe")
    assert report["verdict"]["overall"] == "not assessable"
    assert by_name(report["rows_after"])["mia_auroc"]["value"] is not None
    assert not (tmp_path / "audit.shadows").exists()


@pytest.mark.usefixtures("unprobed")
def test_shadows_lie_beside_the_run_where_no_cache_is_named(erased: Path, tmp_path: Path) -> None:
    job = audit(erased, tmp_path / "audit", tier="standard")
    measured(job.model_copy(update={"data": job.data.model_copy(update={"cache": None})}), Listener(answer=False))
    assert len(list(erased.with_name("run.shadows").glob("*.json"))) == 1


def test_a_run_whose_model_was_changed_is_refused(erased: Path, tmp_path: Path) -> None:
    (weights,) = (erased / "model").glob("*.safetensors")
    whole = weights.read_bytes()
    state = load_file(weights)
    name = next(iter(state))
    try:
        save_file({**state, name: state[name] + 1}, weights, metadata={"format": "pt"})
        with pytest.raises(InputError, match="weights in model/"):
            audit_files(audit(erased, tmp_path / "audit"), desk=Silent())
    finally:
        weights.write_bytes(whole)
    assert not (tmp_path / "audit").exists()


@pytest.mark.parametrize("models", [["RUN", "ORIGINAL"], ["ORIGINAL"]], ids=["beside it", "instead of it"])
def test_a_run_is_audited_without_other_models(
    erased: Path, bench: Workbench, tmp_path: Path, models: list[str]
) -> None:
    named = [str({"RUN": erased, "ORIGINAL": bench.original}[one]) for one in models]
    with pytest.raises(InputError, match=r"--model.*no other model than the run's"):
        audit_files(audit(erased, tmp_path / "audit", models=named), desk=Silent())
    assert not (tmp_path / "audit").exists()


def test_a_run_that_was_not_retrained_is_no_reference(erased: Path, bench: Workbench, tmp_path: Path) -> None:
    for reference, came in ((erased, "a run of finetune"), (bench.original, "one trained on everybody")):
        job = bench.audit(tmp_path / "audit", models=[str(bench.reference)], reference=str(reference / "model"))
        with pytest.raises(InputError, match=f"retrained without the erased people.*{came}"):
            audit_files(job, desk=Silent())
    assert not (tmp_path / "audit").exists()


def test_a_reference_of_another_request_or_of_other_pictures_is_told(bench: Workbench, tmp_path: Path) -> None:
    """It may have been trained on somebody who is asked about here, or on a table without them."""
    table = pq.read_table(bench.faces)
    pq.write_table(table.slice(0, table.num_rows - 4), tmp_path / "others.parquet")
    others = bench.audit(
        tmp_path / "others", data__path=str(tmp_path / "others.parquet"), reference=str(bench.original)
    )
    others = others.model_copy(update={"models": (str(bench.reference),)})
    (report,) = measured(others)["audits"]
    assert any("other pictures or another request" in note for note in report["notes"])
    people = {"request__file": None, "request__subjects": ["person-0003"]}
    desk, notes = Listener(), []
    for flags in (people, {}):
        job = bench.audit(tmp_path / f"audit-{len(flags)}", reference=str(bench.reference), **flags)
        (report,) = measured(job, desk)["audits"]
        notes.append([note for note in report["notes"] if "another request" in note])
    assert len(notes[0]) == 1 and not notes[1] and desk.warnings == notes[0]


def test_tiers_are_listed_with_their_shadows() -> None:
    assert [tier.shadows for tier in TIERS.values()] == [0, 16, 128]
    lines = tier_table().splitlines()
    assert len(lines) == 5 and "KLoM" in lines[4]
    assert lines[4].startswith("| `thorough` | 128: 32 for LiRA and RMIA, 96 for the method | 32 trainings on half")


def priced(tier: Tier, tmp_path: Path, **changes: Any) -> dict[str, float | None]:
    """What is told to come after the first shadows, in as many of these."""
    own = replace(retraining(), **changes)
    method, config = resolve_method("finetune", {"epochs": 3, "batch_size": 8})
    shadowing = Shadowing(tier, TASK, own, (method, config), tmp_path, HERE)
    return {later.what: later.shadows for later in _later(shadowing, _plans(shadowing), "halves")}


def test_unlearnings_and_probes_are_in_the_price(tmp_path: Path) -> None:
    """Half of 60 pictures, shown once, make one shadow. The recipe has one epoch; the method three, on 40 pictures."""
    tier = Tier("thorough", 4, 3, probes=True, takes="moments")  # type: ignore[arg-type]
    found = priced(tier, tmp_path)
    others, unlearnings, retrained, probes = found.values()
    assert list(found)[1] == "3 unlearnings"
    assert (others, unlearnings, retrained) == pytest.approx((3 * 48 / 30, 3 * 3 * 40 / 30, 6 * 40 / 30))
    # fifty steps on each part, of 40 pictures and of 4, and a gradient of 8 + 12
    assert probes == pytest.approx((50 * (40 + 4) + 20) / 30)
    longer = priced(tier, tmp_path, recipe=replace(RECIPE, epochs=2))
    assert longer["3 unlearnings"] == pytest.approx(unlearnings / 2)  # type: ignore[operator]
    own = priced(tier, tmp_path, function=mine)
    assert own["3 unlearnings"] is None and own["3 that learn the forget set"] == others


@pytest.mark.parametrize("text", ["processes", "pool:2", "ray:", ""])
def test_unknown_workers_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"one of in-process, pool, ray, ray:ADDRESS"):
        workers_of(text, 1)


def test_ray_that_is_not_installed_is_refused_before_anything_is_written(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"workers.*pip install 'expunge\[ray\]'"):
        audit_files(bench.audit(tmp_path / "audit", tier="standard", workers="ray"), desk=Silent())
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_where_nobody_answers_is_refused_before_anything_is_written(bench: Workbench, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    with pytest.raises(InputError, match=r"workers.*cluster at '127\.0\.0\.1:1'"):
        audit_files(bench.audit(tmp_path / "audit", tier="standard", workers="ray:127.0.0.1:1"), desk=Silent())
    assert list(tmp_path.iterdir()) == []


def test_code_that_a_run_names_is_not_run(erased: Path, tmp_path: Path) -> None:
    job = (erased / "job.yaml").read_text()
    try:
        (erased / "job.yaml").write_text(
            job.replace(f"path: {load_run(erased).job['model']['path']}", "path: mine:make")
        )
        with pytest.raises(ModelError, match="factory"):
            audit_files(audit(erased, tmp_path / "audit"), desk=Silent())
    finally:
        (erased / "job.yaml").write_text(job)
