"""Training use case: what a run directory of a training holds, and how references leave pictures out."""

from __future__ import annotations

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from expunge.app.desk import Silent
from expunge.app.runs import load_run
from expunge.app.train import train_files
from expunge.engine.progress import ProgressReport
from expunge.errors import Interrupted, ModelError, RunDirectoryError
from expunge.models.load import load_model
from expunge.models.weights import hash_state
from expunge.types import TrainRecipe
from tests.app.workbench import Workbench, listing


class Stopping(Silent):
    """Sends SIGTERM once, at the first progress."""

    def __init__(self, phase: str = "") -> None:
        super().__init__()
        self.phase = phase

    def progress(self, report: ProgressReport) -> None:
        if self.phase is not None and self.phase in ("", report.phase):
            self.phase = None  # type: ignore[assignment]
            signal.raise_signal(signal.SIGTERM)


def test_a_run_holds_a_loadable_model_with_its_recipe(bench: Workbench) -> None:
    assert set(listing(bench.original)) == {
        "events.jsonl",
        "job.yaml",
        "metrics.json",
        "model/config.json",
        "model/expunge.json",
        "model/model.safetensors",
        "model/preprocessor_config.json",
    }
    artefact = load_model(bench.original / "model")
    assert artefact.recipe == replace(TrainRecipe(), epochs=1)
    assert artefact.classifier.preprocessing.size == (16, 16)
    run = load_run(bench.original)
    assert run.kind == "train"
    assert set(run.metrics["accuracy"]) == {"trained", "tuning", "reporting"}
    assert run.job["engine"]["precision"] == "fp32"
    assert run.job["frozen"]["versions"]["torch"] == torch.__version__


def test_a_reference_never_sees_the_forget_set(bench: Workbench) -> None:
    asked = set(bench.request.read_text().split()[1:])
    with_all = load_run(bench.original).metrics["pictures"]
    without = load_run(bench.reference).metrics
    assert without["request"]["subjects"] == len(asked)
    assert without["pictures"] == with_all - without["request"]["forget"]


def test_training_twice_gives_the_same_files(bench: Workbench, tmp_path: Path) -> None:
    again = train_files(bench.train(tmp_path / "again"), desk=Silent())
    for name in ("metrics.json", "model/model.safetensors"):
        assert (again / name).read_bytes() == (bench.original / name).read_bytes(), name


def test_an_interrupted_training_continues_to_the_same_weights(bench: Workbench, tmp_path: Path) -> None:
    job = bench.train(tmp_path / "run")
    with pytest.raises(Interrupted):
        train_files(job, desk=Stopping())
    assert not (tmp_path / "run").exists()
    assert any((tmp_path / "run.partial" / "checkpoints").rglob("*.pt"))
    run = load_run(train_files(job, desk=Silent(), resume=True))
    assert any(event["kind"] == "resumed" for event in run.events())
    expected = load_run(bench.original).model.weights_sha256
    assert run.model.weights_sha256 == expected


def test_resume_refuses_another_job(bench: Workbench, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train_files(bench.train(tmp_path / "run"), desk=Stopping())
    with pytest.raises(RunDirectoryError) as caught:
        train_files(bench.train(tmp_path / "run", recipe__lr=0.2), desk=Silent(), resume=True)
    assert caught.value.field == "recipe.lr"
    finished = bench.original
    with pytest.raises(RunDirectoryError, match=r"^seed"):
        train_files(bench.train(finished, seed=5), desk=Silent(), resume=True)
    assert train_files(bench.train(finished), desk=Silent(), resume=True) == finished


def test_the_users_own_training(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
from expunge.models.load import new_model
from expunge.models.classifier import Preprocessing

def train(subset, seed):
    return new_model("resnet10-quarter", subset.spec, Preprocessing((16, 16)), seed=seed + 1).classifier.net
"""
    (tmp_path / "mine_train.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    run = load_run(train_files(bench.train(tmp_path / "run", recipe__function="mine_train:train"), desk=Silent()))
    assert run.model.recipe is None
    assert run.model.weights_sha256 != load_run(bench.original).model.weights_sha256


def test_another_networks_architecture_afresh(bench: Workbench, tmp_path: Path) -> None:
    job = bench.train(tmp_path / "run", model__path=str(bench.original), recipe__epochs=2)
    run = load_run(train_files(job, desk=Silent()))
    made, like = run.model.classifier.net, load_run(bench.original).model.classifier.net
    assert {n: t.shape for n, t in made.state_dict().items()} == {n: t.shape for n, t in like.state_dict().items()}
    assert hash_state(made.state_dict()) != hash_state(like.state_dict())


def test_a_factory_s_network(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
from torch import nn

def make():
    return nn.Sequential(nn.Flatten(), nn.Linear(768, 8), nn.ReLU(), nn.Linear(8, 4))
"""
    (tmp_path / "mine_net.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    run = train_files(bench.train(tmp_path / "run", model__path="mine_net:make"), desk=Silent())
    saved = load_model("mine_net:make", weights=run / "model" / "model.safetensors")
    assert load_run(run, factory="mine_net:make").model.weights_sha256 == saved.weights_sha256
    with pytest.raises(ModelError, match="name what builds the network"):
        _ = load_run(run).model
    assert saved.classifier.head_name == "3"
    assert json.loads((run / "metrics.json").read_text())["kind"] == "train"
