"""What resolving the request found, in words: a plain mapping flows in, headed lists and sentences flow out.

Keys that nobody put into words are shown under their own names: a finding is never swallowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from expunge.evidence.report.words import counted, plain_text

KNOWN: Mapping[str, tuple[str, str]] = {
    "exact_moved": (
        "Exact copies, moved to the erased pictures",
        "The same picture, pixel for pixel, stood among the pictures that stay. It is erased too, whosesoever name it "
        "bears.",
    ),
    "near_moved": (
        "Near copies, moved to the erased pictures",
        "Nearly the same picture (re-saved, resized, cropped, mirrored or brightened). It is erased too.",
    ),
    "near_review": (
        "Near copies, for a person to look at",
        "These look like erased pictures, under the same or another name. They were NOT erased: please decide.",
    ),
    "dropped": (
        "Copies among the never-seen pictures, left out",
        "The model saw a copy of these in training, or they stood in both never-seen sets: they can prove nothing.",
    ),
    "unreadable": ("Unreadable pictures, skipped", "These files could not be decoded and were left out throughout."),
}


@dataclass(frozen=True)
class FoundTable:
    """A headed list: what it is, what it means, and every entry."""

    title: str
    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def compact(self) -> bool:
        """Whether the entries are ids alone, which need no table."""
        return len(self.columns) == 1


@dataclass(frozen=True)
class Found:
    """Lists, single values and sentences."""

    tables: tuple[FoundTable, ...]
    facts: tuple[tuple[str, str], ...]
    sentences: tuple[str, ...]


def found(findings: Mapping[str, object]) -> Found:
    """A findings mapping, sorted into lists, facts and sentences."""
    tables: list[FoundTable] = []
    facts: list[tuple[str, str]] = []
    sentences: list[str] = []
    for key, value in findings.items():
        if key in ("sentences", "limits", "notes"):
            sentences += [str(s) for s in _entries(value)]
        elif isinstance(value, list | tuple):
            tables.append(_table(key, value))
        elif isinstance(value, Mapping):
            facts += [(f"{_named(key)}: {_worded(str(k))}", _fact(v)) for k, v in value.items()]
        else:
            facts.append((_named(key), _fact(value)))
    return Found(tuple(tables), tuple(facts), tuple(sentences))


def waiting(findings: Mapping[str, object]) -> int:
    """How many near copies wait for a person's decision."""
    return len(_entries(findings.get("near_review")))


def _entries(value: object) -> Sequence[object]:
    if isinstance(value, list | tuple):
        return value
    return () if value is None else (value,)


def _table(key: str, entries: Sequence[object]) -> FoundTable:
    title, says = KNOWN.get(key, (_named(key), ""))
    maps = [entry if isinstance(entry, Mapping) else {"picture": entry} for entry in entries]
    columns = tuple(dict.fromkeys(str(column) for entry in maps for column in entry))
    rows = tuple(tuple(plain_text(entry.get(column)) for column in columns) for entry in maps)
    size = counted(len(rows), "picture") if key in KNOWN else f"{len(rows):,}"
    return FoundTable(f"{title}: {size if rows else 'none'}", says, tuple(map(_named, columns)), rows)


def _fact(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else plain_text(value)


def _named(key: str) -> str:
    return _worded(key)[:1].upper() + _worded(key)[1:]


def _worded(key: str) -> str:
    return key.replace("_", " ")
