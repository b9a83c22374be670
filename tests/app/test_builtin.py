"""The paper's network by its name: normalised as its publication does, trained anew, opened again by its directory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from expunge.app.desk import Silent
from expunge.app.inputs import NORMALISATIONS, load_beside, load_for_data, stated_shape
from expunge.app.job import DataJob, ModelJob
from expunge.app.runs import load_run
from expunge.app.train import train_files
from expunge.errors import ModelError
from expunge.models.dlfd_resnet import DLFDResNet18
from tests.app.workbench import Workbench

NAME = "dlfd-resnet18"
SIZE = (128, 128)


@pytest.mark.parametrize(("classes", "name"), [(8, "imagenet"), (7, "half")])
def test_published_weights_bring_their_normalisation_unless_told(classes: int, name: str) -> None:
    shape = stated_shape(ModelJob(path=NAME), SIZE, classes)
    assert shape is not None and (shape.mean, shape.std) == NORMALISATIONS[name]
    told = stated_shape(ModelJob(path=NAME, normalise="none"), SIZE, classes)
    assert told is not None and (told.mean, told.std) == NORMALISATIONS["none"]


def test_weights_that_were_not_published_say_it_themselves() -> None:
    with pytest.raises(ModelError, match="--normalise"):
        stated_shape(ModelJob(path=NAME), SIZE, 4)


def test_weights_are_read_at_the_side_of_the_paper(bench: Workbench, tmp_path: Path) -> None:
    torch.save(DLFDResNet18(4).state_dict(), tmp_path / "w.pth")
    model = ModelJob(path=NAME, weights=tmp_path / "w.pth", normalise="imagenet")
    columns = {**bench.data, "size": None}
    data, artefact = load_for_data(model, DataJob.model_validate(columns), desk=Silent())
    assert artefact.classifier.preprocessing.size == SIZE == (data.store.height, data.store.width)
    wrong = DataJob.model_validate({**bench.data, "labels": ["expression", "age_group"]})
    with pytest.raises(ModelError, match=r"features\.6") as caught:
        load_for_data(model, wrong, desk=Silent())
    assert "\n" not in str(caught.value)


def test_trained_anew_it_is_opened_and_compared_without_naming_code(bench: Workbench, tmp_path: Path) -> None:
    job = bench.train(tmp_path / "run", model__arch=NAME, recipe__epochs=0.1)
    run = load_run(train_files(job, desk=Silent()))
    assert sorted(one.name for one in (run.path / "model").iterdir()) == ["expunge.json", "model.safetensors"]
    shape = run.model.classifier.preprocessing
    assert (shape.size, shape.mean, shape.std) == ((16, 16), *NORMALISATIONS["imagenet"])
    data, artefact = load_for_data(ModelJob(path=str(run.path)), job.data, desk=Silent())
    assert artefact.weights_sha256 == run.model.weights_sha256
    (beside,) = load_beside([str(run.path)], None, artefact, data)
    assert beside.weights_sha256 == artefact.weights_sha256
