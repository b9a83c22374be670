"""Erasure use case: what a run holds, that it repeats, resumes, and shouts where nothing happened."""

from __future__ import annotations

import html
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from expunge.app import erase as erase_module
from expunge.app import line
from expunge.app.desk import Silent
from expunge.app.erase import erase_files
from expunge.app.runs import load_run
from expunge.engine.events import Events
from expunge.engine.loop import run_phases
from expunge.errors import InputError, Interrupted, MethodError, ModelError, Unavailable
from expunge.methods.registry import resolve_method
from expunge.models.load import load_model
from expunge.types import TrainRecipe
from tests.app.test_train import Stopping
from tests.app.workbench import Workbench, listing


class Refusing(Silent):
    def confirm(self, question: str, *, unasked: bool = True) -> bool:
        return False


def test_a_run_directory_is_complete(bench: Workbench, tmp_path: Path) -> None:
    desk = Silent()
    run = load_run(erase_files(bench.erase(tmp_path / "run", reference=str(bench.reference)), desk=desk))
    assert set(listing(run.path)) == {
        "events.jsonl",
        "handoff.html",
        "job.yaml",
        "metrics.json",
        "report.html",
        "model/README.md",
        "model/config.json",
        "model/expunge.json",
        "model/model.safetensors",
        "model/preprocessor_config.json",
    }
    weights = run.metrics["weights"]
    assert weights["changed"]
    assert weights["before"] == load_run(bench.original).model.weights_sha256
    assert weights["after"] == run.model.weights_sha256 != weights["before"]
    assert run.model.recipe == load_run(bench.original).model.recipe
    assert run.metrics["request"]["forget"] == run.metrics["pictures"]["forget"] > 0
    assert len(run.metrics["references"]) == 1
    assert set(run.job["method"]["set"]) == set(asdict(resolve_method("finetune")[1])), "every setting is written out"
    (lost,) = desk.warnings  # an epoch of nothing but retain pictures costs a network this small its skill
    assert "lost skill" in lost and run.metrics["warnings"] == [lost]
    events = [event for event in Events.read(run.path / "events.jsonl") if event["kind"] == "warning"]
    assert [event["text"] for event in events] == [lost]
    assert run.report is not None and html.escape(lost[1:]) in run.report.read_text(), "as a sentence, capital and all"
    skill = run.metrics["skill"]
    row = next(r for r in run.metrics["audit"]["rows_after"] if (r["name"], r["split"]) == ("accuracy", "tuning"))
    assert skill["after"] == pytest.approx(row["value"]) and skill["before"] - skill["after"] <= skill["bound"]
    summary = run.summary()
    assert summary["report"] == str(run.path / "report.html")
    assert {row["name"] for row in summary["rows"]} >= {"accuracy", "mia_auroc"}


def test_equal_runs_are_equal_files(bench: Workbench, tmp_path: Path) -> None:
    first, second = (erase_files(bench.erase(tmp_path / name), desk=Silent()) for name in "ab")
    for name in ("metrics.json", "model/model.safetensors", "model/README.md", "handoff.html", "job.yaml"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    other = erase_files(bench.erase(tmp_path / "c", seed=1), desk=Silent())
    assert (first / "model/model.safetensors").read_bytes() != (other / "model/model.safetensors").read_bytes()


@pytest.mark.parametrize("phase", ["finetune", "train"])
def test_an_interrupted_run_continues_to_the_same_end(bench: Workbench, tmp_path: Path, phase: str) -> None:
    whole = erase_files(bench.erase(tmp_path / "whole", reference="train"), desk=Silent())
    job = bench.erase(tmp_path / "run", reference="train")
    with pytest.raises(Interrupted):
        # the price of the reference is measured by training a little, too; stop in the real thing
        erase_files(job, desk=Stopping(phase))
    assert not (tmp_path / "run").exists()
    resumed = erase_files(job, desk=Refusing(), resume=True)  # nobody is asked again
    for name in ("metrics.json", "model/model.safetensors", "model/README.md", "references/1/model.safetensors"):
        assert (whole / name).read_bytes() == (resumed / name).read_bytes(), name


def test_a_run_stopped_while_measuring_takes_up_what_it_has(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = bench.erase(tmp_path / "run", reference="train")

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(erase_module, "write_results", stop)
        with pytest.raises(KeyboardInterrupt):
            erase_files(job, desk=Silent())
    steps: list[str] = []
    monkeypatch.setattr(Stopping, "progress", lambda self, report: steps.append(report.phase))
    assert load_run(erase_files(job, desk=Stopping(), resume=True)).metrics["weights"]["changed"]
    assert steps == []


def test_a_finished_run_is_not_done_again(bench: Workbench, tmp_path: Path) -> None:
    job = bench.erase(tmp_path / "run")
    first = erase_files(job, desk=Silent())
    before = {p: p.stat().st_mtime_ns for p in first.rglob("*")}
    assert erase_files(job, desk=Silent(), resume=True) == first
    assert {p: p.stat().st_mtime_ns for p in first.rglob("*")} == before


def test_unchanged_weights_are_shouted(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*args: Any, **kwargs: Any) -> Any:
        return replace(run_phases(*args, **kwargs), changed=False)

    monkeypatch.setattr(line, "run_phases", nothing)
    desk = Silent()
    run = load_run(erase_files(bench.erase(tmp_path / "run"), desk=desk))
    assert run.metrics["weights"]["changed"] is False
    assert "changed no weight" in desk.warnings[0]
    assert run.report is not None and "Nothing was erased" in run.report.read_text()


def test_references_are_priced_and_may_be_refused(bench: Workbench, tmp_path: Path) -> None:
    said: list[str] = []

    class Listening(Refusing):
        def say(self, text: str) -> None:
            said.append(text)

    with pytest.raises(InputError, match="came no"):
        erase_files(bench.erase(tmp_path / "run", reference="train:2"), desk=Listening())
    assert "training 2 reference(s) will take about" in said[0]
    assert list(tmp_path.iterdir()) == []


def test_retraining_needs_a_recipe(bench: Workbench, tmp_path: Path) -> None:
    model = tmp_path / "model"
    artefact = load_model(bench.original / "model")
    replace(artefact, recipe=None).save(artefact.classifier, model)
    for flags in ({"method__name": "retrain", "method__set": {"epochs": 1}}, {"reference": "train"}):
        job = bench.erase(tmp_path / "run", model__path=str(model), **flags)
        job = job.model_copy(update={"method": job.method.model_copy(update={"set": {}})})
        with pytest.raises(Unavailable, match="no recipe"):
            erase_files(job, desk=Silent())
        assert not (tmp_path / "run.partial").exists()
    known = bench.erase(tmp_path / "known", model__path=str(model), reference="train", recipe__epochs=1)
    assert len(load_run(erase_files(known, desk=Silent())).metrics["references"]) == 1


def test_a_training_from_other_weights_is_not_repeated_from_fresh_ones(bench: Workbench, tmp_path: Path) -> None:
    model = tmp_path / "model"
    artefact = load_model(bench.original / "model")
    replace(artefact, recipe=TrainRecipe(start="imagenet.safetensors")).save(artefact.classifier, model)
    for flags in ({"method__name": "retrain"}, {"reference": "train"}):
        job = bench.erase(tmp_path / "run", model__path=str(model), **flags)
        job = job.model_copy(update={"method": job.method.model_copy(update={"set": {}})})
        with pytest.raises(Unavailable, match=r"trained from imagenet\.safetensors.*--recipe-train-function"):
            erase_files(job, desk=Silent())
        assert not list(tmp_path.glob("run*"))


def test_retraining_by_the_users_function(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
from expunge.models.load import new_model
from expunge.models.classifier import Preprocessing

def train(subset, seed):
    assert len(subset) > 0
    return new_model("resnet10-quarter", subset.spec, Preprocessing((16, 16)), seed=seed + 7).classifier.net
"""
    (tmp_path / "mine_retrain.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    job = bench.erase(tmp_path / "run", recipe__function="mine_retrain:train", reference="train")
    method = job.method.model_copy(update={"name": "retrain", "set": {}})
    run = load_run(erase_files(job.model_copy(update={"method": method}), desk=Silent()))
    assert run.metrics["weights"]["changed"]
    assert run.metrics["phases"] == [{"kind": "Edit", "name": "retrain", "reason": "complete", "steps": 0}]


def test_pictures_enter_the_report_only_on_demand(bench: Workbench, tmp_path: Path) -> None:
    flags: dict[str, Any] = {"method__name": "dlfd:perturb", "method__set": {"probe_every": 0}}
    hidden = load_run(erase_files(bench.erase(tmp_path / "a", **flags), desk=Silent())).report
    shown = load_run(erase_files(bench.erase(tmp_path / "b", show_faces=True, **flags), desk=Silent())).report
    assert hidden is not None and shown is not None
    assert shown.read_text().count("data:image") > hidden.read_text().count("data:image")


def test_models_that_do_not_belong_together(bench: Workbench, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"--size"):
        erase_files(bench.erase(tmp_path / "run", data__size=32), desk=Silent())
    with pytest.raises(ModelError, match=r"--label"):
        erase_files(bench.erase(tmp_path / "run", data__labels=["expression"]), desk=Silent())
    with pytest.raises(ModelError, match="an existing model"):
        erase_files(bench.erase(tmp_path / "run", reference=str(tmp_path / "nowhere")), desk=Silent())
    with pytest.raises(MethodError, match="no_such"):
        erase_files(bench.erase(tmp_path / "run", method__name="no_such"), desk=Silent())
    assert list(tmp_path.iterdir()) == []


def test_a_reference_is_another_model_than_the_original_and_the_other_references(
    bench: Workbench, tmp_path: Path
) -> None:
    own, reference = str(bench.original / "model"), str(bench.reference)
    for paths in ([own], [reference, str(bench.reference / "model")]):
        with pytest.raises(InputError, match=r"reference .*expected other weights"):
            erase_files(bench.erase(tmp_path / "run", reference=paths), desk=Silent())
    assert list(tmp_path.iterdir()) == []
