"""Flags are generated from job fields: every field can be set, and help says what it must be."""

from __future__ import annotations

import re

import pytest

from expunge.app.job import EraseJob, TrainJob
from expunge.cli.flags import options, read_job, setting
from expunge.errors import InputError


def values(**given: object) -> dict[str, object]:
    return {p.name: given.get(p.name) for p in options(EraseJob)} | {"job": given.get("job")}


def test_flags_reach_their_fields() -> None:
    job = read_job(
        EraseJob,
        values(
            data__path="faces.parquet",
            data__labels=["age", "gender"],
            data__skip_unreadable=True,
            model__path="model",
            method__set=["lr=1e-3", "solver=exact"],
            reference=["runs/a", "train:2"],
            engine__max_steps="7",
        ),
    )
    assert job.data.labels == ("age", "gender")
    assert job.data.skip_unreadable
    assert job.method.set == {"lr": "1e-3", "solver": "exact"}
    assert (job.reference.paths, job.reference.train) == (("runs/a",), 2)
    assert job.engine.max_steps == 7


def test_help_says_range_and_default() -> None:
    texts = {p.name: p.annotation.__metadata__[0].help for p in options(TrainJob)}
    assert re.search(r"> 0, <= 100\b", texts["recipe__lr"])
    assert "default: resnet18-half" in texts["model__arch"]
    assert not any("[" in text for text in texts.values())


def test_only_some_parts() -> None:
    assert {p.name.partition("__")[0] for p in options(EraseJob, only=("data",))} == {"data"}


@pytest.mark.parametrize("text", ["lr", "=1", "lr="])
def test_a_setting_needs_name_and_value(text: str) -> None:
    with pytest.raises(InputError, match="name=value"):
        setting(text)
