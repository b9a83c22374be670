"""Months as the calendar has them, and by when a request must be answered."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expunge.errors import InputError, RequestError
from expunge.evidence.ledger.deadlines import add_months, due_date, extended_due, read_day
from tests.evidence.ledgers import opened, received

DAYS = st.dates(date(1990, 1, 1), date(2400, 1, 1))


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        ("2026-03-01", 1, "2026-04-01"),
        ("2026-01-31", 1, "2026-02-28"),
        ("2028-01-31", 1, "2028-02-29"),
        ("2100-01-31", 1, "2100-02-28"),
        ("2026-03-31", 1, "2026-04-30"),
        ("2026-12-31", 1, "2027-01-31"),
        ("2026-11-30", 3, "2027-02-28"),
        ("2026-02-28", 1, "2026-03-28"),
    ],
)
def test_months_of_the_calendar(day: str, months: int, expected: str) -> None:
    assert add_months(date.fromisoformat(day), months).isoformat() == expected


@given(DAYS)
def test_a_deadline_is_a_month_away_and_later_for_who_asks_later(day: date) -> None:
    assert timedelta(28) <= due_date(day) - day <= timedelta(31)
    assert due_date(day) <= due_date(day + timedelta(1))
    assert due_date(day) < extended_due(day, 1) < extended_due(day, 2) <= day + timedelta(92)


def test_an_extension_counts_from_the_day_of_receipt() -> None:
    """Not from the first deadline: the 31st would be lost on the way through February."""
    assert extended_due(date(2026, 1, 31), 2) == date(2026, 4, 30)
    assert extended_due(date(2025, 12, 31), 2) == date(2026, 3, 31)


@pytest.mark.parametrize("months", [-1, 0, 3, 12])
def test_other_extensions_are_refused(months: int) -> None:
    with pytest.raises(InputError, match="1 to 2 further months"):
        extended_due(date(2026, 1, 1), months)


@pytest.mark.parametrize("text", ["", "2026-2-1", "20260201", "2026-W05-1", "2026-02-30", "9999-12-31", "now", None, 1])
def test_other_days_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="a day like 2026-03-01"):
        read_day(text, "received")


def test_an_extension_that_nobody_was_told_of_in_time_is_void(address: str) -> None:
    ledger = opened(address)  # where it is the second of March
    body = {"reason": "many requests"}
    with ledger.writing() as writer:
        writer.append("request-received", received(1, "Ana", day="2026-02-02", due="2026-03-02"))
        writer.append("request-received", received(2, "Bo", day="2026-02-01", due="2026-03-01"))
        writer.append("request-extended", {**body, "request": 1, "due": "2026-05-02"})
    with pytest.raises(RequestError, match="void"), ledger.writing() as writer:
        writer.append("request-extended", {**body, "request": 2, "due": "2026-05-01"})
    with pytest.raises(RequestError, match="a second of 1"), ledger.writing() as writer:
        writer.append("request-extended", {**body, "request": 1, "due": "2026-05-02"})
