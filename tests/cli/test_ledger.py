"""`expunge ledger` from argv to exit code, and erasing for one of its requests, crashes included."""

from __future__ import annotations

import json
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from expunge.app.keys import KeyFolder
from expunge.app.recording import run_sha256
from expunge.cli.main import main
from expunge.errors import InputError, RequestError
from expunge.evidence.keys import private_file
from expunge.evidence.ledger.deadlines import due_date, extended_due
from expunge.evidence.ledger.pseudonyms import read_keys
from tests.app.workbench import Workbench
from tests.cli.ledgerdesk import Desk, add, attest, erase, killed_at

TODAY = datetime.now(UTC).date()


def test_a_request_from_receipt_to_answer(desk: Desk) -> None:
    came = TODAY - timedelta(3)
    added = desk("add", "--forget-subject", "Ana", "--forget-picture", "p7", "--received", str(came), "--note", "T-1")
    assert (added["request"], added["state"], added["note"]) == (1, "open", "T-1")
    assert (added["subjects"], added["pictures"]) == (1, 1)
    assert added["due"] == str(due_date(came)) and added["days_left"] == (due_date(came) - TODAY).days
    extended = desk("extend", "1", "--reason", "many at once", "--months", "1")
    assert extended["due"] == str(extended_due(came, 1)) and extended["extended"]
    assert "no run of the ledger erased" in desk("close", "1", code=2)["error"]
    assert desk("close", "1", "--reason", "nothing held")["state"] == "closed"
    shown = desk("show", "1")
    assert [event["kind"] for event in shown["events"]] == ["request-received", "request-extended", "request-closed"]
    assert desk("check")["events"] == 3


def test_names_stay_out_of_the_ledger(desk: Desk) -> None:
    desk("add", "--forget-subject", "Ana Lindqvist")
    desk.books.unrepaired().engine.dispose()
    stored = b"".join(path.read_bytes() for path in desk.ledger.parent.iterdir())
    assert b"Lindqvist" not in stored
    assert "Lindqvist" not in json.dumps([desk("show", "1"), desk("list")])


def test_what_is_due_comes_first(desk: Desk) -> None:
    for name, days in (("Ana", 5), ("Bo", 20), ("Cai", 40), ("Dee", 1)):
        desk("add", "--forget-subject", name, "--received", str(TODAY - timedelta(days)))
    desk("withdraw", "2", "--reason", "changed their mind")
    assert [item["request"] for item in desk("due")["items"]] == [3, 1, 4]
    text = desk.text("due")
    assert "OVERDUE by" in text.splitlines()[0] and "days left" in text.splitlines()[1]
    assert [item["state"] for item in desk("list")["items"]] == ["open", "withdrawn", "open", "open"]
    assert "changed their mind" in desk.text("show", "2")


def test_a_request_file(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "request.csv").write_text("subject\nAna\nBo\n")
    assert desk("add", "--request", str(tmp_path / "request.csv"), "--forget-subject", "Ana")["subjects"] == 2


HOSTILE = ["a\0b", "'); DROP TABLE events;--", "<b>x</b>", "\u202eabc", "../../x", "\udcff", "x" * 10_000_000]


def test_hostile_names_are_names(desk: Desk) -> None:
    names = [word for name in HOSTILE for word in ("--forget-subject", name)]
    assert desk("add", *names)["subjects"] == len(HOSTILE)
    assert desk("check")["events"] == 1


BAD: dict[str, tuple[list[str], str]] = {
    "nobody": (["add"], "somebody to erase"),
    "an empty name": (["add", "--forget-subject", ""], "a list of names"),
    "a day to come": (["add", "--forget-subject", "x", "--received", "2999-01-01"], "a day up to"),
    "no day": (["add", "--forget-subject", "x", "--received", "yesterday"], "a day like 2026-03-01"),
    "no file": (["add", "--request", "nowhere.csv"], "nowhere.csv"),
    "a long note": (["add", "--forget-subject", "x", "--note", "x" * 201], "at most 200 characters"),
    "a turned note": (["add", "--forget-subject", "x", "--note", "\u202ex"], "U+202E"),
    "a long reason": (["withdraw", "1", "--reason", "x" * 10_000], "at most 2000 characters"),
    "NUL in a reason": (["withdraw", "1", "--reason", "a\0b"], "U+0000"),
    "no such request": (["withdraw", "9"], "a number from 1 to 1"),
    "request 0": (["withdraw", "0"], "a number from 1"),
    "a request that is no number": (["close", "one"], "a valid integer"),
    "too many months": (["extend", "1", "--reason", "x", "--months", "3"], "1 to 2 further months"),
    "no reason": (["extend", "1", "--reason", " "], "a reason"),
    "nothing to show": (["show", "abcd1234"], "0 of them"),
    "too little to show": (["show", "a"], "4 or more digits"),
    "no such request to show": (["show", "5"], "a number from 1 to 1"),
    "an unknown list": (["list", "people"], "requests, runs, audits, models"),
    "no run": (["record", "nowhere"], "a run directory"),
    "a head without a key": (["head", "--out", "head.json"], "--key and --out"),
    "a head without its key": (["check", "--head", "head.json"], "--head and --public-key"),
    "an unknown action": (["key", "bend"], "new, list, drop"),
    "drop nothing": (["key", "drop"], "the id of a key"),
    "drop an unknown key": (["key", "drop", "--key-id", "0" * 16], "a key of the file or of the ledger"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_line_and_changes_nothing(desk: Desk, what: str) -> None:
    desk("add", "--forget-subject", "Ana")
    before = desk("head")["hash"]
    words, said = BAD[what]
    answer = desk(*words, code=2)
    assert said in answer["error"] and len(answer["error"]) < 400
    assert desk("head")["hash"] == before


def test_nothing_works_without_ledger_or_key(empty: Desk) -> None:
    assert "expunge ledger migrate" in empty("add", "--forget-subject", "x", code=2)["error"]
    assert not empty.ledger.exists()
    empty("migrate")
    assert "expunge ledger key new" in empty("add", "--forget-subject", "x", code=2)["error"]


def test_the_environment_names_ledger_and_key(empty: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPUNGE_LEDGER", str(empty.ledger))
    monkeypatch.setenv("EXPUNGE_LEDGER_KEY", str(empty.key))
    for words in (["migrate"], ["key", "new"], ["add", "--forget-subject", "Ana"]):
        assert main(["ledger", *words]) == 0
    assert desk_has(empty, 1)


def desk_has(desk: Desk, requests: int) -> bool:
    return len(desk("list")["items"]) == requests


def test_a_head_shows_what_was_cut_off(desk: Desk, tmp_path: Path) -> None:
    for name in ("Ana", "Bo", "Cai"):
        desk("add", "--forget-subject", name)
    ring = KeyFolder(tmp_path / "signing").new()
    (private,) = (p for p in (tmp_path / "signing").glob("*.pem") if not p.name.endswith(".pub.pem"))
    public, head = private.with_suffix(".pub.pem"), tmp_path / "head.json"
    signed = desk("head", "--key", str(private), "--out", str(head))
    assert signed["sequence"] == 3 and ring.current.name
    proof = ["--head", str(head), "--public-key", str(public)]
    assert desk("check", *proof)["head"] == 3
    assert "nothing was changed or removed" in desk.text("check", *proof)
    assert "without --head nobody can tell" in desk.text("check")
    with sqlite3.connect(desk.ledger) as database:
        database.execute("DELETE FROM mentions WHERE sequence = 3")
        database.execute("DELETE FROM events WHERE sequence = 3")
    assert desk("check")["events"] == 2, "without the head it looks whole"
    assert "the last ones were removed" in desk("check", *proof, code=2)["error"]


def test_a_key_that_was_followed_by_another_signs_no_head(desk: Desk, tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path / "signing")
    old = folder.new().current.name
    folder.rotate()
    refused = desk("head", "--key", str(private_file(folder.place, old)), "--out", str(tmp_path / "head.json"), code=2)
    assert "rotated" in refused["error"] and not (tmp_path / "head.json").exists()


def test_a_changed_row_is_found(desk: Desk) -> None:
    desk("add", "--forget-subject", "Ana", "--note", "T-1")
    with sqlite3.connect(desk.ledger) as database:
        database.execute("UPDATE events SET body = replace(body, 'T-1', 'T-2')")
    assert "event 1: expected its own hash" in desk("check", code=2)["error"]


def test_keys_are_turned_over_and_dropped(desk: Desk) -> None:
    desk("add", "--forget-subject", "Ana")
    (first,) = desk("key", "list")["items"]
    desk("key", "new")
    desk("add", "--forget-subject", "Ana")
    assert [item["state"] for item in desk("key", "list")["items"]] == ["old", "current"]
    drop = ["key", "drop", "--key-id", first["key"]]
    assert "close it first" in desk(*drop, code=2)["error"]
    desk("close", "1", "--reason", "nothing held")
    assert [item["state"] for item in desk(*drop)["items"]] == ["current", "dropped"]
    assert first["key"] not in {key.name for key in read_keys(desk.key)}
    assert "a key that is not dropped" not in desk(*drop)["status"], "to drop it again changes nothing"
    assert desk("check")["events"] == 4
    desk("add", "--forget-subject", "Bo")


def test_a_lost_key_is_noticed(desk: Desk) -> None:
    desk("add", "--forget-subject", "Ana")
    desk.key.unlink()
    desk("key", "new")
    answer = desk("add", "--forget-subject", "Ana", code=2)
    assert "which made pseudonyms" in answer["error"]
    assert {item["state"] for item in desk("key", "list")["items"]} == {"current", "missing"}


def test_an_erasure_and_its_lineage(desk: Desk, bench: Workbench, people: list[str], tmp_path: Path) -> None:
    add(desk, people[:2])
    add(desk, people[2:3])
    desk("record", str(bench.original))
    first = desk(*erase(bench, tmp_path / "first", people[:2], 1), ledger=False)
    second = erase(bench, tmp_path / "second", people[2:3], 2, "--model", str(tmp_path / "first"))
    desk(*second, ledger=False)
    runs = desk("list", "runs")["items"]
    assert [(run["kind"], run["requests"]) for run in runs] == [("train", []), ("erase", [1]), ("erase", [2])]
    assert runs[1]["run"] == run_sha256(tmp_path / "first")
    models = desk("list", "models")["items"]
    assert [model["method"] for model in models] == ["train", "finetune", "finetune"]
    assert [model["from"] for model in models] == [[], [models[0]["model"]], [models[1]["model"]]]
    assert models[1]["model"] == first["weights"]["after"] and models[1]["requests"] == [1]
    kinds = [event["kind"] for event in desk("show", "1")["events"]]
    assert kinds == ["request-received", "run-began", "run-finished"]
    assert desk("close", "1")["state"] == "closed", "a run erased it: no reason is needed"
    assert desk("show", runs[1]["run"][:8])["requests"] == [1]
    assert models[1]["model"][:16] in desk.text("list", "models")
    desk("check")


def test_who_is_erased_already_is_told_so(desk: Desk, bench: Workbench, people: list[str], tmp_path: Path) -> None:
    add(desk, people[:2])
    add(desk, people[:1])
    desk(*erase(bench, tmp_path / "first", people[:2], 1), ledger=False)
    attestation = attest(tmp_path / "first")
    for model in (bench.original, tmp_path / "first"):
        answer = desk(*erase(bench, tmp_path / "again", people[:1], 2, "--model", str(model)), ledger=False)
        assert answer["already_erased"] and answer["out"] == str(tmp_path / "first")
        assert answer["attestation"] == desk("list", "runs")["items"][0]["attestation"] == attestation
    assert not (tmp_path / "again").exists() and not (tmp_path / "again.partial").exists()
    assert [event["kind"] for event in desk("show", "2")["events"]] == ["request-received", "already-erased"]
    shutil.rmtree(tmp_path / "first")
    answer = desk(*erase(bench, tmp_path / "again", people[:1], 2), code=2, ledger=False)
    assert f"whose model is not in {tmp_path / 'first'} any more" in answer["error"]
    assert desk("close", "2")["runs"] == [desk("list", "runs")["items"][0]["run"]]


def test_only_a_runs_own_attestation_is_entered(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    first, again, moved = (tmp_path / name for name in ("first", "again", "moved"))
    add(desk, people[:1])
    desk(*erase(bench, first, people[:1], 1), ledger=False)
    desk(*erase(bench, again, people[:1], 1, "--seed", "5"), ledger=False)
    attestation = attest(again)
    shutil.copy(again / "attestation.json", first)
    again.rename(moved)
    assert [run["attestation"] for run in desk("list", "runs")["items"]] == [None, None]
    assert "files that were attested" in desk("record", str(first), code=2)["error"]
    desk("record", str(moved))
    assert [run["attestation"] for run in desk("list", "runs")["items"]] == [None, attestation]
    desk("check")


def test_a_model_of_another_line_still_knows_them(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    """The reference stands in for a second product that was trained on the same people."""
    add(desk, people[:1])
    add(desk, people[:1])
    desk(*erase(bench, tmp_path / "first", people[:1], 1), ledger=False)
    other = erase(bench, tmp_path / "other", people[:1], 2, "--model", str(bench.reference))
    assert "already_erased" not in desk(*other, ledger=False)


def test_requests_that_nothing_may_be_erased_for(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    for _ in range(3):
        add(desk, people[:1])
    desk("withdraw", "1")
    desk("close", "2", "--reason", "not ours")
    for number, who, said in (
        (1, people[:1], "request 1, which is withdrawn"),
        (2, people[:1], "request 2, which is closed"),
        (3, people[:2], "1 that it does not name"),
        (3, people[1:2], "without 1 that it does"),
        (4, people[:1], "a number from 1 to 3"),
    ):
        answer = desk(*erase(bench, tmp_path / "run", who, number), code=2, ledger=False)
        assert said in answer["error"]
    assert list(tmp_path.glob("run*")) == []
    assert desk("list", "runs")["items"] == []


def test_a_ledger_without_a_request_is_half_a_thing(desk: Desk, bench: Workbench, tmp_path: Path) -> None:
    words = erase(bench, tmp_path / "run", ["x"], 1)
    at = words.index("--request-id")
    assert "--request-id" in desk(*words[:at], *words[at + 2 :], code=2, ledger=False)["error"]


def test_a_crash_between_run_and_entry_is_repaired_once(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:1])
    words = erase(bench, tmp_path / "run", people[:1], 1)
    killed_at("run_body", desk, words)
    assert (tmp_path / "run" / "metrics.json").exists()
    with desk.books.unrepaired().reading() as view:
        assert [run.out for run in view.begun()] == [str(tmp_path / "run")] and view.register().runs == {}
    for _ in range(2):
        (run,) = desk("list", "runs")["items"]
        assert run["run"] == run_sha256(tmp_path / "run") and run["requests"] == [1]
    desk(*words, "--resume", ledger=False)
    desk("record", str(tmp_path / "run"))
    kinds = [event["kind"] for event in desk("show", "1")["events"]]
    assert kinds == ["request-received", "run-began", "run-finished"]
    assert desk("show", "1")["begun"] == []
    desk("check")


def test_a_crash_within_the_run_is_resumed_and_entered_once(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:1])
    words = erase(bench, tmp_path / "run", people[:1], 1)
    killed_at("write_results", desk, words)
    assert desk("show", "1")["begun"] == [str(tmp_path / "run")]
    assert desk("list", "runs")["items"] == []
    desk(*words, "--resume", ledger=False)
    kinds = [event["kind"] for event in desk("show", "1")["events"]]
    assert kinds == ["request-received", "run-began", "run-finished"]


def test_a_finished_run_is_not_taken_for_another_request(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:1])
    add(desk, people[:1])
    desk(*erase(bench, tmp_path / "run", people[:1], 1), ledger=False)
    answer = desk(*erase(bench, tmp_path / "run", people[:1], 2, "--resume"), code=2, ledger=False)
    assert "a run for request 2, came one for 1" in answer["error"]


def test_another_run_in_the_same_place_is_not_the_one_that_was_begun(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:1])
    words = erase(bench, tmp_path / "run", people[:1], 1)
    killed_at("run_body", desk, words)
    shutil.rmtree(tmp_path / "run")
    at = words.index("--request-id")
    assert main([*words[:at], "--seed", "7"]) == 0
    assert desk("list", "runs")["items"] == []
    assert desk("show", "1")["begun"] == [str(tmp_path / "run")]


def test_receipts_of_a_purge(desk: Desk) -> None:
    desk("add", "--forget-subject", "Ana")
    (key,) = read_keys(desk.key)
    removed = key.pseudonyms("file", ["cache/faces"])
    kept = [{"file": key.pseudonym("file", "ledger"), "why": "pseudonyms, to answer for what was done"}]
    desk.books.purged([1], removed, kept)
    assert desk("show", "1")["purges"] == 1
    assert desk("show", "1")["events"][-1]["fields"]["removed"] == removed
    with pytest.raises(RequestError):
        desk.books.purged([2], removed, [])
    with pytest.raises(InputError, match="a pseudonym"):
        desk.books.purged([1], ["cache/faces"], [])
