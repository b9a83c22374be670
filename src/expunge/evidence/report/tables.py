"""Before, after and reference, put side by side: audit rows flow in, lines of a table flow out, as text.

Nothing is measured here, and no line is left out because its number is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from expunge.evidence.report.measured import Measured
from expunge.evidence.report.questions import GROUPS, OF_METHOD, Key, group_of
from expunge.evidence.report.wordings import DIRECTION_WORDS, split_words, wording
from expunge.evidence.report.words import MINUS, NONE, bounds, number, sample
from expunge.types import AuditRow

DASH = "\N{EM DASH}"


@dataclass(frozen=True)
class Cell:
    """A value, its interval, and the reason where there is no value."""

    value: str
    interval: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Line:
    """One measure on one set of pictures."""

    title: str
    says: str
    pictures: str
    better: str
    sample: str
    before: Cell
    after: Cell
    reference: Cell
    gap: Cell
    floor: Cell
    note: str


@dataclass(frozen=True)
class Group:
    """Lines that answer one question."""

    title: str
    lines: tuple[Line, ...]


def comparison(data: Measured) -> tuple[Group, ...]:
    """All audits of a report, grouped by the question they answer; empty groups are left out."""
    before, after = by_key(data.rows_before), by_key(data.rows_after)
    keys = list(dict.fromkeys([*after, *before]))
    lines: dict[str, list[Line]] = {}
    for key in keys:
        lines.setdefault(group_of(key), []).append(_line(data, key, before.get(key), after.get(key)))
    return tuple(Group(title, tuple(lines[name])) for name, title in GROUPS if name in lines)


def by_key(rows: Iterable[AuditRow]) -> dict[Key, AuditRow]:
    """Rows by name and split."""
    return {(row.name, row.split): row for row in rows}


def _line(data: Measured, key: Key, before: AuditRow | None, after: AuditRow | None) -> Line:
    row = after or before
    if row is None:
        raise KeyError(key)
    words = wording(row.name, data.descriptions)
    return Line(
        title=words.title,
        says=words.says,
        pictures=split_words(row.split),
        better=DIRECTION_WORDS[row.direction],
        sample=sample(row),
        before=measured(before),
        after=measured(after),
        reference=_reference(data, key, row),
        gap=_gap(data, after),
        floor=_floor(data, key, row.unit),
        note=row.note if row.value is not None else measured(row).reason,
    )


def measured(row: AuditRow | None) -> Cell:
    """The value of a row, or why there is none."""
    if row is None:
        return Cell("not measured")
    if row.value is None:
        return Cell(NONE, reason=row.note or f"too few pictures (n = {row.n})")
    return Cell(number(row.value, row.unit), bounds(row.low, row.high, row.unit))


def _reference(data: Measured, key: Key, row: AuditRow) -> Cell:
    found = [rows[key] for rows in map(by_key, data.rows_references) if key in rows]
    values = [each.value for each in found if each.value is not None]
    if not data.has_reference and row.reference is None:
        return Cell("no reference")
    if len(found) == 1:
        return measured(found[0])
    if not found and row.reference is None:
        return Cell(DASH)
    if not values:
        return Cell(number(row.reference, row.unit)) if row.reference is not None else Cell(NONE, reason=_why(found))
    mean = row.reference if row.reference is not None else sum(values) / len(values)
    return Cell(number(mean, row.unit), bounds(min(values), max(values), row.unit))


def _why(rows: Sequence[AuditRow]) -> str:
    return rows[0].note if rows else ""


def _gap(data: Measured, after: AuditRow | None) -> Cell:
    if after is None or after.gap is None:
        return Cell(DASH if data.has_reference else "no reference")
    return Cell(number(after.gap, after.unit, sign=True), bounds(after.gap_low, after.gap_high, after.unit, sign=True))


def _floor(data: Measured, key: Key, unit: str) -> Cell:
    """How far retrained models are from each other: nothing can be asked to come closer."""
    if key[0] in OF_METHOD:  # what retraining itself has stands beside it
        return Cell(DASH)
    if len(data.rows_references) < 2:
        return Cell(DASH, reason="needs two references" if data.has_reference else "")
    rows = [row for row in data.rows_floor if (row.name, row.split) == key]
    found = [abs(d) for d in (floor_distance(row) for row in rows) if d is not None]
    if not found:
        return _floor_of_references(data, key, unit)
    spread = bounds(min(found), max(found), unit) if len(found) > 1 else _own_bounds(rows[0])
    return Cell("\N{PLUS-MINUS SIGN}" + number(sum(found) / len(found), unit, sign=True).lstrip("+" + MINUS), spread)


def _floor_of_references(data: Measured, key: Key, unit: str) -> Cell:
    if group_of(key) == "gap":  # the reference value of a distance is the distance between references
        known = [row.reference for row in data.rows_after if (row.name, row.split) == key]
        return Cell(number(known[0], unit)) if known and known[0] is not None else Cell(DASH)
    spread = reference_spread(data, key)
    return Cell(DASH) if spread is None else Cell("up to " + number(spread, unit, sign=True).lstrip("+"))


def reference_spread(data: Measured, key: Key) -> float | None:
    """The largest distance between two references in one measure; None with fewer than two."""
    values = [rows[key].value for rows in map(by_key, data.rows_references) if key in rows]
    known = [value for value in values if value is not None]
    return max(known) - min(known) if len(known) > 1 else None


def floor_distance(row: AuditRow) -> float | None:
    """The distance that a floor row states."""
    return row.gap if row.gap is not None else row.value


def _own_bounds(row: AuditRow) -> str:
    if row.gap is not None:
        return bounds(row.gap_low, row.gap_high, row.unit, sign=True)
    return bounds(row.low, row.high, row.unit)


def descriptions_of(groups: Sequence[Group]) -> Mapping[str, str]:
    """What each measure says, once."""
    return {line.title: line.says for group in groups for line in group.lines if line.says}
