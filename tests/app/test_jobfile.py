"""Job files: what is read, what overrides what, and the one line that every mistake becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from expunge.app.job import AuditJob, EraseJob, Job, TrainJob, parse_reference
from expunge.app.jobfile import build_job, flag_name, flags_of, flatten, job_fields, read_job_file
from expunge.app.plainfiles import to_yaml
from expunge.errors import InputError
from expunge.types import Augmentation, Optimizer, TrainRecipe

FIELDS: dict[str, Any] = {"data": {"path": "faces.parquet"}, "model": {"path": "model"}}


def erase(**flags: Any) -> EraseJob:
    return build_job(EraseJob, FIELDS, {name.replace("__", "."): value for name, value in flags.items()})


def test_a_job_survives_yaml() -> None:
    job = erase(reference=["runs/a", "train:2"], method__set={"lr": 0.1}, data__labels=["age", "gender"])
    again = build_job(EraseJob, yaml.safe_load(to_yaml(job_fields(job))))
    assert again == job
    assert again.reference.paths == ("runs/a",)
    assert again.reference.train == 2


def test_flags_override_the_file_and_settings_add_up() -> None:
    fields = {**FIELDS, "seed": 1, "method": {"name": "finetune", "set": {"lr": 0.1, "epochs": 3}}}
    job = build_job(EraseJob, fields, {"seed": 2, "method.set": {"lr": 0.2}})
    assert job.seed == 2
    assert job.method.name == "finetune"
    assert job.method.set == {"lr": 0.2, "epochs": 3}
    assert fields["method"]["set"] == {"lr": 0.1, "epochs": 3}


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"recipe.lr": -1}, "recipe.lr (--recipe-lr): expected a number above 0, came -1"),
        ({"recipe.epochs": "inf"}, "recipe.epochs (--recipe-epochs): expected a finite number, came 'inf'"),
        ({"data.size": "4"}, "data.size (--size): expected a number of at least 8, came '4'"),
        ({"data.size": "big"}, "data.size (--size): expected a whole number, came 'big'"),
        ({"data.labels": []}, "data.labels (--label): expected at least 1 value, came []"),
        ({"engine.accumulate": 1.5}, "engine.accumulate (--accumulate): expected a whole number, came 1.5"),
        (
            {"engine.precision": "fp8"},
            "engine.precision (--precision): expected one of 'auto', 'fp32' or 'bf16', came 'fp8'",
        ),
        ({"engine.max_seconds": 0}, "engine.max_seconds (--max-seconds): expected a number above 0, came 0"),
        ({"reference": ["train:x"]}, "reference.train (--reference): expected a whole number, came 'x'"),
        ({"reference": ["train:999"]}, "reference.train (--reference): expected a number of at most 100, came '999'"),
        ({"method.set": {"lr": [1]}}, "method.set.lr (--set): expected a number, text, true or false, came [1]"),
        ({"seed": -1}, "seed (--seed): expected a number of at least 0, came -1"),
        ({"engine": 3}, "engine: expected a mapping of fields, came 3"),
        (
            {"request.person": "x"},
            "request.person: expected one of the fields subjects, pictures, file, near_copies, erased_subjects, "
            "erased_pictures, came the unknown name 'person'",
        ),
    ],
)
def test_a_mistake_is_one_line(flags: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as caught:
        build_job(EraseJob, FIELDS, flags)
    assert str(caught.value) == line


@pytest.mark.parametrize(
    ("kind", "line"),
    [(TrainJob, "data (--data): expected a value"), (AuditJob, "data (--data)"), (EraseJob, "data (--data)")],
)
def test_what_is_missing_is_named_with_its_flag(kind: type[Job], line: str) -> None:
    with pytest.raises(InputError, match="came nothing") as caught:
        build_job(kind, {})
    assert str(caught.value).startswith(line)


def test_long_values_are_cut() -> None:
    with pytest.raises(InputError) as caught:
        erase(seed="x" * 5000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [", "YAML"),
        ("- 1", "a mapping of job fields"),
        ("kind: train", "a job for `expunge erase`"),
    ],
)
def test_a_bad_job_file_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "job.yaml").write_text(text)
    with pytest.raises(InputError, match=line) as caught:
        read_job_file(EraseJob, tmp_path / "job.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_job_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_job_file(EraseJob, tmp_path / "job.yaml")


def test_a_finished_job_can_be_run_again(tmp_path: Path) -> None:
    fields = job_fields(erase()) | {"frozen": {"expunge": "0", "versions": {}, "inputs": {}}}
    (tmp_path / "job.yaml").write_text(to_yaml(fields))
    assert build_job(EraseJob, read_job_file(EraseJob, tmp_path / "job.yaml")).frozen is None


def test_flags_are_unique_and_prefixed_where_ambiguous() -> None:
    for kind in (TrainJob, EraseJob, AuditJob):
        typed = [flag_name(flag, prefix) for _, prefix, flag in flags_of(kind)]
        assert len(set(typed)) == len(typed), kind
    prefix, flag = next((p, f) for name, p, f in flags_of(EraseJob) if name == "recipe.augment")
    assert flag_name(flag, prefix) == "--recipe-augment/--recipe-no-augment"


def test_flatten_names_leaves() -> None:
    assert dict(flatten({"a": {"b": {"c": 1}}, "d": {}})) == {"a.b.c": 1}


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [
        ("none", {"paths": [], "train": 0}),
        ("train", {"paths": [], "train": 1}),
        (["a", "b", "train:3"], {"paths": ["a", "b"], "train": "3"}),
        ({"train": 2}, {"train": 2}),
    ],
)
def test_references_in_words(raw: Any, parsed: Any) -> None:
    assert parse_reference(raw) == parsed


def test_a_recipe_fills_in_the_models_own() -> None:
    base = TrainRecipe(epochs=3, batch_size=8, optimizer=Optimizer(lr=0.5, clip_norm=1.0), seed=7)
    made = erase(recipe__lr=0.25, recipe__augment=False).recipe.recipe(base, 7)
    assert made == TrainRecipe(3, 8, Optimizer(lr=0.25, clip_norm=1.0), None, 7)
    assert erase().recipe.recipe(None, 0) is None
    assert erase(recipe__augment=True).recipe.recipe(None, 0) == TrainRecipe(augmentation=Augmentation())
