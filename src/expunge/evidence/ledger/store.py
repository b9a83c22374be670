"""The store: reads and appends the events of a ledger, and never changes one.

Kinds and plain values flow in, events and registers flow out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, select

from expunge.errors import InputError
from expunge.evidence.canonical import canonical, parse_canonical
from expunge.evidence.keyring import check_time
from expunge.evidence.ledger.engine import connect, read_address, reading, writing
from expunge.evidence.ledger.events import GENESIS, Event, check_body, mentions
from expunge.evidence.ledger.migrate import check_revision, migrate
from expunge.evidence.ledger.register import Begun, Register
from expunge.evidence.ledger.tables import EVENTS, MENTIONS

CHANGED = "somebody changed it (expunge ledger check)"
Time = Callable[[], str]
# what events are about that decides which may follow
DECISIVE = ("request:", "run:", "key:")


@dataclass(frozen=True)
class View:
    """A ledger at one moment."""

    connection: Connection

    def events(self, *names: str, kind: str | None = None) -> list[Event]:
        """The events about any of `names` (such as `request:7`), or without names all, oldest first.

        Raises:
            InputError: a row is no event, so somebody changed it.
        """
        query = select(EVENTS).order_by(EVENTS.c.sequence)
        if names:
            about = select(MENTIONS.c.sequence).where(MENTIONS.c.name.in_(names))
            query = query.where(EVENTS.c.sequence.in_(about))
        if kind is not None:
            query = query.where(EVENTS.c.kind == kind)
        return [event_of(row) for row in self.connection.execute(query)]

    def register(self, *names: str) -> Register:
        """What these events say."""
        return Register.of(self.events(*names), received=self.received())

    def received(self) -> int:
        """How many requests there are."""
        query = select(func.count()).select_from(EVENTS).where(EVENTS.c.kind == "request-received")
        return int(self.connection.execute(query).scalar_one())

    def begun(self) -> list[Begun]:
        """Runs that were begun for a request, and are not entered as finished."""
        numbers = sorted({event.body["request"] for event in self.events(kind="run-began")})
        register = self.register(*(f"request:{number}" for number in numbers)) if numbers else Register()
        return [run for number in numbers for run in register.request(number).begun]

    def names(self, kind: str) -> list[str]:
        """All that events are about of one kind, such as `key`, in order."""
        query = select(MENTIONS.c.name).where(MENTIONS.c.name.startswith(f"{kind}:")).distinct()
        return sorted(name.partition(":")[2] for (name,) in self.connection.execute(query))

    def dropped(self) -> set[str]:
        """Ids of the keys that were dropped."""
        return {str(event.body["key"]) for event in self.events(kind="key-dropped")}

    def head(self) -> tuple[int, str]:
        """Number and hash of the last event; zeros where there is none."""
        query = select(EVENTS.c.sequence, EVENTS.c.hash).order_by(EVENTS.c.sequence.desc()).limit(1)
        found = self.connection.execute(query).first()
        return (int(found.sequence), str(found.hash)) if found is not None else (0, GENESIS)


@dataclass(frozen=True)
class Writer(View):
    """A ledger while nobody else writes to it.

    Args:
        time: says what time it is.
    """

    time: Time

    def append(self, kind: str, body: Mapping[str, Any]) -> Event:
        """Write down that something happened.

        Raises:
            InputError: a field is not what it must be.
            RequestError: it cannot follow what happened before.
        """
        check_body(kind, body)
        sequence, previous = self.head()
        event = Event(sequence + 1, self.time(), kind, body, previous)
        about = sorted(set(mentions(kind, body)))
        self.register(*(name for name in about if name.startswith(DECISIVE))).take(event)
        row = {**vars(event), "body": canonical(body).decode(), "hash": event.hash}
        self.connection.execute(EVENTS.insert(), row)
        if about:
            self.connection.execute(MENTIONS.insert(), [{"name": name, "sequence": event.sequence} for name in about])
        return event


@dataclass(frozen=True)
class Ledger:
    """A ledger that is there and up to date.

    Args:
        engine: its connections. time: says what time it is, in UTC.
    """

    engine: Engine
    time: Time

    @contextmanager
    def reading(self) -> Iterator[View]:
        """The ledger as it is now, whoever writes meanwhile."""
        with reading(self.engine) as connection:
            yield View(connection)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """The ledger while nobody else writes; everything that is appended is kept, or nothing."""
        with writing(self.engine) as connection:
            yield Writer(connection, self.time)


def open_ledger(address: str, time: Time) -> Ledger:
    """The ledger at an address.

    Raises:
        InputError: there is none, or it needs `migrate` first.
    """
    ledger = Ledger(connect(read_address(address)), time)
    with ledger.reading() as view:
        check_revision(view.connection)
    return ledger


def make_ledger(address: str) -> tuple[str | None, str | None]:
    """Make a ledger, or bring the one that is there up to date; its revisions before and after."""
    return migrate(connect(read_address(address), new=True))


def event_of(row: Row[Any]) -> Event:
    """The event of a row, if it has the form of one; whether it follows from the one before is not asked.

    Raises:
        InputError: it has another form.
    """
    place = f"ledger, event {row.sequence}"
    # SQLite takes any type in any column
    if not all(isinstance(value, str) for value in (row.time, row.kind, row.body, row.previous, row.hash)):
        raise InputError(place, expected="texts", came="other types", remedy=CHANGED)
    try:
        body = parse_canonical(row.body.encode(), place)
        check_body(row.kind, body)
    except InputError as error:
        raise InputError(place, expected=error.expected, came=error.came, remedy=CHANGED) from None
    return Event(row.sequence, check_time(row.time, place), row.kind, body, row.previous)
