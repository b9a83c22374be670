"""Checks a whole ledger: every row, every hash, every rule, and a head that was signed and taken elsewhere.

What is found: rows that were edited, added, removed, or put in another order. What is not: a ledger whose tail was cut
off or written anew with fitting hashes, unless a head signed after that event lies where the writer could not reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sqlalchemy import Row, select

from expunge.errors import InputError
from expunge.evidence.ledger.events import GENESIS, Event, mentions
from expunge.evidence.ledger.heads import Head
from expunge.evidence.ledger.register import Register
from expunge.evidence.ledger.store import View, event_of
from expunge.evidence.ledger.tables import EVENTS, MENTIONS

ROWS = 1000  # that are held in memory at a time


@dataclass
class Walk:
    """Where a walk along the chain has come to."""

    sequence: int = 0
    hash: str = GENESIS
    register: Register = field(default_factory=Register)

    def step(self, row: Row[Any]) -> Event:
        """Take in the next row.

        Raises:
            InputError: it is not what must follow.
        """
        place = f"ledger, event {row.sequence}"
        event = event_of(row)
        if row.sequence != self.sequence + 1:
            raise InputError(place, expected=f"event {self.sequence + 1}", came="another one")
        if row.previous != self.hash:
            raise InputError(place, expected="the hash of the event before it", came="another one")
        if event.hash != row.hash:
            raise InputError(place, expected="its own hash", came="another one", remedy="somebody changed it")
        self.register.take(event)
        self.sequence, self.hash = row.sequence, row.hash
        return event


def check_ledger(view: View, head: Head | None = None) -> Register:
    """Check everything; what the ledger says, if all is well.

    Args:
        view: the ledger. head: that must be in it, if one is at hand.

    Raises:
        InputError: naming the first event that is not as it must be, or that is missing.
    """
    walk = Walk()
    indexed = _index(view)
    for row in view.connection.execute(select(EVENTS).order_by(EVENTS.c.sequence).execution_options(yield_per=ROWS)):
        event = walk.step(row)
        _check_index(event, indexed)
        if head is not None and head.sequence == event.sequence and head.hash != row.hash:
            raise InputError(
                f"ledger, event {event.sequence}", expected=f"the one signed on {head.time}", came="another one"
            )
    if (stray := next(indexed, None)) is not None:
        raise InputError("mentions", expected="none of an event that is missing", came=f"one of event {stray[0]}")
    if head is not None and head.sequence > walk.sequence:
        expected = f"{head.sequence} events, as signed on {head.time}"
        raise InputError("ledger", expected=expected, came=f"{walk.sequence}", remedy="the last ones were removed")
    return walk.register


def _index(view: View) -> Iterator[tuple[int, set[str]]]:
    """What every event is said to be about, by the table of mentions."""
    query = select(MENTIONS).order_by(MENTIONS.c.sequence).execution_options(yield_per=ROWS)
    for sequence, rows in groupby(view.connection.execute(query), key=lambda row: int(row.sequence)):
        yield sequence, {str(row.name) for row in rows}


def _check_index(event: Event, indexed: Iterator[tuple[int, set[str]]]) -> None:
    """Every event is about something, so the index has lines for each."""
    if next(indexed, None) != (event.sequence, set(mentions(event.kind, event.body))):
        came = "other lines in the table of mentions"
        raise InputError(f"ledger, event {event.sequence}", expected="the index that follows from it", came=came)
