"""Figures of finished runs: every file written, numbers as the models show them, nothing drawn of changed inputs."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from expunge.app.desk import Silent
from expunge.app.erase import erase_files
from expunge.app.figures import FigureSettings, draw_figures
from expunge.app.inputs import load_for_data
from expunge.app.job import ModelJob
from expunge.app.resolve import resolve_job
from expunge.app.runs import load_run
from expunge.cli.main import main
from expunge.errors import ExpungeError, InputError, ModelError, RunDirectoryError
from expunge.functional.losses import per_example_loss
from expunge.models.predict import predict
from tests.app.workbench import Workbench, listing

DLFD = {
    "name": "dlfd:perturb",
    "set": {"epochs": 1, "batch_size": 16, "transport_batch": 8, "probe_every": 0, "radius": 0.05},
}
ASCENT = {"name": "neggrad", "set": {"epochs": 3, "lr": 0.05, "batch_size": 8}}
PLAIN = {"feature-map.svg", "losses.svg", "overshoot.svg"}


@dataclass(frozen=True)
class Runs:
    """Finished runs of one request, and of another one."""

    dlfd: Path
    ascent: Path
    alone: Path
    other: Path


@pytest.fixture(scope="module")
def runs(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    place = tmp_path_factory.mktemp("runs")
    beside = {"reference": str(bench.reference)}
    other = place / "other.csv"
    other.write_text("\n".join(bench.request.read_text().split()[:2]) + "\n")

    def erase(name: str, **flags: Any) -> Path:
        return erase_files(bench.erase(place / name, **flags), desk=Silent())

    return Runs(
        erase("dlfd", method=DLFD, **beside),
        erase("ascent", method=ASCENT, **beside),
        erase("alone"),
        erase("other", request__file=str(other)),
    )


def draw(out: Path, *paths: Path, **more: Any) -> dict[str, Any]:
    return draw_figures(FigureSettings(tuple(map(str, paths)), out, threads=1, **more), desk=Silent())


def drawn(path: Path) -> str:
    """The text of an SVG file; fails where it is none."""
    return " ".join("".join(node.itertext()) for node in ET.parse(path).iter("{http://www.w3.org/2000/svg}text"))


def losses_of(bench: Workbench, model: Path, split: str) -> Any:
    """Losses computed directly: the model, the task and nothing else."""
    data, artefact = load_for_data(ModelJob(path=str(model)), bench.erase(model).data, desk=Silent())
    task = resolve_job(bench.erase(model).request, data, desk=Silent())[0].task
    pictures = task.split(split)  # type: ignore[arg-type]
    logits = predict(artefact.classifier, pictures).logits
    return per_example_loss(logits, pictures.labels, sizes=pictures.spec.sizes).double().numpy()


def test_every_figure_is_written(runs: Runs, tmp_path: Path) -> None:
    answer = draw(tmp_path / "a", runs.dlfd, runs.ascent)
    assert {Path(path).name for path in answer["figures"]} == PLAIN == set(listing(tmp_path / "a"))
    for name in PLAIN:
        said = drawn(tmp_path / "a" / name)
        assert all(title in said for title in ("original", "dlfd", "neggrad", "retrained reference"))
    assert "age_group" in drawn(tmp_path / "a" / "feature-map.svg")
    assert "loss, nats" in drawn(tmp_path / "a" / "losses.svg")


def test_overshoot_is_what_the_models_show(bench: Workbench, runs: Runs, tmp_path: Path) -> None:
    answer = draw(tmp_path / "a", runs.ascent)
    lines = {line["name"]: line for line in answer["models"]}
    assert list(lines) == ["original", "neggrad", "retrained reference"]
    goal = np.median(losses_of(bench, bench.reference, "forget"))
    for name, model in zip(lines, (bench.original, runs.ascent, bench.reference), strict=True):
        for side, split in (("forget", "forget"), ("unseen", "reporting")):
            losses = losses_of(bench, model, split)
            names = ("low", "lower", "median", "upper", "high")
            expected = np.quantile(losses, [0.05, 0.25, 0.5, 0.75, 0.95])
            np.testing.assert_allclose([lines[name][side][part] for part in names], expected, rtol=1e-6)
            assert lines[name][side]["n"] == len(losses)
        assert lines[name]["excess"] == pytest.approx(lines[name]["forget"]["median"] - goal, abs=1e-6)
    # gradient ascent is seen to over-shoot
    assert lines["neggrad"]["excess"] > 1 and lines["retrained reference"]["excess"] == 0


def test_faces_only_where_asked_for(runs: Runs, tmp_path: Path) -> None:
    draw(tmp_path / "a", runs.dlfd, runs.alone, show_faces=True)
    assert set(listing(tmp_path / "a")) == PLAIN | {"perturbed.svg"}
    pictures = tmp_path / "a" / "perturbed.svg"
    # six pairs of one run: a method that changes no picture has none to show
    assert pictures.read_text().count("data:image/png") == 18
    assert "dlfd" in drawn(pictures) and "up to" in drawn(pictures) and "finetune" not in drawn(pictures)
    others = [path for path in (tmp_path / "a").iterdir() if path != pictures]
    assert not any("data:image" in path.read_text() for path in others)


def test_one_method_twice_and_no_reference(runs: Runs, tmp_path: Path) -> None:
    shutil.copytree(runs.alone, tmp_path / "again")
    answer = draw(tmp_path / "a", runs.alone, tmp_path / "again", formats=("png",), projection="tsne", show_faces=True)
    assert {Path(path).name for path in answer["figures"]} == {name.replace("svg", "png") for name in PLAIN}
    assert [line["name"] for line in answer["models"]] == ["original", "finetune (alone)", "finetune (again)"]
    assert all(line["excess"] is None for line in answer["models"])
    assert answer["models"][1]["forget"] == answer["models"][2]["forget"]


def reweigh(place: Path) -> None:
    weights = load_file(place / "model.safetensors")
    first = next(name for name, value in weights.items() if value.dtype == torch.float32)
    save_file({**weights, first: weights[first] + 0.01}, place / "model.safetensors", metadata={"format": "pt"})


def restate(place: Path, change: Callable[[dict[str, Any]], None]) -> None:
    fields = yaml.safe_load((place / "job.yaml").read_text())
    change(fields)
    (place / "job.yaml").write_text(yaml.safe_dump(fields))


def other_original(bench: Workbench, run: Path) -> None:
    restate(run, lambda job: job["model"].update(path=str(bench.reference)))


def other_reference(bench: Workbench, run: Path) -> None:
    restate(run, lambda job: job["reference"].update(paths=[str(bench.original)]))


def other_pictures(bench: Workbench, run: Path) -> None:
    restate(run, lambda job: job["data"].update(train_split=["train"], tuning_split=["test"], reporting_split=["val"]))


def other_weights(bench: Workbench, run: Path) -> None:
    reweigh(run / "model")


def other_kind(bench: Workbench, run: Path) -> None:
    restate(run, lambda job: job.update(kind="audit"))


def no_fingerprints(bench: Workbench, run: Path) -> None:
    restate(run, lambda job: job.pop("frozen"))


FAULTS = {
    other_original: "the original model that the run had",
    other_reference: "the reference that the run had",
    other_pictures: "the pictures that the run had",
    other_weights: "the weights in model/ that the run had",
    other_kind: "finished `expunge erase`",
    no_fingerprints: "as written",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_nothing_is_drawn_of_what_was_changed(
    bench: Workbench, runs: Runs, tmp_path: Path, fault: Callable[[Workbench, Path], None]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs.dlfd, run)
    fault(bench, run)
    with pytest.raises(ExpungeError, match=FAULTS[fault]) as caught:
        draw(tmp_path / "out", run)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists() and not (tmp_path / "out.partial").exists()


def test_runs_must_be_of_one_task(runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the same request"):
        draw(tmp_path / "a", runs.dlfd, runs.other)
    with pytest.raises(InputError, match="at least one"):
        draw(tmp_path / "a")
    with pytest.raises(RunDirectoryError, match="a run directory"):
        draw(tmp_path / "a", tmp_path)


def test_words_and_place_are_checked_first(runs: Runs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one of svg, png"):
        draw(tmp_path / "a", runs.alone, formats=("pdf",))
    with pytest.raises(InputError, match="one of report, tsne"):
        draw(tmp_path / "a", runs.alone, projection="umap")
    with pytest.raises(RunDirectoryError, match="a finished run"):
        draw(runs.alone, runs.alone)


def test_a_directory_names_no_code_that_is_run(runs: Runs, tmp_path: Path) -> None:
    shutil.copytree(runs.alone, tmp_path / "run")
    restate(tmp_path / "run", lambda job: job["model"].update(path="evil:make"))
    with pytest.raises(ModelError, match="--factory"):
        draw(tmp_path / "a", tmp_path / "run")
    shutil.copytree(runs.alone, tmp_path / "trained")
    restate(tmp_path / "trained", lambda job: job["recipe"].update(function="evil:train"))
    assert draw(tmp_path / "b", tmp_path / "trained")["figures"]


def test_references_trained_by_the_run_are_found(bench: Workbench, tmp_path: Path) -> None:
    run = erase_files(bench.erase(tmp_path / "run", reference="train:1"), desk=Silent())
    assert draw(tmp_path / "a", run)["models"][-1]["name"] == "retrained reference"
    assert load_run(run).metrics["references"]
    reweigh(run / "references" / "1")
    with pytest.raises(InputError, match="the reference that the run had"):
        draw(tmp_path / "b", run)


def test_the_command(runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["figures", str(runs.ascent), "--threads", "1", "--out"]
    assert main([*command, str(tmp_path / "a"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["status"] == "done" and len(answer["figures"]) == 3
    assert main([*command, str(tmp_path / "b")]) == 0
    out = capsys.readouterr().out
    assert "neggrad: median loss" in out and "against the reference" in out and "overshoot.svg" in out
    assert main([*command, str(tmp_path / "b")]) == 2
    assert main(["figures", "--out", str(tmp_path / "c")]) == 2
