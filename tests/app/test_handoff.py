"""The hand-off: a model that fits is said to fit, planted differences are found, the page tells of the export."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from expunge.app.desk import Silent
from expunge.app.erase import erase_files
from expunge.app.export import ExportSettings, export_run
from expunge.app.handoff import drop_in_checks
from expunge.app.runs import load_run
from expunge.errors import ExpungeError, ModelError, RunDirectoryError, Unavailable
from expunge.evidence.files import hash_file
from expunge.models import export as export_module
from tests.app.workbench import Workbench


@pytest.fixture(scope="module")
def finished(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("handoff") / "run"
    return erase_files(bench.erase(place, reference=str(bench.reference)), desk=Silent())


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_run_hands_over_a_model_that_fits(bench: Workbench, finished: Path) -> None:
    told = load_run(finished).metrics["handoff"]
    assert told["kind"] == "huggingface" and [c["name"] for c in told["checks"] if not c["same"]] == []
    weights = bench.original / "model" / "model.safetensors"
    assert told["files"][weights.name] == hash_file(weights, "model")
    page = (finished / "handoff.html").read_text()
    for expected in (told["files"][weights.name], hash_file(finished / "model" / "model.safetensors", "model")):
        assert expected in page
    assert "takes the original" in page and "Not exported." in page


def test_the_card_stands_beside_the_weights_with_numbers_of_the_run(finished: Path) -> None:
    card = (finished / "model" / "README.md").read_text()
    run = load_run(finished)
    (row,) = (r for r in run.metrics["audit"]["rows_after"] if (r["name"], r["split"]) == ("accuracy", "retain"))
    assert f"{100 * row['value']:.1f} % ({100 * row['low']:.1f} to {100 * row['high']:.1f})" in card
    assert run.metrics["weights"]["after"] in card
    assert run.model.weights_sha256 == run.metrics["weights"]["after"], "the card is in nobody's way"


def rewritten(model: Path, change: Any) -> None:
    state = load_file(model / "model.safetensors")
    save_file(change(state), model / "model.safetensors", metadata={"format": "pt"})


def relabelled(model: Path) -> None:
    record = json.loads((model / "expunge.json").read_text())
    record["spec"]["classes"][0].reverse()
    (model / "expunge.json").write_text(json.dumps(record))


def darkened(model: Path) -> None:
    record = json.loads((model / "expunge.json").read_text())
    record["preprocessing"]["mean"] = [0.1, 0.1, 0.1]
    (model / "expunge.json").write_text(json.dumps(record))


def nudged(model: Path) -> None:
    rewritten(model, lambda state: {n: v + 0.1 if v.is_floating_point() else v for n, v in state.items()})


def halved(model: Path) -> None:
    rewritten(model, lambda state: {n: v.half() if v.is_floating_point() else v for n, v in state.items()})


def reworded(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "comment": "x"}))


FAULTS = {
    relabelled: {"order of the labels"},
    darkened: {"preprocessing", "answers of the file, as of the model in memory"},
    nudged: {"answers of the file, as of the model in memory"},
    halved: {"types of the weights"},
    reworded: {"small files, byte for byte"},
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_what_does_not_fit_is_found(bench: Workbench, run: Path, fault: Any) -> None:
    original, made = load_run(bench.original).model, load_run(run).model.classifier
    fault(run / "model")
    assert {c.name for c in drop_in_checks(original, made, run / "model") if not c.same} == FAULTS[fault]


def test_an_export_is_checked_and_told_on_the_page(run: Path, tmp_path: Path) -> None:
    answer = export_run(ExportSettings(run, tmp_path / "out" / "m.onnx", threads=1), desk=Silent())
    assert answer["difference"] <= answer["tolerance"] and answer["sha256"] == hash_file(tmp_path / "out/m.onnx", "m")
    page = (run / "handoff.html").read_text()
    assert "Checked: equal answers." in page and answer["sha256"] in page and "takes the original" in page
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["m.onnx"]


def stand_in(model: Any, path: Path) -> None:
    path.write_bytes(b"exported")


def test_without_a_runtime_nothing_is_claimed(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expunge.app.export.export_onnx", stand_in)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    answer = export_run(ExportSettings(run, tmp_path / "m.onnx"), desk=Silent())
    assert answer["note"] == "onnxruntime is not installed" and answer["difference"] is None
    assert "Not checked: onnxruntime is not installed." in (run / "handoff.html").read_text()


def test_a_file_that_answers_otherwise_is_not_left_behind(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expunge.app.export.export_onnx", stand_in)
    monkeypatch.setattr(export_module, "_run", lambda runtime, path, pictures: [torch.zeros(len(pictures), 4).numpy()])
    before = (run / "handoff.html").read_bytes()
    with pytest.raises(ModelError, match="a difference of"):
        export_run(ExportSettings(run, tmp_path / "m.onnx"), desk=Silent())
    assert not list(tmp_path.glob("*onnx*")) and (run / "handoff.html").read_bytes() == before


def test_without_the_extra_it_says_what_to_install(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(Unavailable, match=r"expunge\[onnx\]"):
        export_run(ExportSettings(run, tmp_path / "m.onnx"), desk=Silent())


def test_only_finished_erasures_are_exported(bench: Workbench, tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError):
        export_run(ExportSettings(bench.original, tmp_path / "m.onnx"), desk=Silent())
    with pytest.raises(ExpungeError):
        export_run(ExportSettings(tmp_path, tmp_path / "m.onnx"), desk=Silent())
