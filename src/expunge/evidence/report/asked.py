"""What was asked, in words: the request as a plain mapping flows in, sentences and lists flow out.

Keys that nobody put into words are shown under their own names: no part of a request is swallowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from expunge.evidence.report.data import ReportData
from expunge.evidence.report.words import counted, named, plain_text

LISTS: Mapping[str, tuple[str, str, str]] = {
    "subjects": ("People to forget", "person", "people"),
    "pictures": ("Pictures to forget", "picture", "pictures"),
}
FACTS: Mapping[str, str] = {
    "near_copies": "What to do with near copies",
    "file": "Read from",
    "data": "Data set",
    "model": "Model",
}


@dataclass(frozen=True)
class Asked:
    """Lists of names with their headings, and single values with theirs."""

    lists: tuple[tuple[str, tuple[str, ...]], ...]
    facts: tuple[tuple[str, str], ...]


def asked(request: Mapping[str, object]) -> Asked:
    """A request, sorted into lists and facts; empty lists are left out."""
    lists: list[tuple[str, tuple[str, ...]]] = []
    facts: list[tuple[str, str]] = []
    for key, value in request.items():
        if isinstance(value, list | tuple):
            title, *nouns = LISTS.get(key, (named(key), "entry", "entries"))
            entries = tuple(plain_text(entry) for entry in value)
            lists += [(f"{title}: {counted(len(entries), *nouns)}", entries)] if entries else []
        else:
            facts.append((FACTS.get(key, named(key)), plain_text(value)))
    return Asked(tuple(lists), tuple(facts))


def asked_sentences(data: ReportData) -> tuple[str, ...]:
    """The request in a sentence or two; the names themselves stand further down."""
    goal = "To make a trained image classifier behave as if it had never learned from certain pictures."
    counts = [_count(key, data.request.get(key)) for key in LISTS]
    said = " and ".join(count for count in counts if count)
    what = f"The request names {said}." if said else ""
    size = forget_size(data)
    moved = f"With all their training pictures and the copies of them, that is {counted(size, 'picture')}."
    return tuple(sentence for sentence in (goal, what, moved if size is not None else "") if sentence)


def forget_size(data: ReportData) -> int | None:
    """How many pictures the model was to forget, by what was measured on them; None where nothing was."""
    sizes = [row.n for row in data.rows_after if row.split == "forget"]
    return max(sizes, default=None)


def _count(key: str, entries: object) -> str:
    if not isinstance(entries, list | tuple) or not entries:
        return ""
    _, one, many = LISTS[key]
    return counted(len(entries), one, many)
