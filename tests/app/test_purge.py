"""What holds erased people is found and goes with a receipt; what does not stays; and what is left is said."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from expunge.app import purge as use_case
from expunge.app.desk import Silent
from expunge.app.ledger import Books
from expunge.app.purge import RECEIPTS, Purged, PurgeSettings, purge
from expunge.app.purgescope import scope_of
from expunge.app.recording import run_sha256
from expunge.audits.shadowcache import Shadow, ShadowCache
from expunge.cli.main import main
from expunge.data.requests import ErasureRequest
from expunge.data.sources import DataSpec, read_dataset
from expunge.errors import RequestError
from expunge.evidence.ledger.check import check_ledger
from expunge.evidence.ledger.pseudonyms import read_keys
from expunge.evidence.purge.inventory import Inventory
from expunge.models.load import load_model
from tests.app.purging import PEOPLE, build, erased_people, erased_picture, files, plant
from tests.evidence.ledgers import new_schema, postgres

RUN, ROOTS = Path("runs/erased"), (Path("runs"), Path("cache"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("purge")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        build()
    return place


@pytest.fixture
def here(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(built, tmp_path / "place")
    monkeypatch.chdir(tmp_path / "place")
    return tmp_path / "place"


class Agreeing(Silent):
    """Says yes, after doing something."""

    def __init__(self, before: Callable[[], object] = lambda: None, *, answer: bool = True) -> None:
        super().__init__()
        self.before, self.answer = before, answer

    def confirm(self, question: str, *, unasked: bool = True) -> bool:
        self.before()
        return self.answer


def purged(desk: Silent | None = None, *, roots: tuple[Path, ...] = ROOTS, books: Books | None = None) -> Purged:
    def show(plan: Inventory) -> None:
        assert plan.items

    return purge(PurgeSettings(RUN, roots, books), desk=desk or Agreeing(), show=show)


def receipts() -> list[tuple[str, str]]:
    """Path and hash of every receipt in the file."""
    lines = [json.loads(line) for line in (RUN / RECEIPTS).read_text().splitlines()]
    return sorted((line["what"], line["sha256"]) for line in lines if line["state"] == "deleted")


@pytest.mark.usefixtures("here")
def test_every_kind_of_holder_goes_with_a_receipt() -> None:
    holders = plant() | set(Path("cache").glob("*.*")) | {Path("runs/original/model/model.safetensors")}
    before = files()
    done = purged()
    after = files()
    assert done.after.left == () and {path for path in holders if path.exists()} == set()
    assert receipts() == sorted(set(before.items()) - set(after.items()))
    assert {path for path, _ in receipts()} == {str(path.absolute()) for path in holders}
    assert after.keys() - before.keys() == {str((RUN / RECEIPTS).absolute())}


@pytest.mark.usefixtures("here")
def test_what_stays_can_be_used() -> None:
    kept = {str(item.path.relative_to(Path.cwd())): item.kind for item in purged(roots=(Path(),)).after.of("keep")}
    assert kept == {
        "runs/erased/model/model.safetensors": "model",
        "faces.parquet": "your data",
        "request.csv": "request",
    }
    load_model(RUN / "model")
    spec = DataSpec(path="faces.parquet", labels=("age_group",), subject="subject")
    assert len(read_dataset(spec, size=(32, 32), cache=Path("cache"))) == 48


@pytest.mark.usefixtures("here")
def test_what_is_not_ours_or_names_others_too_is_named_only() -> None:
    person = erased_people()[0]
    Path("runs/people.csv").write_text(f"name,age\n{person},30\nsomebody,40\n")
    Path("runs/erased/events.jsonl").write_text(json.dumps({"kind": "note", "text": person}) + "\n")
    done = purged()
    assert [(item.path.name, item.kind, item.fate) for item in done.after.left] == [
        ("people.csv", "list of names", "yours")
    ]
    assert "events.jsonl" in {item.path.name for item in done.after.of("keep")}


def test_where_a_class_is_a_person_the_model_that_stays_keeps_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    build(PEOPLE)
    person = erased_people()[0]
    Path("runs/erased/model/notes.md").write_text(f"as {person} said\n")
    Path("runs/foreign/model").mkdir(parents=True)
    Path("runs/foreign/model/model.safetensors").write_text("weights")
    Path("runs/foreign/model/config.json").write_text(json.dumps({"id2label": {"0": person}}))
    job = {"kind": "train", "data": {**PEOPLE, "path": "others"}, "frozen": {"inputs": {"pictures": "others"}}}
    Path("runs/foreign/job.yaml").write_text(json.dumps(job))
    done = purged()
    labels = [item for item in done.after.of("keep") if item.kind == "labels of a model"]
    assert {str(item.path.relative_to(tmp_path)) for item in labels} == {
        f"runs/erased/model/{name}" for name in ("README.md", "config.json", "expunge.json")
    }
    assert all("rename that class" in item.reason for item in labels)
    elsewhere = {str(item.path.relative_to(tmp_path / "runs")) for item in done.after.left}
    assert elsewhere == {"erased/model/notes.md", "foreign/model/config.json"}, "who put the name there is asked"
    gone = {
        Path(path).name for path, _ in receipts() if Path("runs/original") in Path(path).relative_to(tmp_path).parents
    }
    assert gone == {"model.safetensors", "config.json", "expunge.json"}


@pytest.mark.usefixtures("here")
def test_shadows_that_never_heard_of_them_stay() -> None:
    one, other = sorted(scope_of(RUN, Silent()).without)[:2]
    shadow = Shadow(np.zeros((4, 1), np.float32), np.ones(4, bool), 4, 1.0)
    cache = ShadowCache(Path("cache/shadows"))
    stays = {"population": one, "watched": other, "unlearning": None}
    asked = [{**stays, "watched": "all"}, {**stays, "population": "all"}, {**stays, "unlearning": {"forget": one}}]
    for ingredients in (stays, *asked):
        cache.write(ingredients, shadow)
    assert purged().after.left == ()
    assert cache.has(stays) and not any(cache.has(ingredients) for ingredients in asked)


@pytest.mark.usefixtures("here")
def test_a_copy_that_appears_meanwhile_is_found() -> None:
    def copy() -> None:
        Path("cache/deep/down").mkdir(parents=True)
        erased_picture().save("cache/deep/down/holiday.jpg", quality=60)

    done = purged(Agreeing(copy))
    assert [(item.path.name, item.fate) for item in done.after.left] == [("holiday.jpg", "yours")]
    assert Path("cache/deep/down/holiday.jpg").exists()
    assert main(["purge", "--run", str(RUN), "--root", "cache", "--yes", "--json"]) == 5


@pytest.mark.usefixtures("here")
def test_nothing_is_deleted_without_a_yes() -> None:
    before = files()
    done = purged(Agreeing(answer=False))
    assert files() == before and not done.agreed and len(done.after.left) == 5


def warned(*, answer: bool) -> list[str]:
    """What was warned of before anybody was asked."""
    warnings = list[str]()
    desk = Agreeing(lambda: warnings.extend(desk.warnings), answer=answer)
    purged(desk)
    return warnings


@pytest.mark.usefixtures("here")
def test_what_takes_the_original_is_asked_for_before_it_goes() -> None:
    (warning,) = warned(answer=False)
    assert "not attested" in warning and "`expunge attest` first" in warning
    signed = RUN / "attestation.json"
    signed.write_text("signed")
    (warning,) = warned(answer=False)
    assert "report.html does not name" in warning and "`expunge report` first" in warning
    report = RUN / "report.html"
    report.write_text(f"{report.read_text()}<!-- {hashlib.sha256(signed.read_bytes()).hexdigest()} -->")
    assert warned(answer=True) == []
    signed.unlink()
    Path(f"cache/{'0' * 40}.pixels.12.34.tmp").write_text("torn")
    assert warned(answer=True) == [], "the original is gone: it is too late to tell"


@pytest.mark.usefixtures("here")
def test_what_lies_outside_the_roots_is_named_and_not_touched() -> None:
    store = set(Path("cache").iterdir())
    done = purged(roots=(Path("runs"),))
    assert {item.path for item in done.after.left} == {path.absolute() for path in store}
    assert {item.fate for item in done.after.left} == {"yours"} and all(path.exists() for path in store)


def test_links_lead_nowhere(here: Path) -> None:
    outside = here.parent / "outside"
    shutil.copytree("cache", outside)
    Path("runs/link").symlink_to(outside)
    Path("runs/weights.safetensors").symlink_to(here.parent / "place" / "runs" / "original" / "model.pt")
    done = purged()
    assert done.after.left == () and len(list(outside.iterdir())) == 4
    assert sum("not followed" in note for note in done.after.notes) == 2


def killed(after: int, moment: str) -> None:
    """Purge in another process, which is killed before or after a deletion."""

    def child() -> None:
        unlink, count = os.unlink, [0]

        def deadly(name: str, *, dir_fd: int) -> None:
            count[0] += 1
            if moment == "after":
                unlink(name, dir_fd=dir_fd)
            if count[0] == after:
                os.kill(os.getpid(), signal.SIGKILL)
            if moment == "before":
                unlink(name, dir_fd=dir_fd)

        os.unlink = deadly  # type: ignore[assignment]
        purged()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_killed_purge_is_taken_up(moment: str) -> None:
    plant()
    before = files()
    killed(3, moment)
    assert set(before) != set(files())
    assert purged().after.left == ()
    assert receipts() == sorted(set(before.items()) - set(files().items()))
    count = len(receipts())
    assert purged().deleted == 0 and len(receipts()) == count


@pytest.mark.usefixtures("here")
def test_the_ledger_gets_each_receipt_once(monkeypatch: pytest.MonkeyPatch) -> None:
    books = Books("ledger.db", Path("ledger.key"))
    books.migrate()
    books.new_key()
    books.add(ErasureRequest(subjects=tuple(erased_people())))
    with pytest.raises(RequestError, match="ledger record"):
        purged(books=books)
    books.record(RUN, (1,))
    with monkeypatch.context() as patch:
        patch.setattr(use_case, "enter", lambda *_: None)  # as if it died between the last deletion and the entry
        purged(books=books)
    for _ in range(2):
        done = purged(books=books)
    with books.open().reading() as view:
        (event,) = view.events(kind="purged")
    (key,) = read_keys(books.key)
    written = [f"{what}\n{digest}\n1" for what, digest in receipts()]
    assert event.body["removed"] == key.pseudonyms("file", written), "whoever has receipts and key can compare"
    stored = b"".join(path.read_bytes() for path in Path().glob("ledger.db*"))
    for name in (*erased_people(), *(digest for _, digest in receipts()), "request.csv", "safetensors"):
        assert name.encode() not in stored.replace(str(RUN).encode(), b""), name
    assert event.body["requests"] == [1] and len(event.body["kept"]) == len(done.after.of("keep"))
    assert books.show("1")["purges"] == 1 and run_sha256(RUN) in books.show("1")["runs"]


@pytest.mark.usefixtures("here")
def test_a_ledger_on_postgresql_gets_each_receipt_once() -> None:
    with postgres() as server:
        books = Books(new_schema(server), Path("ledger.key"))
        books.migrate()
        books.new_key()
        books.add(ErasureRequest(subjects=tuple(erased_people())))
        with pytest.raises(RequestError, match="ledger record"):
            purged(books=books)
        books.record(RUN, (1,))
        assert purged(books=books).deleted
        Path(f"cache/{'0' * 40}.pixels.12.34.tmp").write_text("torn")
        assert purged(books=books).deleted == 1 and purged(books=books).deleted == 0
        with books.open().reading() as view:
            events = view.events(kind="purged")
            check_ledger(view)
    removed = [name for event in events for name in event.body["removed"]]
    (key,) = read_keys(books.key)
    written = [f"{what}\n{digest}\n1" for what, digest in receipts()]
    assert [event.body["requests"] for event in events] == [[1], [1]]
    assert sorted(removed) == sorted(key.pseudonyms("file", written))


@pytest.mark.usefixtures("here")
def test_the_ledger_takes_receipts_of_a_run_that_answered_no_request() -> None:
    books = Books("ledger.db", Path("ledger.key"))
    books.migrate()
    books.new_key()
    books.record(RUN)
    assert purged(books=books).deleted
    with books.open().reading() as view:
        (event,) = view.events(kind="purged")
    assert event.body["requests"] == [] and len(event.body["removed"]) == len(receipts())


@pytest.mark.usefixtures("here")
def test_without_their_pictures_nobody_can_search(capsys: pytest.CaptureFixture[str]) -> None:
    Path("request.csv").write_text("subject\nperson-9999\n")
    assert main(["purge", "--run", str(RUN), "--yes", "--json"]) == 2
    assert "purge first" in json.loads(capsys.readouterr().out)["error"]
    assert Path("runs/original/model/model.safetensors").exists()


@pytest.mark.usefixtures("here")
def test_people_read_what_becomes_of_what(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["purge", "--run", str(RUN), "--root", "runs", "--root", "cache"]
    assert main(words) == 5
    assert "nobody said yes" in capsys.readouterr().out
    assert main([*words, "--yes"]) == 0
    out = capsys.readouterr().out
    assert "decoded pictures" in out and "the run erased them from it" in out
    assert out.splitlines()[-1].startswith("Searched again: nothing")
