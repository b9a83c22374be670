"""Whoever changes a ledger is found out, whatever they change, as long as a signed head lies elsewhere."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import DatabaseError

from expunge.errors import InputError
from expunge.evidence.canonical import canonical
from expunge.evidence.dsse import seal
from expunge.evidence.keyring import begin
from expunge.evidence.ledger.check import check_ledger
from expunge.evidence.ledger.engine import writing
from expunge.evidence.ledger.events import GENESIS, Event, mentions
from expunge.evidence.ledger.heads import KIND, Head, read_head, seal_head
from expunge.evidence.ledger.store import Ledger, View
from expunge.evidence.ledger.tables import EVENTS, MENTIONS
from tests.evidence.attested import KEY, OTHER
from tests.evidence.ledgers import digest, fill, opened
from tests.evidence.mutations import MUTATIONS

TIME = "2026-03-02T00:00:00Z"
OF_ATTESTATIONS = ("change_value", "other_number")  # they look for fields that a head does not have
Row = dict[str, Any]


@pytest.fixture
def ledger(address: str) -> Ledger:
    made = opened(address)
    fill(made)
    return made


def head_of(ledger: Ledger) -> Head:
    with ledger.reading() as view:
        return Head(*view.head(), TIME)


def rows_of(view: View) -> list[Row]:
    return [dict(row._mapping) for row in view.connection.execute(select(EVENTS).order_by(EVENTS.c.sequence))]


def write(view: View, rows: list[Row]) -> None:
    """Make the events these rows, with an index that fits them where they can be read."""
    view.connection.execute(delete(MENTIONS))
    view.connection.execute(delete(EVENTS))
    if rows:
        view.connection.execute(insert(EVENTS), rows)
    for row in rows:
        try:
            names = set(mentions(row["kind"], json.loads(row["body"])))
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if names:
            lines = [{"name": str(name)[:100], "sequence": row["sequence"]} for name in names]
            view.connection.execute(insert(MENTIONS), lines)


def rehashed(rows: list[Row]) -> list[Row]:
    """What somebody does who knows how the chain is made: number and hash everything anew."""
    previous, done = GENESIS, []
    for number, row in enumerate(rows, start=1):
        event = Event(number, row["time"], row["kind"], json.loads(row["body"]), previous)
        previous = event.hash
        done.append({**row, "sequence": number, "previous": event.previous, "hash": previous})
    return done


def other_text(text: str, draw: random.Random) -> str:
    at = draw.randrange(len(text))
    return text[:at] + draw.choice([c for c in '0123456789abcdef{}[],":z' if c != text[at]]) + text[at + 1 :]


def edited(rows: list[Row], draw: random.Random) -> list[Row]:
    at, column = draw.randrange(len(rows)), draw.choice(["time", "kind", "body", "previous", "hash"])
    return [*rows[:at], {**rows[at], column: other_text(rows[at][column], draw)}, *rows[at + 1 :]]


def meant(rows: list[Row], draw: random.Random) -> list[Row]:
    """Another meaning in the right form: a day, a reason, a person or a number changes."""
    at = draw.randrange(len(rows))
    body = json.loads(rows[at]["body"])
    changes = {
        "reason": "another one",
        "due": "2026-05-01",
        "received": "2026-02-28",
        "subjects": [f"{'0' * 16}:{digest(draw.randrange(99))}"],
        "run": digest(draw.randrange(100, 999)),
        "attestation": digest(draw.randrange(100, 999)),
        "key": "1" * 16,
        "removed": [],
        "runs": [],
    }
    name = draw.choice([name for name in body if name in changes] or ["request"])
    body[name] = changes.get(name, 2)
    return [*rows[:at], {**rows[at], "body": canonical(body).decode()}, *rows[at + 1 :]]


def meant_and_hashed(rows: list[Row], draw: random.Random) -> list[Row]:
    """Another meaning with the hash that fits it, the rest of the chain left alone; the last event stays."""
    changed = [*meant(rows[:-1], draw), rows[-1]]
    values = [(row["sequence"], row["time"], row["kind"], json.loads(row["body"]), row["previous"]) for row in changed]
    return [{**row, "hash": Event(*found).hash} for row, found in zip(changed, values, strict=True)]


def removed(rows: list[Row], draw: random.Random) -> list[Row]:
    at = draw.randrange(len(rows))
    return [*rows[:at], *rows[at + 1 :]]


def closed_up(rows: list[Row], draw: random.Random) -> list[Row]:
    """Removed, and numbered anew."""
    return [{**row, "sequence": number} for number, row in enumerate(removed(rows, draw), start=1)]


def swapped(rows: list[Row], draw: random.Random) -> list[Row]:
    first, second = draw.sample(range(len(rows)), 2)
    done = list(rows)
    done[first] = {**rows[second], "sequence": rows[first]["sequence"]}
    done[second] = {**rows[first], "sequence": rows[second]["sequence"]}
    return done


def cut(rows: list[Row], draw: random.Random) -> list[Row]:
    return rows[: draw.randrange(len(rows))]


def doubled(rows: list[Row], draw: random.Random) -> list[Row]:
    at = draw.randrange(len(rows))
    return [*rows, {**rows[at], "sequence": len(rows) + 1, "hash": digest(draw.randrange(1000))}]


def inserted(rows: list[Row], draw: random.Random) -> list[Row]:
    """An event that never was, in the right form; at the end it would be one more, and rightly so."""
    body = canonical({"key": f"{draw.randrange(16**16):016x}"}).decode()
    at = draw.randrange(len(rows))
    return [*rows[:at], {"time": TIME, "kind": "key-dropped", "body": body}, *rows[at:]]


CHANGES: dict[str, Callable[[list[Row], random.Random], list[Row]]] = {
    "edited": edited,
    "another meaning": meant,
    "another meaning, hashed alone": meant_and_hashed,
    "removed": removed,
    "closed up": closed_up,
    "swapped": swapped,
    "cut off": cut,
    "doubled": doubled,
    "edited, hashed anew": lambda rows, draw: rehashed(meant(rows, draw)),
    "removed, hashed anew": lambda rows, draw: rehashed(removed(rows, draw)),
    "swapped, hashed anew": lambda rows, draw: rehashed(swapped(rows, draw)),
    "inserted, hashed anew": lambda rows, draw: rehashed(inserted(rows, draw)),
}
DRAWS = {"sqlite": 200, "postgresql": 20}  # of each kind


class Undo(Exception):
    """Ends a transaction without keeping it."""


def is_found(ledger: Ledger, rows: list[Row], head: Head | None) -> bool:
    """Whether the check finds that the events are these rows; the ledger is afterwards as it was."""
    found = False
    try:
        with writing(ledger.engine) as connection:
            view = View(connection)
            write(view, rows)
            try:
                check_ledger(view, head)
            except InputError:
                found = True
            raise Undo
    except Undo:
        return found


def test_there_are_enough_changes() -> None:
    assert DRAWS["sqlite"] * len(CHANGES) == 2400 and DRAWS["postgresql"] * len(CHANGES) == 240


@pytest.mark.parametrize("what", CHANGES)
def test_every_change_of_rows_is_found(ledger: Ledger, what: str) -> None:
    head = head_of(ledger)
    with ledger.reading() as view:
        rows = rows_of(view)
    assert not is_found(ledger, rows, head), "an untouched ledger is intact"
    draw = random.Random(what)
    for number in range(DRAWS[ledger.engine.dialect.name]):
        changed = CHANGES[what](rows, draw)
        if changed != rows:
            assert is_found(ledger, changed, head), (number, [r for r in changed if r not in rows])


def test_what_only_a_head_can_show(ledger: Ledger) -> None:
    """The limits that the docs state: without a head, a cut tail and a whole ledger written anew go unseen."""
    head = head_of(ledger)
    with ledger.reading() as view:
        rows = rows_of(view)
    for changed in (rows[:-3], [], rehashed(rows[:-3])):
        assert not is_found(ledger, changed, None)
        assert is_found(ledger, changed, head)
    withdrawn = json.dumps({"reason": "they said so", "request": 2}, separators=(",", ":"))
    anew = rehashed([{**r, "body": withdrawn} if r["kind"] == "request-withdrawn" else r for r in rows])
    assert not is_found(ledger, anew, None)
    assert is_found(ledger, anew, head)
    # a head covers what was there when it was signed, and nothing after
    early = Head(3, rows[2]["hash"], TIME)
    assert not is_found(ledger, rehashed(rows[:5]), early)


STRANGE: dict[str, Any] = {
    "a number as the body": 7,
    "bytes as the body": b"{}",
    "bytes that are no text": b"\xff\xfe",
    "nothing": "",
    "a text": '"text"',
    "nested too deep": "[" * 100_000,
    "a name twice": '{"reason":"","reason":"","request":4}',
    "half a pair": '{"reason":"\\ud800","request":4}',
    "huge": '{"reason":"","request":1' + "0" * 5000 + "}",
}


@pytest.mark.parametrize("what", STRANGE)
def test_strange_rows_are_one_line_wherever_they_are_read(tmp_path: Path, what: str) -> None:
    """SQLite keeps whatever it is given."""
    ledger = opened(str(tmp_path / "ledger.db"))
    fill(ledger)
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute("UPDATE events SET body = ? WHERE sequence = 4", [STRANGE[what]])
    for read in (check_ledger, View.register, View.events):
        with pytest.raises(InputError, match="ledger, event 4"), ledger.reading() as view:
            read(view)


@pytest.mark.parametrize("column", ["time", "kind", "previous", "hash"])
def test_other_types_are_found(tmp_path: Path, column: str) -> None:
    ledger = opened(str(tmp_path / "ledger.db"))
    fill(ledger)
    with sqlite3.connect(tmp_path / "ledger.db") as database:
        database.execute(f"UPDATE events SET {column} = CAST({column} AS BLOB) WHERE sequence = 4")
    with pytest.raises(InputError, match="ledger, event 4: expected texts"), ledger.reading() as view:
        check_ledger(view)


INDEX: dict[str, Any] = {
    "a line removed": delete(MENTIONS).where(MENTIONS.c.sequence == 3),
    "a line changed": update(MENTIONS).where(MENTIONS.c.name == "request:2").values(name="request:5"),
    "a line added": insert(MENTIONS).values(name="request:2", sequence=1),
}


@pytest.mark.parametrize("what", INDEX)
def test_a_changed_index_is_found(ledger: Ledger, what: str) -> None:
    with writing(ledger.engine) as connection:
        connection.execute(INDEX[what])
    with pytest.raises(InputError, match="index"), ledger.reading() as view:
        check_ledger(view)


def test_the_database_itself_refuses_an_index_of_nothing(ledger: Ledger) -> None:
    with pytest.raises(InputError, match=r"(?i)foreign key"), writing(ledger.engine) as connection:
        connection.execute(insert(MENTIONS).values(name="request:2", sequence=99))
    with pytest.raises(DatabaseError), ledger.engine.connect() as connection:
        connection.execute(delete(EVENTS))


def test_heads_are_signed(tmp_path: Path) -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    head = Head(7, digest(7), TIME)
    signed = seal_head(head, key)
    assert read_head(signed, key.public_key()) == head
    with pytest.raises(InputError, match="keyid"):
        read_head(signed, other.public_key())
    for at in range(len(signed)):
        with pytest.raises(InputError):
            read_head(signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :], key.public_key())


@pytest.mark.parametrize("what", [name for name in MUTATIONS if name not in OF_ATTESTATIONS])
def test_no_mutation_of_a_head_is_accepted(what: str) -> None:
    signed, draw = seal_head(Head(7, digest(7), TIME), KEY), random.Random(what)
    for _ in range(60):
        changed = MUTATIONS[what](signed, draw)
        if changed != signed:
            with pytest.raises(InputError):
                read_head(changed, KEY.public_key())


def test_a_head_cannot_be_replaced(ledger: Ledger, tmp_path: Path) -> None:
    """By one of another key, by something else of the same key, or by an older one to hide what came after it."""
    head = head_of(ledger)
    for other in (seal_head(head, OTHER), begin(KEY, TIME).lines[0], seal(KIND, canonical(vars(head)), OTHER)):
        with pytest.raises(InputError, match="head"):
            read_head(other, KEY.public_key())
    with ledger.reading() as view:
        rows = rows_of(view)
    older = read_head(seal_head(Head(9, rows[8]["hash"], TIME), KEY), KEY.public_key())
    # it proves what it says, and says up to where: nobody who reads it takes it for more
    assert older.sequence == 9 and is_found(ledger, rows[:8], older) and not is_found(ledger, rows[:9], older)


@pytest.mark.parametrize(
    "said",
    [
        {"sequence": "7", "hash": digest(7), "time": TIME},
        {"sequence": -1, "hash": digest(7), "time": TIME},
        {"sequence": True, "hash": digest(7), "time": TIME},
        {"sequence": 7, "hash": "7", "time": TIME},
        {"sequence": 7, "hash": digest(7), "time": "today"},
        {"sequence": 7, "hash": digest(7)},
        [7],
    ],
)
def test_a_signed_head_that_is_none_is_refused(said: Any) -> None:
    key = Ed25519PrivateKey.generate()
    with pytest.raises(InputError, match="head"):
        read_head(seal(KIND, canonical(said), key), key.public_key())


def test_a_head_of_another_ledger_does_not_fit(ledger: Ledger, tmp_path: Path) -> None:
    head = head_of(ledger)
    other = opened(str(tmp_path / "other.db"))
    with other.writing() as writer:
        writer.append("key-dropped", {"key": "2" * 16})
    with other.reading() as view:
        with pytest.raises(InputError, match="the last ones were removed"):
            check_ledger(view, head)
        with pytest.raises(InputError, match="event 1"):
            check_ledger(view, replace(head, sequence=1))
