"""Audit use case: several models side by side, with and without an original and references."""

from __future__ import annotations

from pathlib import Path

import pytest

from expunge.app.audit import audit_files, names_of
from expunge.app.desk import Silent
from expunge.app.results import table_rows
from expunge.app.runs import load_run
from expunge.errors import DataError, InputError, ModelError
from tests.app.workbench import Workbench, listing


def test_models_are_audited_side_by_side(bench: Workbench, tmp_path: Path) -> None:
    job = bench.audit(
        tmp_path / "run",
        models=[str(bench.original), str(bench.original / "model")],
        original=str(bench.original),
        reference=str(bench.reference),
    )
    run = load_run(audit_files(job, desk=Silent()))
    assert set(listing(run.path)) == {"job.yaml", "metrics.json", "audit-1.html", "audit-2.html"}
    rows = list(table_rows(run.metrics))
    assert list(rows[0].values) == ["original", "model"]
    likeness = next(row for row in rows if row.name == "zrf")  # the models' directory says how to build one afresh
    assert likeness.split == "forget" and all(cell is not None for cell in likeness.values.values())
    row = next(row for row in rows if (row.name, row.split) == ("distance", "reporting"))
    assert row.values["original"] is not None and row.values["original"] == row.values["model"]
    first, second = run.metrics["audits"]
    assert first["rows_before"] == second["rows_before"] == second["rows_after"] == first["rows_after"]


def test_without_a_reference_it_says_what_cannot_be_said(bench: Workbench, tmp_path: Path) -> None:
    run = load_run(audit_files(bench.audit(tmp_path / "run"), desk=Silent()))
    assert run.metrics["references"] == []
    assert "no retrained reference" in run.metrics["audits"][0]["notes"][0]
    assert all(row.reference is None for row in table_rows(run.metrics))
    assert audit_files(bench.audit(tmp_path / "run"), desk=Silent(), resume=True) == run.path


def test_groups_of_a_column_are_attacked_one_by_one(bench: Workbench, tmp_path: Path) -> None:
    job = bench.audit(tmp_path / "run", groups=["expression"], reference=str(bench.reference))
    (audit,) = load_run(audit_files(job, desk=Silent())).metrics["audits"]
    groups = {(one["column"], one["group"]): one["after"] for one in audit["groups"]}
    named = {group for column, group in groups if column == "expression"}
    assert named <= {"glad", "neutral", "sad", "surprised"} and len(named) > 1
    assert {column for column, _ in groups} == {"expression", "age_group"}
    rows = [groups["expression", group] for group in named]
    assert all(row["gap"] is not None and row["n"] > 0 for row in rows)
    with pytest.raises(DataError, match="expression"):
        audit_files(bench.audit(tmp_path / "other", groups=["mood"]), desk=Silent())
    assert not (tmp_path / "other").exists()


def test_references_are_not_trained_here(bench: Workbench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expunge train --without"):
        audit_files(bench.audit(tmp_path / "run", reference="train"), desk=Silent())
    with pytest.raises(ModelError, match="nowhere"):
        audit_files(bench.audit(tmp_path / "run", models=[str(tmp_path / "nowhere")]), desk=Silent())
    assert list(tmp_path.iterdir()) == []


def test_a_reference_is_another_model_than_all_it_is_compared_with(bench: Workbench, tmp_path: Path) -> None:
    """The planted faults: a model that is its own reference is like it, and one reference twice looks like no luck."""
    own, reference = str(bench.original / "model"), str(bench.reference)
    for flags in (
        {"reference": own},
        {"models": [reference], "original": own, "reference": own},
        {"reference": [reference, str(bench.reference / "model")]},
    ):
        with pytest.raises(InputError, match=r"reference .*expected other weights"):
            audit_files(bench.audit(tmp_path / "run", **flags), desk=Silent())
    assert list(tmp_path.iterdir()) == []


def test_files_of_weights_share_a_factory(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import torch
from torch import nn

class Twins(nn.Module):  # whose last layer has to be named
    def __init__(self):
        super().__init__()
        self.down, self.a, self.b = nn.Linear(768, 8), nn.Linear(8, 2), nn.Linear(8, 2)

    def forward(self, x):
        found = self.down(x.flatten(1)).relu()
        return torch.cat([self.a(found), self.b(found)], dim=1)

def make():
    return Twins()

if __name__ == "__main__":
    for name in "abc":
        torch.save({"state_dict": make().state_dict()}, f"{name}.pth")
"""
    (tmp_path / "mine_audit.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    exec(code, {"__name__": "__main__"})
    job = bench.audit(
        tmp_path / "run",
        models=["a.pth", "b.pth"],
        factory="mine_audit:make",
        head="a",
        normalise="half",
        reference="c.pth",
    )
    rows = list(table_rows(load_run(audit_files(job, desk=Silent())).metrics))
    assert list(rows[0].values) == ["a.pth", "b.pth"]
    with pytest.raises(ModelError, match="normalise"):
        audit_files(job.model_copy(update={"normalise": None, "out": tmp_path / "silent"}), desk=Silent())


def test_names_tell_models_apart() -> None:
    assert names_of(["x/a", "y/a", "z"]) == ["x/a", "y/a", "z"]
    assert names_of(["a", "a"]) == ["1: a", "2: a"]
