"""Bad input: whatever is wrong is one line that names it, exit code 2, and nothing is written."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from expunge.app import rundir
from expunge.cli.main import main
from tests.app.workbench import Workbench, listing

Flags = dict[str, str | list[str] | None]


@dataclass(frozen=True)
class Place:
    """Where a case is prepared: everything below `folder` must be as it was afterwards."""

    bench: Workbench
    folder: Path
    patch: pytest.MonkeyPatch

    def rows(self, change: Callable[[dict[str, list[Any]]], None]) -> str:
        """The faces with some columns changed."""
        table = pq.read_table(self.bench.faces)
        columns = table.to_pydict()
        change(columns)
        path = self.folder / "faces.parquet"
        pq.write_table(table.from_pydict(columns, schema=table.schema), path)
        return str(path)

    def request(self, subjects: list[str]) -> str:
        path = self.folder / "request.csv"
        text = io.StringIO()
        csv.writer(text).writerows([["subject"], *([name] for name in subjects)])
        path.write_text(text.getvalue())
        return str(path)

    def model(self, change: Callable[[dict[str, torch.Tensor]], None]) -> str:
        """The original with changed weights."""
        path = self.folder / "model"
        shutil.copytree(self.bench.original / "model", path)
        state = load_file(path / "model.safetensors")
        change(state)
        save_file(state, path / "model.safetensors", metadata={"format": "pt"})
        return str(path)

    def factory(self, weights: Callable[[Path], None]) -> Flags:
        """A factory's network with a file of weights."""
        code = "from torch import nn\n\n\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(768, 4))\n"
        (self.folder / "bad_input_net.py").write_text(code)
        weights(self.folder / "net.pth")
        self.patch.syspath_prepend(str(self.folder))
        self.patch.setattr(sys, "dont_write_bytecode", True)
        return {
            "--model": "bad_input_net:make",
            "--weights": str(self.folder / "net.pth"),
            "--normalise": "none",
            "--size": "16",
        }

    def column(self, name: str) -> list[str]:
        return list(map(str, pq.read_table(self.bench.faces).to_pydict()[name]))

    def people(self, split: str) -> list[str]:
        rows = zip(self.column("subject"), self.column("split"), strict=True)
        return sorted({subject for subject, where in rows if where == split})


def base(place: Place) -> Flags:
    bench = place.bench
    return {
        "--data": str(bench.faces),
        "--label": "age_group",
        "--subject": "subject",
        "--model": str(bench.original),
        "--request": str(bench.request),
        "--method": "finetune",
        "--set": ["epochs=1", "batch_size=16"],
        "--threads": "1",
        "--precision": "fp32",
        "--out": str(place.folder / "out"),
    }


def command(flags: Mapping[str, str | list[str] | None]) -> list[str]:
    words = ["erase", "--json"]
    for flag, value in flags.items():
        if value is None:
            continue
        for one in value if isinstance(value, list) else [value]:
            words += [flag, one] if one else [flag]
    return words


def truncated(place: Place) -> Flags:
    path = place.folder / "faces.parquet"
    path.write_bytes(place.bench.faces.read_bytes()[:-500])
    return {"--data": str(path)}


def unreadable(place: Place) -> Flags:
    def spoil(columns: dict[str, list[Any]]) -> None:
        columns["image"][3] = {"bytes": b"no picture at all", "path": "broken-one.png"}

    return {"--data": place.rows(spoil)}


def unknown_class(place: Place) -> Flags:
    def spoil(columns: dict[str, list[Any]]) -> None:
        columns["age_group"][5] = "ageless"

    return {"--data": place.rows(spoil)}


def without_split(place: Place, gone: str) -> Flags:
    def spoil(columns: dict[str, list[Any]]) -> None:
        columns["split"] = ["train" if value == gone else value for value in columns["split"]]

    return {"--data": place.rows(spoil)}


def fewer_classes(place: Place) -> Flags:
    """A model of three classes, whose record is gone, for data of four."""
    from expunge.models.classifier import Preprocessing
    from expunge.models.load import new_model
    from expunge.types import LabelSpec

    spec = LabelSpec(("age_group",), (("a", "b", "c"),))
    artefact = new_model("resnet10-quarter", spec, Preprocessing((16, 16)), seed=0)
    artefact.save(artefact.classifier, place.folder / "model")
    return {"--model": str(place.folder / "model")}


def nameless_classes(place: Place) -> Flags:
    flags = fewer_classes(place)
    path = place.folder / "model"
    (path / "expunge.json").unlink()
    config = json.loads((path / "config.json").read_text())
    names = {str(i): f"LABEL_{i}" for i in range(3)}
    config |= {"id2label": names, "label2id": {name: int(i) for i, name in names.items()}}
    (path / "config.json").write_text(json.dumps(config))
    return flags


def poison(state: dict[str, torch.Tensor]) -> None:
    name = next(name for name, value in state.items() if value.is_floating_point())
    state[name].view(-1)[0] = torch.nan


def rename(state: dict[str, torch.Tensor]) -> None:
    name = next(iter(sorted(state)))
    state[f"other.{name}"] = state.pop(name)


class Executable:
    """A pickle that runs code when it is read."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch executed",)


def needs_code(path: Path) -> None:
    path.write_bytes(pickle.dumps({"state_dict": Executable()}, protocol=2))


def other_network(path: Path) -> None:
    torch.save(torch.nn.Linear(3, 4).state_dict(), path)


def other_run(place: Place) -> Flags:
    shutil.copytree(place.bench.reference, place.folder / "out")
    return {}


def other_files(place: Place) -> Flags:
    (place.folder / "out").mkdir()
    (place.folder / "out" / "letter.txt").write_text("mine")
    return {}


def resumed_otherwise(place: Place) -> Flags:
    partial = place.folder / "out.partial"
    shutil.copytree(place.bench.reference, partial)
    (partial / "checkpoints").mkdir()
    return {"--resume": ""}


def finished_otherwise(place: Place) -> Flags:
    assert main(command(base(place))) == 0
    return {"--resume": "", "--seed": "9"}


def unfinished(place: Place) -> Flags:
    shutil.copytree(place.bench.original, place.folder / "model.partial")
    return {"--model": str(place.folder / "model")}


def full_disk(place: Place) -> Flags:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place.patch.setattr(rundir, "write_whole", refuse)
    return {}


def full_disk_late(place: Place) -> Flags:
    from expunge.app import erase

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place.patch.setattr(erase, "save_whole", refuse)
    place.patch.setattr("expunge.engine.checkpoint.save", lambda *_, **__: None)
    return {}


def job_file(text: str) -> Callable[[Place], Flags]:
    def prepare(place: Place) -> Flags:
        (place.folder / "job.yaml").write_text(text)
        return {"--job": str(place.folder / "job.yaml")}

    return prepare


def request_file(name: str, text: str) -> Callable[[Place], Flags]:
    def prepare(place: Place) -> Flags:
        (place.folder / name).write_text(text)
        return {"--request": str(place.folder / name)}

    return prepare


def flags(given: Flags) -> Callable[[Place], Flags]:
    return lambda _: given


# name of the case: how it comes about, and what the line must hold
CASES: Mapping[str, tuple[Callable[[Place], Flags], tuple[str, ...]]] = {
    "missing file": (flags({"--data": "nowhere.parquet"}), ("data", "nowhere.parquet")),
    "no data": (flags({"--data": None}), ("--data", "nothing")),
    "truncated parquet": (truncated, ("data", "faces.parquet")),
    "unreadable picture": (unreadable, ("broken-one.png", "--skip-unreadable")),
    "wrong image column": (flags({"--image": "photo"}), ("image", "'photo'", "age_group")),
    "wrong label column": (flags({"--label": "age"}), ("label", "age_group", "age")),
    "wrong subject column": (flags({"--subject": "owner"}), ("subject", "'owner'")),
    "wrong split column": (flags({"--split-column": "part"}), ("split", "'part'")),
    "wrong split value": (flags({"--train-split": "learn"}), ("train", "'learn'")),
    "label of unknown class": (unknown_class, ("age_group", "'ageless'", "row 5")),
    "no model": (flags({"--model": None}), ("--model", "nothing")),
    "missing model": (flags({"--model": "nowhere"}), ("model", "nowhere")),
    "unfinished model": (unfinished, ("a finished run", "--resume")),
    "NaN weights": (lambda p: {"--model": p.model(poison)}, ("finite", "NaN")),
    "another architecture": (lambda p: {"--model": p.model(rename)}, ("weights", "other.")),
    "another network's file": (lambda p: p.factory(other_network), ("weights", "1.weight")),
    "class names differ": (fewer_classes, ("one of the classes a, b, c",)),
    "class count differs": (nameless_classes, ("4 classes", "3 in the model")),
    "pickle that needs code": (lambda p: p.factory(needs_code), ("weights", "tensors")),
    "normalisation not stated": (lambda p: p.factory(other_network) | {"--normalise": None}, ("--normalise",)),
    "another size": (flags({"--size": "32"}), ("--size", "16x16", "32")),
    "unknown head": (flags({"--head": "nose"}), ("head", "'nose'")),
    "no out": (flags({"--out": None}), ("--out", "nothing")),
    "out holds another run": (other_run, ("--out", "a finished run")),
    "out holds other files": (other_files, ("--out", "other files")),
    "resume with another configuration": (resumed_otherwise, ("kind", "'train'", "'erase'")),
    "finished with another configuration": (finished_otherwise, ("seed", "0", "9")),
    "disk full": (full_disk, ("--out", "a full disk")),
    "disk full when saving": (full_disk_late, ("--out", "a full disk")),
    "negative learning rate": (flags({"--set": "lr=-1"}), ("finetune.lr", "-1")),
    "absurd learning rate": (flags({"--set": "lr=1e9"}), ("finetune.lr", "1000000000")),
    "learning rate in words": (flags({"--set": "lr=fast"}), ("finetune.lr", "'fast'")),
    "setting of no method": (flags({"--set": "speed=1"}), ("finetune.speed", "lr")),
    "setting without value": (flags({"--set": "lr"}), ("--set", "name=value")),
    "unknown method": (flags({"--method": "bleach"}), ("method", "'bleach'", "dlfd:paper")),
    "negative budget": (flags({"--max-seconds": "-1"}), ("--max-seconds", "above 0", "-1")),
    "absurd size": (flags({"--size": "1000000"}), ("--size", "at most 4096")),
    "half a micro-batch": (flags({"--accumulate": "1.5"}), ("--accumulate", "whole number")),
    "unknown precision": (flags({"--precision": "fp8"}), ("--precision", "bf16", "'fp8'")),
    "unknown device": (flags({"--device": "abacus"}), ("device", "'abacus'")),
    "negative seed": (flags({"--seed": "-3"}), ("--seed", "-3")),
    "negative recipe": (flags({"--recipe-epochs": "-3"}), ("--recipe-epochs", "above 0")),
    "too many references": (flags({"--reference": "train:1000"}), ("--reference", "at most 100")),
    "missing reference": (flags({"--reference": "nowhere"}), ("nowhere",)),
    "nothing to forget": (flags({"--request": None}), ("request", "--forget-subject")),
    "empty request": (lambda p: {"--request": p.request([])}, ("request", "at least one")),
    "everybody": (
        lambda p: {"--request": p.request(p.people("train"))},
        ("request", "training pictures that stay"),
    ),
    "unknown subject": (flags({"--request": None, "--forget-subject": "Nobody"}), ("unknown", "'Nobody'")),
    "unknown picture": (flags({"--request": None, "--forget-picture": "x.png"}), ("unknown", "'x.png'")),
    "subject without training pictures": (
        lambda p: {"--request": p.request(p.people("test")[:1])},
        ("subjects with training pictures",),
    ),
    "missing request": (flags({"--request": "nowhere.csv"}), ("request", "nowhere.csv")),
    "request without names": (request_file("r.csv", "person\nann\n"), ("column subject or picture", "person")),
    "request in no format": (request_file("r.json", "{subjects: ann}"), ("JSON", "r.json")),
    "no tuning non-members": (lambda p: without_split(p, "val"), ("tuning", "non-members")),
    "no reporting non-members": (lambda p: without_split(p, "test"), ("reporting", "non-members")),
    "missing job": (flags({"--job": "nowhere.yaml"}), ("--job", "nowhere.yaml")),
    "job that is no YAML": (job_file("a: [1"), ("--job", "YAML")),
    "job of another command": (job_file("kind: train\n"), ("kind", "expunge erase", "'train'")),
    "unknown job field": (job_file("speed: 9\n"), ("speed", "unknown name")),
    "training function that is none": (
        flags({"--recipe-train-function": "os:nothing"}),
        ("recipe.function", "'os:nothing'"),
    ),
    "unknown flag": (flags({"--speed": "9"}), ("--speed",)),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_writes_nothing(
    case: str, bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare, texts = CASES[case]
    place = Place(bench, tmp_path, monkeypatch)
    words = command({**base(place), **prepare(place)})
    before = listing(tmp_path)
    capsys.readouterr()
    assert main(words) == 2
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and err.splitlines()[-1] == lines[0], err
    for text in texts:
        assert text in lines[0]
    assert json.loads(out)["error"] == lines[0].removeprefix("error: ")
    assert listing(tmp_path) == before
    assert sorted(path.name for path in tmp_path.glob("out*")) == sorted(
        {name.split("/")[0] for name in before if name.startswith("out")}
    )


def test_the_base_of_all_cases_is_good_input(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each case is the same command with one thing changed; unchanged, it works."""
    assert main(command(base(Place(bench, tmp_path, monkeypatch)))) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "done"


def test_unreadable_pictures_can_be_skipped_and_are_listed(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(bench, tmp_path, monkeypatch)
    words = command({**base(place), **unreadable(place), "--skip-unreadable": ""})
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "1 unreadable pictures were left out: broken-one.png" in err
    assert json.loads(out)["status"] == "done"


@pytest.mark.parametrize("case", ["negative learning rate", "out holds other files"])
def test_the_same_in_a_process_of_its_own(
    case: str, bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, texts = CASES[case]
    place = Place(bench, tmp_path, monkeypatch)
    words = [sys.executable, "-m", "expunge", *command({**base(place), **prepare(place)})]
    before = listing(tmp_path)
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert all(text in line for text in texts)
    assert len(done.stdout.splitlines()) == 1
    assert listing(tmp_path) == before
