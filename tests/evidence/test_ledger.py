"""A ledger takes what may follow, refuses what may not, and says what became of everything; on both databases."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from expunge.errors import InputError, RequestError
from expunge.evidence.ledger.check import check_ledger
from expunge.evidence.ledger.events import KINDS, NOTE, REASON
from expunge.evidence.ledger.lineage import ancestors, erased_by
from expunge.evidence.ledger.register import CHECKS
from expunge.evidence.ledger.store import Ledger, make_ledger, open_ledger
from tests.evidence.ledgers import KEY, digest, fill, finished, kinds, opened, received


@pytest.fixture
def ledger(address: str) -> Ledger:
    return opened(address)


@pytest.fixture
def full(ledger: Ledger) -> Ledger:
    fill(ledger)
    return ledger


def test_a_story_is_kept_and_its_chain_holds(full: Ledger) -> None:
    with full.reading() as view:
        register = check_ledger(view)
        assert set(kinds(view)) == set(KINDS) == set(CHECKS), "the story has every kind"
        assert view.head()[0] == len(view.events())
        assert register == view.register(), "what was checked is what is said"
    assert [r.state for r in register.requests.values()] == ["closed", "withdrawn", "open", "closed"]
    first, third = register.requests[1], register.requests[3]
    assert (str(first.due), first.extended, first.runs, first.begun) == ("2026-06-01", True, (digest(1),), ())
    assert third.runs == first.runs and third.purges == 1
    assert register.runs[digest(1)].attestation == digest(7)


def test_some_names_tell_all_about_them(full: Ledger) -> None:
    with full.reading() as view:
        whole = view.register()
        assert view.register("request:1").requests[1] == whole.requests[1]
        assert len(view.events("request:1")) == 6
        assert [e.kind for e in view.events(f"subject:{KEY.pseudonym('subject', 'Bo')}")] == ["request-received"]
        assert view.names("key") == sorted({KEY.name, "0" * 16})


def test_what_fails_leaves_nothing_behind(full: Ledger) -> None:
    with full.reading() as view:
        before = view.head()

    def two() -> None:
        with full.writing() as writer:
            writer.append("request-received", received(5, "Eva"))
            writer.append("request-withdrawn", {"request": 1, "reason": ""})

    with pytest.raises(RequestError, match="which is closed"):
        two()
    with full.reading() as view:
        assert view.head() == before


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "a number that is taken": ("request-received", received(4, "Eva"), "the number 5"),
    "a number too far": ("request-received", received(6, "Eva"), "the number 5"),
    "another deadline": ("request-received", received(5, "Eva", due="2026-05-01"), "2026-04-01"),
    "nobody": ("request-received", received(5), "at least one subject"),
    "withdrawn twice": ("request-withdrawn", {"request": 2, "reason": ""}, "which is withdrawn"),
    "withdrawn after its end": ("request-withdrawn", {"request": 1, "reason": ""}, "which is closed"),
    "closed without run or reason": ("request-closed", {"request": 5, "reason": " "}, "a number from 1 to 4"),
    "extended after its end": ("request-extended", {"request": 1, "due": "2026-06-01", "reason": "x"}, "is closed"),
    "extended without a reason": ("request-extended", {"request": 3, "due": "2026-06-01", "reason": ""}, "a reason"),
    "extended too far": ("request-extended", {"request": 3, "due": "2026-07-01", "reason": "x"}, "2026-06-01"),
    "no such request": ("request-closed", {"request": 9, "reason": "x"}, "a number from 1 to 4"),
    "a run for a withdrawn request": (
        "run-began",
        {"request": 2, "out": "x", "job": KEY.pseudonym("job", "2"), "data": digest(2), "before": []},
        "an open request",
    ),
    "a run twice": ("run-finished", finished(1, [3], 12, 13), "not in the ledger"),
    "a run for nobody known": ("run-finished", finished(2, [9], 12, 13), "a number from 1 to 4"),
    "an unknown run": ("already-erased", {"request": 3, "runs": [digest(3)]}, "a run of the ledger"),
    "a second attestation": ("attested", {"run": digest(1), "attestation": digest(8)}, "a second"),
    "a key dropped twice": ("key-dropped", {"key": "0" * 16}, "not dropped"),
    "an unknown kind": ("request-forgotten", {}, "one of request-received"),
    "a field too many": ("request-closed", {"request": 3, "reason": "", "by": "me"}, "the fields reason, request"),
    "a field too few": ("request-closed", {"request": 3}, "the fields reason, request"),
    "a number that is none": ("request-closed", {"request": True, "reason": "x"}, "a number from 1"),
    "a pseudonym that is none": ("request-received", {**received(5), "subjects": ["Eva"]}, "a pseudonym"),
    "a name twice": ("request-received", {**received(5), "subjects": received(5, "E")["subjects"] * 2}, "each once"),
    "a day that is none": ("request-received", received(5, "Eva", day="2026-02-30"), "a day like"),
    "a hash that is none": ("attested", {"run": "x", "attestation": digest(1)}, "64 hexadecimal digits"),
    "a kind of run that is none": ("run-finished", finished(2, [3], 12, 13, kind="bake"), "train, erase, audit"),
    "a list that is none": ("purged", {"requests": 3, "removed": [], "kept": []}, "a list"),
    "a receipt that is none": ("purged", {"requests": [3], "removed": ["cache/faces"], "kept": []}, "a pseudonym"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_follow_is_refused(full: Ledger, what: str) -> None:
    kind, body, said = REFUSED[what]
    with pytest.raises(InputError, match=said), full.writing() as writer:
        writer.append(kind, body)
    with full.reading() as view:
        check_ledger(view)


HOSTILE = {
    "too long": ("x" * (REASON + 1), f"at most {REASON}"),
    "10 MB": ("x" * 10_000_000, f"at most {REASON}"),
    "NUL": ("a\0b", r"U\+0000"),
    "escape": ("a\x1b[2Jb", r"U\+001B"),
    "delete": ("\x7f", r"U\+007F"),
    "C1": ("\x9b31m", r"U\+009B"),
    "half a pair": ("\ud800", r"U\+D800"),
    "right-to-left override": ("abc\u202egpj", r"U\+202E"),
    "right-to-left mark": ("abc\u200f", r"U\+200F"),
    "isolate": ("\u2067abc", r"U\+2067"),
    "no text": (["x"], "a text"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_texts_are_refused(full: Ledger, what: str) -> None:
    text, said = HOSTILE[what]
    with pytest.raises(InputError, match=said), full.writing() as writer:
        writer.append("request-withdrawn", {"request": 3, "reason": text})


@pytest.mark.parametrize(
    "text",
    ["'; DROP TABLE events; --", "<script>alert(1)</script>", "../../etc/passwd", "%s {x} \\0", "שלום\nعربى", "👩‍👧"],
)
def test_strange_texts_are_kept_as_they_are(full: Ledger, text: str) -> None:
    with full.writing() as writer:
        writer.append("request-withdrawn", {"request": 3, "reason": text})
    with full.reading() as view:
        assert check_ledger(view).requests[3].reason == text


def test_a_note_has_its_own_limit(full: Ledger) -> None:
    with pytest.raises(InputError, match=rf"note \(--note\).*at most {NOTE}"), full.writing() as writer:
        writer.append("request-received", {**received(5, "Eva"), "note": "x" * (NOTE + 1)})


def test_models_descend_from_models(ledger: Ledger) -> None:
    with ledger.writing() as writer:
        for number, name in enumerate(("Ana", "Bo", "Cai"), start=1):
            writer.append("request-received", received(number, name))
        writer.append("run-finished", finished(1, [1], 11, 12))
        writer.append("run-finished", finished(2, [2], 12, 13))
        writer.append("run-finished", finished(3, [3], 51, 52))  # another model
    with ledger.reading() as view:
        register = view.register()
    runs = register.runs.values()
    assert ancestors(runs, digest(13)) == {digest(11), digest(12), digest(13)}
    names = {KEY.pseudonym("subject", name): name for name in ("Ana", "Bo", "Cai", "Dee")}

    def erased(model: int) -> dict[str, str]:
        return {names[p]: run.run for p, run in erased_by(register, names, digest(model)).items()}

    line = {"Ana": digest(1), "Bo": digest(2)}
    assert erased(13) == line, "from a model and from all that it came from"
    assert erased(11) == line, "the first model: the last one stands for it now"
    assert erased(52) == {"Cai": digest(3)}
    assert erased(99) == {}


def test_models_in_a_circle_have_an_end(ledger: Ledger) -> None:
    """Nobody can make one without breaking SHA-256; whoever writes the events by hand can."""
    with ledger.writing() as writer:
        writer.append("request-received", received(1, "Ana"))
        writer.append("run-finished", finished(1, [1], 11, 12))
        writer.append("run-finished", finished(2, [1], 12, 11))
        assert ancestors(writer.register().runs.values(), digest(11)) == {digest(11), digest(12)}


def test_nothing_is_made_by_a_slip_of_the_pen(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expunge ledger migrate"):
        open_ledger(str(tmp_path / "leger.db"), str)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address", ["mysql://root@localhost/x", "sqlite://", "sqlite:///:memory:", "oracle+nonsense://", "http://[bad", ""]
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(InputError, match=r"ledger \(--ledger\): expected a SQLite file or postgresql"):
        make_ledger(address)


def test_no_password_is_shown() -> None:
    with pytest.raises(InputError) as caught:
        make_ledger("postgresql://me:secret@127.0.0.1:1/books")
    assert "secret" not in str(caught.value) and "127.0.0.1" in str(caught.value)


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("to do\n" * 1000)
    with pytest.raises(InputError, match="not a database"):
        open_ledger(str(tmp_path / "notes.txt"), str)
    with pytest.raises(InputError, match=r"ledger \(--ledger\)"):
        make_ledger(str(tmp_path))


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    fill(opened(str(tmp_path / "ledger.db")))
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_sqlite_is_opened_as_it_must_be(tmp_path: Path) -> None:
    ledger = opened(str(tmp_path / "ledger.db"))
    with ledger.reading() as view:
        found = [view.connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("foreign_keys", "synchronous")]
        assert found == [1, 2]
        assert view.connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 60_000
    assert sqlite3.connect(tmp_path / "ledger.db").execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_reader_sees_one_moment(full: Ledger) -> None:
    with full.reading() as view:
        before = view.head()
        with full.writing() as writer:
            writer.append("request-received", received(5, "Eva"))
        assert view.head() == before and view.received() == 4
    with full.reading() as view:
        assert view.received() == 5
