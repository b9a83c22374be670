"""`expunge erase --pending`: all open requests, killed and continued; and nobody erased is learned from again."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from expunge import assert_not_erased
from expunge.app.runs import load_run
from expunge.data.synthetic import synthetic_faces
from expunge.errors import DataError
from expunge.evidence.ledger.pseudonyms import read_keys
from tests.app.workbench import Workbench
from tests.cli.ledgerdesk import Desk, add, attest, erase, killed_at

TODAY = datetime.now(UTC).date()


def pending(bench: Workbench, out: Path, *more: str) -> list[str]:
    method = ["--method", "finetune", "--set", "epochs=1", "--set", "batch_size=16", "--precision", "fp32"]
    model = ["--model", str(bench.original), "--near-copies", "ignore"]
    return ["erase", *bench.flags, *model, *method, "--out", str(out), "--pending", *more]


def add_received(desk: Desk, name: str, days: int) -> None:
    desk("add", "--forget-subject", name, "--received", str(TODAY - timedelta(days)))


def kinds(desk: Desk, number: int) -> list[str]:
    return [event["kind"] for event in desk("show", str(number))["events"]]


def read_ids(bench: Workbench) -> list[str]:
    rows = pq.read_table(bench.faces, columns=["image", "split"]).to_pylist()
    return [row["image"]["path"] for row in rows if row["split"] == "train"]


def request_of(place: Path) -> dict[str, Any]:
    return dict(load_run(place).job["request"])


def test_a_batch_answers_and_closes_all_open_requests(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:2])
    add(desk, people[2:3])
    add(desk, people[3:4])
    desk("withdraw", "2")
    answer = desk(*pending(bench, tmp_path / "run"), ledger=False)
    assert [item["requests"] for item in answer["items"]] == [[1, 3]] and answer["left"] == []
    assert set(request_of(tmp_path / "run")["subjects"]) == {*people[:2], people[3]}
    (run,) = desk("list", "runs")["items"]
    assert run["requests"] == [1, 3] and answer["model"] == run["after"]
    assert [item["state"] for item in desk("list")["items"]] == ["closed", "withdrawn", "closed"]
    assert kinds(desk, 3) == ["request-received", "run-began", "run-finished", "request-closed"]
    assert desk(*pending(bench, tmp_path / "run"), ledger=False)["items"] == [], "nothing is done twice"
    assert len(desk("list", "runs")["items"]) == 1
    desk("check")


def test_one_by_one_the_most_urgent_first_and_each_from_the_last(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add_received(desk, people[0], 1)
    add_received(desk, people[1], 9)
    answer = desk(*pending(bench, tmp_path / "runs", "--one-by-one"), ledger=False)
    assert [item["requests"] for item in answer["items"]] == [[2], [1]]
    first, second = desk("list", "runs")["items"]
    assert first["out"].endswith("request-2") and second["before"] == [first["after"]]
    assert request_of(tmp_path / "runs" / "request-1")["erased_subjects"] == [people[1]]
    assert load_run(tmp_path / "runs" / "request-1").metrics["pictures"]["retain"] == (
        load_run(tmp_path / "runs" / "request-2").metrics["pictures"]["retain"] - 4
    ), "who was erased first does not come back as somebody to keep"
    assert people[1] not in (tmp_path / "runs" / "request-1" / "report.html").read_text()


def test_the_next_request_starts_from_the_last_unlearned_model(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:1])
    desk(*pending(bench, tmp_path / "first"), ledger=False)
    add(desk, people[1:2])
    answer = desk(*erase(bench, tmp_path / "second", people[1:2], 2), code=2, ledger=False)
    assert str(tmp_path / "first") in answer["error"] and "the last model of its line" in answer["error"]
    assert not (tmp_path / "second").exists()
    desk(*pending(bench, tmp_path / "second"), ledger=False)
    first, second = desk("list", "runs")["items"]
    assert second["before"] == [first["after"]]


def test_a_second_attempt_at_the_same_request_may_start_where_the_first_did(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:1])
    desk(*erase(bench, tmp_path / "first", people[:1], 1), ledger=False)
    desk(*erase(bench, tmp_path / "again", people[:1], 1, "--seed", "5"), ledger=False)
    assert len(desk("show", "1")["runs"]) == 2


@pytest.mark.parametrize("where", ["write_results", "run_body"])
def test_a_killed_batch_is_continued_by_the_same_command(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path, where: str
) -> None:
    add(desk, people[:1])
    add(desk, people[1:2])
    words = pending(bench, tmp_path / "run")
    killed_at(where, desk, words)
    add(desk, people[2:3])
    answer = desk(*words, ledger=False)
    (run,) = desk("list", "runs")["items"]
    assert run["requests"] == [1, 2]
    assert [one["request"] for one in answer["left"]] == [3], "it needs a run, and a directory, of its own"
    assert [item["state"] for item in desk("list")["items"]] == ["closed", "closed", "open"]
    assert [kind for kind in kinds(desk, 2) if kind.startswith("run")] == ["run-began", "run-finished"]
    desk("check")


def test_one_by_one_goes_on_where_it_was_killed(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:1])
    add(desk, people[1:2])
    words = pending(bench, tmp_path / "runs", "--one-by-one")
    killed_at("run_body", desk, words)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["request-1"]
    answer = desk(*words, ledger=False)
    assert [item["requests"] for item in answer["items"]] == [[1], [2]]
    first, second = desk("list", "runs")["items"]
    assert second["before"] == [first["after"]] and [run["requests"] for run in (first, second)] == [[1], [2]]
    assert kinds(desk, 1) == ["request-received", "run-began", "run-finished", "request-closed"]


def test_a_batch_is_not_continued_for_somebody_who_withdrew(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:1])
    add(desk, people[1:2])
    words = pending(bench, tmp_path / "run")
    killed_at("write_results", desk, words)
    desk("withdraw", "2")
    assert "request 2 no longer open" in desk(*words, code=2, ledger=False)["error"]
    shutil.rmtree(tmp_path / "run.partial")
    assert [item["requests"] for item in desk(*words, ledger=False)["items"]] == [[1]]


def test_who_is_not_in_the_data_keeps_the_request_open(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, [people[0], "Nobody"])
    add(desk, people[1:2])
    answer = desk(*pending(bench, tmp_path / "run"), ledger=False)
    assert [item["requests"] for item in answer["items"]] == [[2]]
    assert answer["left"] == [{"request": 1, "why": "1 of its names are not among the training pictures"}]
    assert [item["request"] for item in desk("due")["items"]] == [1]


def test_who_is_erased_already_is_answered_with_run_and_attestation(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:2])
    desk(*pending(bench, tmp_path / "first"), ledger=False)
    attestation = attest(tmp_path / "first")
    desk("key", "new")  # the same person has another pseudonym from now on
    add(desk, people[1:2])
    (item,) = desk(*pending(bench, tmp_path / "second"), ledger=False)["items"]
    assert item["already"] and item["run"] == str(tmp_path / "first") and item["requests"] == [2]
    assert item["attestation"] == attestation == desk("list", "runs")["items"][0]["attestation"]
    assert not (tmp_path / "second").exists()
    assert kinds(desk, 2) == ["request-received", "already-erased", "request-closed"]


def test_a_picture_of_somebody_who_is_erased_as_a_whole_is_erased(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:1])
    desk(*pending(bench, tmp_path / "first"), ledger=False)
    picture = next(name for name in read_ids(bench) if name.startswith(people[0]))
    desk("add", "--forget-picture", picture)
    desk("add", "--forget-picture", picture, "--forget-subject", people[1])
    items = desk(*pending(bench, tmp_path / "second"), ledger=False)["items"]
    assert [(item["requests"], item["already"]) for item in items] == [([2], True), ([3], False)]
    assert items[0]["run"] == str(tmp_path / "first")
    asked = request_of(tmp_path / "second")
    assert (asked["subjects"], asked["pictures"], asked["erased_subjects"]) == ([people[1]], [], [people[0]])
    desk("check")


def test_drift_is_entered_and_told(desk: Desk, bench: Workbench, people: list[str], tmp_path: Path) -> None:
    add(desk, people[:1])
    add(desk, people[1:2])
    words = pending(bench, tmp_path / "runs", "--one-by-one", "--retrain-at-loss", "1", "--retrain-at-share", "0.06")
    drift = desk(*words, ledger=False)["drift"]
    tuning = [
        row["value"]
        for number, side in ((1, "before"), (2, "after"))
        for row in load_run(tmp_path / "runs" / f"request-{number}").metrics["audit"][f"rows_{side}"]
        if (row["name"], row["split"]) == ("accuracy", "tuning")
    ]
    assert drift["accuracy_lost"] == pytest.approx(tuning[0] - tuning[1])
    assert drift["erasures"] == 2 and drift["share_erased"] > 0.06 and drift["retrain"]
    (card,) = desk("due")["retrain"]
    assert card["model"] == desk("list", "runs")["items"][-1]["after"]
    assert "TRAIN ANEW: " in desk.text("due")
    assert "drift-measured" in [event["kind"] for event in desk("show", card["runs"][0])["events"]]


BAD: dict[str, tuple[list[str], str]] = {
    "names": (["--forget-subject", "Ana"], "the ledger says who"),
    "a number": (["--request-id", "1"], "none with --pending"),
}


@pytest.mark.parametrize("what", BAD)
def test_pending_names_nobody(desk: Desk, bench: Workbench, tmp_path: Path, what: str) -> None:
    words, said = BAD[what]
    assert said in desk(*pending(bench, tmp_path / "run", *words), code=2, ledger=False)["error"]


def test_training_on_somebody_erased_is_refused(
    desk: Desk, bench: Workbench, people: list[str], tmp_path: Path
) -> None:
    add(desk, people[:2])
    train = ["train", *bench.flags, "--size", "16", "--arch", "resnet10-quarter", "--epochs", "1"]
    desk(*train, "--out", str(tmp_path / "early"), ledger=False)
    desk(*pending(bench, tmp_path / "run"), ledger=False)
    refused = desk(*train, "--out", str(tmp_path / "late"), code=2, ledger=False)["error"]
    assert "2 subjects" in refused and repr(people[0]) in refused and not (tmp_path / "late").exists()
    (tmp_path / "gone.csv").write_text("subject\n" + "\n".join(people[:2]))
    desk(*train, "--without", str(tmp_path / "gone.csv"), "--out", str(tmp_path / "late"), ledger=False)


def test_users_own_training_code_can_ask(desk: Desk, bench: Workbench, people: list[str], tmp_path: Path) -> None:
    add(desk, people[:1])
    faces = synthetic_faces(24, 4, size=16)
    train = faces.role("train")
    picture = next(name for name, who in zip(train.ids, train.subjects, strict=True) if who != people[0])
    desk("add", "--forget-picture", str(picture))
    ask = {"ledger": desk.ledger, "key": desk.key}
    assert_not_erased(people, **ask)
    desk(*pending(bench, tmp_path / "run"), ledger=False)
    (key,) = read_keys(desk.key)
    with pytest.raises(DataError, match=key.pseudonym("subject", people[0])[:33]) as caught:
        assert_not_erased(people, **ask)
    assert "1 subjects" in str(caught.value) and people[0] in str(caught.value) and people[1] not in str(caught.value)
    assert_not_erased(people[1:], **ask)
    with pytest.raises(DataError, match="1 subjects and 1 single pictures"):
        assert_not_erased(faces, **ask)
    assert json.dumps(desk("list")).count(people[0]) == 0
