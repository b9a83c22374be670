"""`expunge ledger list` and `show`: what every hash of a ledger stands for, and what it came from."""

from __future__ import annotations

from typing import Any

import pytest

from expunge.evidence.ledger.store import Writer
from tests.cli.ledgerdesk import Desk

DATA, OTHER_DATA, ORIGINAL, FIRST, SECOND, ATTESTATION = (
    letter * 32 for letter in ("dd", "ee", "aa", "bb", "cc", "9f")
)
TRAINED, ERASED, AGAIN, AUDITED, BEGUN = (digit * 64 for digit in "12345")


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """A model that was trained, two erasures in a row of which the first is attested, an audit and a run at work."""
    for name in ("Ana", "Bo", "Cai"):
        desk("add", "--forget-subject", name)
    with desk.books.unrepaired().writing() as writer:
        enter(writer, TRAINED, "train", before=[], after=ORIGINAL)
        enter(writer, ERASED, "erase", before=[ORIGINAL], after=FIRST, requests=[1], method="scrub")
        writer.append("attested", {"run": ERASED, "attestation": ATTESTATION})
        enter(writer, AGAIN, "erase", before=[FIRST], after=SECOND, requests=[2], method="finetune")
        enter(writer, AUDITED, "audit", before=[ORIGINAL, FIRST], after=None, requests=[1], data=OTHER_DATA)
        begun = {"request": 3, "out": f"/runs/{BEGUN[:4]}", "data": "f" * 64, "before": [SECOND]}
        writer.append("run-began", {**begun, "job": f"{'0' * 16}:{'0' * 64}"})
    return desk


def enter(writer: Writer, run: str, kind: str, *, after: str | None, **fields: Any) -> None:
    body = {"run": run, "kind": kind, "out": f"/runs/{run[:4]}", "after": after}
    writer.append("run-finished", {"requests": [], "data": DATA, "method": "", **fields, **body})


def test_everything_is_listed_by_its_hash(filled: Desk) -> None:
    def listed(kind: str, field: str) -> list[str]:
        return [item[field] for item in filled("list", kind)["items"]]

    assert listed("runs", "run") == [TRAINED, ERASED, AGAIN, AUDITED]
    assert listed("audits", "run") == [AUDITED]
    assert listed("models", "model") == [ORIGINAL, FIRST, SECOND]
    assert listed("attestations", "attestation") == [ATTESTATION]
    read, other = filled("list", "datasets")["items"]
    assert (read["dataset"], read["runs"]) == (DATA, [TRAINED, ERASED, AGAIN])
    assert (read["models"], read["requests"]) == ([ORIGINAL, FIRST, SECOND], [1, 2])
    assert (other["dataset"], other["runs"], other["models"]) == (OTHER_DATA, [AUDITED], [])


@pytest.mark.parametrize(
    ("name", "what"),
    {
        "2": "request",
        "02": "request",
        ERASED: "run",
        ERASED[:8]: "run",
        AUDITED: "run",
        FIRST: "model",
        DATA: "dataset",
        ATTESTATION: "attestation",
    }.items(),
)
def test_every_name_says_what_it_is_and_what_happened_to_it(filled: Desk, name: str, what: str) -> None:
    card = filled("show", name)
    assert card["what"] == what and card["events"]
    assert filled.text("show", name).startswith(f"{what} {name.lstrip('0')[:16]}")


def test_the_line_of_a_model_goes_back_to_its_training(filled: Desk) -> None:
    assert [(step["model"], step["by"]) for step in filled("show", SECOND[:6])["lineage"]] == [
        (ORIGINAL, "train"),
        (FIRST, "erase"),
        (SECOND, "erase"),
    ]
    text = filled.text("show", SECOND[:6])
    a, b, c = ORIGINAL[:16], FIRST[:16], SECOND[:16]
    assert f"{a} = train()\n" in text
    assert f"{b} = erase({a}, request 1) by scrub\n" in text and f"{c} = erase({b}, request 2) by finetune\n" in text
    assert c not in filled.text("show", FIRST[:6]), "what came later is not where it came from"


def test_an_attestation_leads_to_its_run_and_its_models(filled: Desk) -> None:
    card = filled("show", ATTESTATION[:8])
    assert (card["run"], card["model"], card["requests"]) == (ERASED, FIRST, [1])
    assert [step["model"] for step in card["lineage"]] == [ORIGINAL, FIRST]
    assert f"attested  {ATTESTATION[:16]}" in filled.text("show", ATTESTATION[:8])


def test_an_audit_tells_of_all_models_that_it_read(filled: Desk) -> None:
    assert [step["model"] for step in filled("show", AUDITED)["lineage"]] == [ORIGINAL, FIRST]


def test_what_only_a_run_at_work_names_is_known_too(filled: Desk) -> None:
    card = filled("show", "ffff")
    assert (card["what"], card["runs"]) == ("dataset", [])
    assert [event["kind"] for event in card["events"]] == ["run-began"] and "/runs/5555" in filled.text("show", "ffff")


def test_a_beginning_of_several_hashes_is_refused(filled: Desk) -> None:
    assert "a number from 1 to 3" in filled("show", "222", code=2)["error"], "too short for a hash"
    assert "a number from 1 to 3" in filled("show", "23456789", code=2)["error"], "no hash begins so"
    with filled.books.unrepaired().writing() as writer:
        enter(writer, ATTESTATION[:10] + "0" * 54, "train", before=[], after="8" * 64)
    assert "2 of them" in filled("show", ATTESTATION[:8], code=2)["error"]
    assert filled("show", ATTESTATION[:12])["what"] == "attestation"
