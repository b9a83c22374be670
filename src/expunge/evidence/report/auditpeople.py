"""An attack person by person and group by group, in words: whom it finds most of, and beside what.

The entries of an audit in `metrics.json` flow in, lines of tables and sentences flow out. People are numbers here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from expunge.evidence.report.measured import AuditRows
from expunge.evidence.report.words import bounds, counted, number
from expunge.types import AuditRow

Audit = Mapping[str, Any]
SHOWN = 25  # people; all of them are in metrics.json
ATTACKED = "forget-vs-reporting"


@dataclass(frozen=True)
class ExposedLine:
    """The attack on one person, or on one group of pictures, as text; `note` says what speaks against its value.

    `pictures` are those erased, and `people` who is on them: "" where nobody knows.
    """

    name: str
    pictures: int
    people: str
    before: str
    after: str
    interval: str
    reference: str
    gap: str
    note: str = ""


@dataclass(frozen=True)
class Exposed:
    """An attack person by person.

    Args:
        lines: most exposed first; `more` are left out. note: how to read them, or why there are none.
        worst: who is worst off, beside everybody and beside retraining, a sentence each; empty where nobody can be
            named.
    """

    lines: Sequence[ExposedLine]
    more: int
    note: str
    worst: Sequence[str] = ()


def exposed(people: Audit, rows: AuditRows) -> Exposed:
    """The first lines of an attack person by person, and whoever is worst off.

    Args:
        people: the attack as `metrics.json` holds it. rows: of the same audit, for the mean over everybody.
    """
    found, entry = list(people.get("rows", ())), worst_entry(people)
    shown = found[:SHOWN] if entry is None or entry in found[:SHOWN] else [*found[: SHOWN - 1], entry]
    lines = [exposed_line(one, "worst off" if one is entry else "") for one in shown]
    return Exposed(lines, len(found) - len(lines), people.get("note", ""), worst_words(people, rows))


def worst_entry(people: Audit) -> Audit | None:
    """The line of whoever is worst off among people with enough pictures; None where that is not said."""
    worst = people.get("worst")
    if worst is None:
        return None
    return next((entry for entry in people["rows"] if str(entry["group"]) == str(worst["person"])), None)


def worst_words(people: Audit, rows: AuditRows) -> tuple[str, ...]:
    """Who is worst off, with how many pictures, how exposed, beside the mean, and beside retraining."""
    entry = worst_entry(people)
    if entry is None:
        return ()
    worst, after = people["worst"], AuditRow(**entry["after"])
    before = None if entry["before"] is None else AuditRow(**entry["before"])
    everybody = rows.of(after.name, ATTACKED)
    was = "" if before is None else f" Before the erasure it was {number(before.value, before.unit)}."
    pictures = counted(worst["pictures"], "picture")
    says = [
        f"Worst off of {worst['people']:,} people with enough pictures to compare is person {worst['person']}, with "
        f"{pictures}."
        if worst["people"] > 1
        else f"Only person {worst['person']} has enough pictures to compare: {pictures}.",
        f"The value of this person is {_with_interval(after)}.{was}",
    ]
    if everybody is not None and everybody.value is not None:
        says.append(f"The mean over all erased pictures is {_with_interval(everybody)}.")
    if after.reference is not None:
        mean = None if everybody is None else everybody.reference
        beside = "" if mean is None else f", and {number(mean, after.unit)} over all erased pictures"
        says.append(f"A retrained model shows {number(after.reference, after.unit)} for the same person{beside}.")
    excess = number(worst["excess"], after.unit, sign=True)
    return (*says, f"So the excess of this person over retraining is {excess}.")


def group_lines(groups: Sequence[Audit]) -> dict[str, list[ExposedLine]]:
    """Lines of every column."""
    columns = dict.fromkeys(str(entry["column"]) for entry in groups)
    return {column: [exposed_line(entry) for entry in groups if entry["column"] == column] for column in columns}


def exposed_line(entry: Audit, mark: str = "") -> ExposedLine:
    """A line of a table; `mark` is said before what speaks against its value."""
    before = None if entry["before"] is None else AuditRow(**entry["before"])
    after = AuditRow(**entry["after"])
    return ExposedLine(
        name=str(entry["group"]),
        pictures=entry.get("pictures", after.n),
        people="" if entry.get("people") is None else counted(entry["people"], "person", "people"),
        before="not measured" if before is None else number(before.value, before.unit),
        after=number(after.value, after.unit),
        interval=bounds(after.low, after.high, after.unit),
        reference="none" if after.reference is None else number(after.reference, after.unit),
        gap="none" if after.gap is None else number(after.gap, after.unit, sign=True),
        note="; ".join(filter(None, (mark, after.note))),
    )


def _with_interval(row: AuditRow) -> str:
    """A value with its interval, where it has one."""
    interval = bounds(row.low, row.high, row.unit)
    return number(row.value, row.unit) + (f" (95 % interval {interval})" if interval else "")
