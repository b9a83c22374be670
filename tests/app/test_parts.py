"""The smaller parts of the app room: user code, plain values, finished runs, listeners, drawing requests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from expunge.app.desk import Both, ProgressReport, Silent
from expunge.app.draw import draw_request
from expunge.app.inputs import Known, model_place, weights_file
from expunge.app.job import DrawJob
from expunge.app.jobfile import build_job
from expunge.app.measure import plain
from expunge.app.results import TableRow, shown_value, text_table
from expunge.app.runs import load_run
from expunge.app.user import fitted, train_function
from expunge.app.versions import versions
from expunge.data.requests import ErasureRequest
from expunge.errors import InputError, ModelError, RunDirectoryError
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.types import LabelSpec, TrainRecipe
from tests.app.workbench import Workbench

SPEC = LabelSpec(("age",), (("young", "old"),))


def classifier(width: int = 3) -> PixelClassifier:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, width), nn.ReLU(), nn.Linear(width, 2))
    return PixelClassifier(net, Preprocessing((2, 2)), SPEC)


@pytest.mark.parametrize("name", ["json", ":loads", "json:", "no_such_module:f", "json:no_such", "json:__name__"])
def test_a_training_function_must_be_one(name: str) -> None:
    with pytest.raises(InputError, match=r"recipe\.function"):
        train_function(name)


def test_what_the_users_function_returns_must_fit() -> None:
    like, other = classifier(), classifier()
    for returned in (other, other.net):
        made = fitted(returned, like)
        assert torch.equal(made.net[1].weight, other.net[1].weight)  # type: ignore[index]
        assert made is not like and not made.training
    with pytest.raises(ModelError, match=r"1\.weight"):
        fitted(classifier(4), like)
    with pytest.raises(ModelError, match="came int"):
        fitted(3, like)  # type: ignore[arg-type]


def test_everything_becomes_json() -> None:
    value = {"a": np.float32(0.5), "b": torch.tensor([1, 2]), "c": Path("x"), "d": float("inf"), "e": TrainRecipe()}
    assert json.loads(json.dumps(plain(value), allow_nan=False))["e"]["optimizer"]["lr"] == 0.1
    assert plain(value)["d"] is None


def test_only_finished_runs_are_loaded(bench: Workbench, tmp_path: Path) -> None:
    assert load_run(str(bench.original)).kind == "train"
    for name in ("run.partial", "run"):
        (tmp_path / "run.partial").mkdir(exist_ok=True)
        with pytest.raises(RunDirectoryError, match="--resume"):
            load_run(tmp_path / name)
    with pytest.raises(RunDirectoryError, match="a run directory"):
        load_run(tmp_path)


def test_a_run_stands_for_its_model(bench: Workbench, tmp_path: Path) -> None:
    assert model_place(str(bench.original)) == str(bench.original / "model")
    assert model_place("module:factory") == "module:factory"
    assert weights_file(bench.original) == bench.original / "model" / "model.safetensors"
    with pytest.raises(ModelError, match="one file of weights"):
        weights_file(tmp_path)


def test_a_model_knows_its_size() -> None:
    assert Known(None, None).size(None) == (64, 64)
    assert Known(None, None).size(32) == (32, 32)
    assert Known(None, Preprocessing((48, 32))).size(None) == (48, 32)
    with pytest.raises(ModelError, match="48x32"):
        Known(None, Preprocessing((48, 32))).size(48)


def test_a_drawn_request_is_a_request_for_whole_people(bench: Workbench, tmp_path: Path) -> None:
    def draw(seed: int, share: float = 0.3) -> ErasureRequest:
        out = tmp_path / f"{seed}-{share}.csv"
        drawn = draw_request(
            build_job(DrawJob, {"data": bench.data, "out": out, "share": share, "seed": seed}), desk=Silent()
        )
        found = ErasureRequest.from_file(out)
        assert drawn == {"out": str(out), "subjects": len(found.subjects), "pictures": 4 * len(found.subjects)}
        return found

    assert draw(1) != draw(2)
    assert len(draw(1, 0.6).subjects) > len(draw(3).subjects)


def test_both_are_told() -> None:
    calls: list[tuple[str, Any]] = []

    class Recording(Silent):
        def stage(self, title: str) -> None:
            calls.append(("stage", title))

        def progress(self, report: ProgressReport) -> None:
            calls.append(("progress", report.step))

        def say(self, text: str) -> None:
            calls.append(("say", text))

        def warn(self, text: str) -> None:
            calls.append(("warn", text))

        def confirm(self, question: str, *, unasked: bool = True) -> bool:
            calls.append(("confirm", question))
            return False

    both = Both(Recording(), Recording())
    both.stage("a")
    both.progress(ProgressReport("p", 1, 2, 3.0, None, {}))
    both.say("b")
    both.warn("c")
    assert not both.confirm("d")
    assert calls == [
        (n, v) for n, v in (("stage", "a"), ("progress", 1), ("say", "b"), ("warn", "c")) for _ in "xx"
    ] + [("confirm", "d")]


def test_the_short_table_is_plain_text() -> None:
    row = TableRow("accuracy", "forget", 7, "share", "reference", {"before": (0.5, 0.4, 0.6), "after": None}, 0.25, "")
    text = text_table([row])
    assert "0.500 (0.400 to 0.600)" in text and "not estimable" in text and "0.250" in text
    assert shown_value((0.5, None, None)) == "0.500"


def test_versions_name_what_could_change_a_number() -> None:
    assert versions()["torch"] == torch.__version__
    assert "unknown" not in versions().values()
