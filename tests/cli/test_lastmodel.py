"""After a purge: who names a model that is gone, or is erased already, is told which model to use instead."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.app.workbench import Workbench
from tests.cli.ledgerdesk import Desk, add, attest, erase
from tests.cli.test_pending import kinds, pending


def purge(*places: Path) -> None:
    """Delete the weights, as a purge does."""
    for place in places:
        (place / "model" / "model.safetensors").unlink()


@pytest.fixture
def original(bench: Workbench, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bench.original, tmp_path / "original"))


def test_the_last_model_of_a_line_is_named_once_the_others_are_purged(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path, original: Path
) -> None:
    first, second, model = tmp_path / "first", tmp_path / "second", ("--model", str(original))
    add(desk, people[:1])
    desk(*pending(bench, first, *model), ledger=False)
    attestation = attest(first)
    add(desk, people[1:2])
    desk(*pending(bench, second, *model), ledger=False)
    run = desk("list", "runs")["items"][1]["run"]
    purge(original, first)
    assert "without weights" in desk("record", str(first), code=2)["error"], "it is no third run"
    add(desk, people[:1])

    for words in (
        pending(bench, tmp_path / "third", *model),
        pending(bench, tmp_path / "third", "--model", str(original / "model")),
        pending(bench, tmp_path / "third", "--model", str(first)),
        erase(bench, tmp_path / "third", people[:1], 3, *model),
    ):
        refused = desk(*words, code=2, ledger=False)["error"]
        assert "where none are" in refused and f"that of run {run[:16]}, in {second}" in refused
    answer = desk(*erase(bench, tmp_path / "third", people[:1], 3, "--model", str(second)), ledger=False)
    assert (answer["already_erased"], answer["out"], answer["attestation"]) == (True, str(second), attestation)
    (item,) = desk(*pending(bench, tmp_path / "third", "--model", str(second)), ledger=False)["items"]
    assert (item["already"], item["run"], item["attestation"]) == (True, str(second), attestation)
    assert kinds(desk, 3) == ["request-received", "already-erased", "request-closed"]

    add(desk, people[1:2])
    second.rename(tmp_path / "moved")
    words = pending(bench, tmp_path / "third", "--model", str(tmp_path / "moved"))
    (item,) = desk(*words, ledger=False)["items"]
    assert item["already"] and item["run"] is None, "it is answered, wherever the model went"
    refused = desk(*pending(bench, tmp_path / "third", *model), code=2, ledger=False)["error"]
    assert f"which was in {second} and is not any more" in refused
    add(desk, people[2:3])
    refused = desk(*pending(bench, tmp_path / "third", "--model", str(bench.original)), code=2, ledger=False)["error"]
    assert f"in {second}, as run {run[:16]} wrote it" in refused and "name where it is" in refused


def test_a_model_that_the_ledger_does_not_know_is_left_to_its_reader(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path, original: Path
) -> None:
    purge(original)
    add(desk, people[:1])
    words = pending(bench, tmp_path / "run", "--model", str(original))
    assert "expected one of model.safetensors" in desk(*words, code=2, ledger=False)["error"]
