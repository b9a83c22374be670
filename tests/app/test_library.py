"""The library: plain networks, tensors and data sets in memory, the same line as the command line."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import expunge
from expunge.app.desk import Silent
from expunge.app.erase import erase_files
from expunge.audits.run import AuditReport
from expunge.data.dataset import Dataset
from expunge.data.sources import DataSpec
from expunge.data.synthetic import synthetic_faces
from expunge.engine.settings import EngineSettings
from expunge.errors import DataError, InputError, ModelError, RequestError, Unavailable
from expunge.models.weights import hash_state
from expunge.types import TrainRecipe
from tests.app.workbench import Workbench

ENGINE = EngineSettings(precision="fp32", threads=1)
FAST = {"epochs": 1, "batch_size": 16}


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))


@pytest.fixture(scope="module")
def faces() -> Dataset:
    return synthetic_faces(20, 4, size=8)


@pytest.fixture(scope="module")
def people(faces: Dataset) -> list[str]:
    owners = faces.role("train").subjects
    assert owners is not None
    return sorted(set(owners.tolist()))[:2]


def test_a_plain_network_and_tensors(faces: Dataset, people: list[str], tmp_path: Path) -> None:
    pictures = faces.pictures
    data = {
        "pixels": pictures.pixels(torch.arange(len(pictures))),
        "labels": pictures.labels[:, 0],
        "subjects": pictures.subjects,
        "roles": faces.roles.tolist(),
    }
    net = network()
    before = copy.deepcopy(net.state_dict())
    result = expunge.erase(net, data, people, method="finetune", settings=FAST, engine=ENGINE)
    assert hash_state(net.state_dict()) == hash_state(before), "the model handed in stays as it was"
    assert isinstance(result.model, nn.Sequential)
    assert result.outcome.changed
    assert result.findings.subjects == 2
    assert result.report.row("accuracy", "forget").n == 8
    assert "mia_auroc" in repr(result) and "before" in repr(result)
    result.save(tmp_path / "model")
    assert (tmp_path / "model" / "model.safetensors").exists()


def test_the_same_seed_gives_the_same_weights(faces: Dataset, people: list[str]) -> None:
    def run(seed: int) -> str:
        result = expunge.erase(network(), faces, people, method="finetune", settings=FAST, seed=seed, engine=ENGINE)
        return hash_state(result.model.state_dict())

    assert run(0) == run(0) != run(1)


def test_notebook_and_command_line_agree(bench: Workbench, tmp_path: Path) -> None:
    import datasets

    run = expunge.load_run(erase_files(bench.erase(tmp_path / "run"), desk=Silent()))
    data = datasets.Dataset.from_parquet(str(bench.faces), cache_dir=str(tmp_path / "cache"))
    result = expunge.erase(
        bench.original,
        data,
        expunge.ErasureRequest.from_file(bench.request),
        method="finetune",
        settings=FAST,
        columns=DataSpec(labels=("age_group",), subject="subject", split="split"),
        engine=ENGINE,
    )
    assert hash_state(result.model.state_dict()) == run.model.weights_sha256


def test_references_given_and_trained(faces: Dataset, people: list[str]) -> None:
    given = expunge.erase(
        network(), faces, people, method="finetune", settings=FAST, references=[network(1), network(2)], engine=ENGINE
    )
    assert len(given.report.rows_reference) == 2
    assert given.report.row("accuracy", "forget").reference is not None
    trained = expunge.erase(
        network(),
        faces,
        people,
        method="retrain",
        recipe=TrainRecipe(epochs=1, batch_size=16),
        factory=network,
        train_references=1,
        engine=ENGINE,
    )
    assert len(trained.report.rows_reference) == 1
    with pytest.raises(Unavailable, match="no recipe"):
        expunge.erase(network(), faces, people, method="retrain", engine=ENGINE)


def test_the_users_own_training(faces: Dataset, people: list[str]) -> None:
    seen: list[int] = []

    def train(subset: Any, seed: int) -> nn.Module:
        seen.append(len(subset))
        return network(seed)

    result = expunge.erase(network(), faces, people, method="retrain", train=train, train_references=1, engine=ENGINE)
    assert seen == [result.findings.retain] * 2


def test_changing_reporting_pictures_changes_no_weight(faces: Dataset, people: list[str]) -> None:
    """Reporting non-members are only ever measured on: whatever they show, the model comes out the same."""

    def run(method: str, *, spoil: str) -> tuple[str, float | None]:
        pictures = faces.pictures
        pixels, labels = pictures.pixels(torch.arange(len(pictures))).clone(), pictures.labels.clone()
        chosen = torch.from_numpy(faces.roles == spoil)
        noise = torch.randint(0, 256, pixels.shape, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
        pixels[chosen] = noise[chosen]
        labels[chosen] = (labels[chosen] + 1) % 4
        data = {"pixels": pixels, "labels": labels, "subjects": pictures.subjects, "roles": faces.roles.tolist()}
        settings = {"probe_every": 1} if method.startswith("dlfd:") else FAST
        result = expunge.erase(network(), data, people, method=method, settings=settings, engine=ENGINE)
        return hash_state(result.model.state_dict()), result.report.row("loss", "reporting").value

    for method in ("finetune", "neggrad", "dlfd", "dlfd:perturb", "dlfd:paper", "dlfd:published"):
        untouched, loss = run(method, spoil="nobody")
        spoiled, other = run(method, spoil="reporting")
        assert spoiled == untouched, method
        assert other != loss, "the change was real"
    # the planted fault: were steering pictures changed, it would show
    assert run("dlfd:published", spoil="train")[0] != run("dlfd:published", spoil="nobody")[0]


def test_audit_in_memory(faces: Dataset, people: list[str]) -> None:
    report = expunge.audit(network(), faces, people, original=network(1), references=[network(2)], engine=ENGINE)
    assert report.rows_before
    assert report.row("js_divergence", "forget").value is not None


def test_likeness_to_an_untrained_network_needs_a_way_to_build_one(faces: Dataset, people: list[str]) -> None:
    def erased(factory: Callable[[], nn.Module] | None) -> AuditReport:
        result = expunge.erase(
            network(), faces, people, method="finetune", settings=FAST, factory=factory, engine=ENGINE
        )
        return result.report

    alone, built, again = erased(None), erased(network), erased(network)
    assert any("ZRF" in note for note in alone.notes) and not any("ZRF" in note for note in built.notes)
    assert alone.rows_after == tuple(row for row in built.rows_after if row.name != "zrf")
    assert built.row("zrf", "forget") == again.row("zrf", "forget")


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"data": 3}, DataError, "a datasets.Dataset"),
        ({"data": {"pixels": torch.zeros(2, 3, 8, 8), "labels": torch.zeros(2)}}, DataError, "uint8"),
        ({"data": {"pixels": torch.zeros(2, 3, 8, 8, dtype=torch.uint8)}}, DataError, "no labels"),
        ({"data": {"pixels": 1, "labels": 2, "owners": 3}}, DataError, "owners"),
        ({"model": 3}, ModelError, "torch.nn.Module"),
        ({"model": nn.Sequential(nn.Flatten(), nn.Linear(3, 4))}, ModelError, "a network that takes"),
        ({"model": nn.Sequential(nn.Flatten(), nn.Linear(192, 5))}, ModelError, "4 classes"),
        ({"request": [3]}, RequestError, "names of subjects"),
        ({"request": []}, RequestError, "at least one"),
        ({"request": "nobody"}, RequestError, "unknown"),
    ],
)
def test_bad_arguments_say_what_came(
    faces: Dataset, people: list[str], change: dict[str, Any], error: type[Exception], text: str
) -> None:
    arguments: dict[str, Any] = {"model": network(), "data": faces, "request": people, **change}
    with pytest.raises(error, match=text):
        expunge.erase(**arguments, engine=ENGINE)


def test_a_dataset_needs_columns(bench: Workbench, tmp_path: Path) -> None:
    import datasets

    data = datasets.Dataset.from_parquet(str(bench.faces), cache_dir=str(tmp_path))
    with pytest.raises(DataError, match="DataSpec"):
        expunge.erase(network(), data, ["x"])


def test_warnings_are_kept(faces: Dataset, people: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from expunge.app import line
    from expunge.engine.loop import run_phases

    monkeypatch.setattr(line, "run_phases", lambda *a, **k: replace(run_phases(*a, **k), changed=False))
    result = expunge.erase(network(), faces, people, method="finetune", settings=FAST, engine=ENGINE)
    assert "nothing was erased" in result.warnings[0]
    assert repr(result).startswith("warning:")


def test_a_reference_is_another_model_than_those_it_is_compared_with(faces: Dataset, people: list[str]) -> None:
    net = network()
    with pytest.raises(InputError, match=r"reference .*expected other weights"):
        expunge.erase(net, faces, people, method="finetune", references=[copy.deepcopy(net)], engine=ENGINE)
    with pytest.raises(InputError, match=r"reference .*expected other weights"):
        expunge.audit(network(1), faces, people, original=net, references=[net], engine=ENGINE)
