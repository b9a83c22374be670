"""Deadlines: by when a request must be answered (GDPR Art. 12(3)). Days flow in and out.

A month ends on the day of the same number, or on the last day where the next month has no such day. Weekends and
holidays are not counted out, which would only move a deadline later.
"""

from __future__ import annotations

import calendar
from datetime import date

from expunge.errors import InputError

FIRST, FURTHER = 1, 2  # months to answer; months by which that can be extended


def add_months(day: date, months: int) -> date:
    """The day of the same number some months later, or the last day of that month.

    Example:
        >>> add_months(date(2026, 1, 31), 1), add_months(date(2026, 11, 30), 3)
        (datetime.date(2026, 2, 28), datetime.date(2027, 2, 28))
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def due_date(received: date) -> date:
    """By when a request received on that day must be answered."""
    return add_months(received, FIRST)


def extended_due(received: date, months: int) -> date:
    """By when it must be answered once that was extended, counted from the day on which it was received.

    Raises:
        InputError: more months than may be added, or none.
    """
    if not 1 <= months <= FURTHER:
        raise InputError("months (--months)", expected=f"1 to {FURTHER} further months", came=str(months))
    return add_months(received, FIRST + months)


def read_day(text: str, field: str) -> date:
    """The day of a text like 2026-03-01.

    Raises:
        InputError: it is another text.
    """
    try:
        day = date.fromisoformat(text)
    except (TypeError, ValueError):
        day = None
    # fromisoformat reads other spellings too, such as 20260301; years near the end leave no room for a deadline
    if day is None or day.isoformat() != text or day.year > 9000:
        raise InputError(field, expected="a day like 2026-03-01", came=repr(text)[:40])
    return day
