"""Who and what was erased, as a report may say it: under numbers, unless names were asked for.

A resolution and the fields of a job flow in, plain values and lines for the report flow out. Names, ids of pictures
and names of files may all tell who somebody is, so none of them passes unless names are to be shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from expunge.app.measure import plain
from expunge.data.requests import Resolution
from expunge.evidence.report import PersonLine

MOVED, LISTED = ("exact_moved", "near_moved"), ("near_review", "dropped")


class Naming:
    """What people and pictures are called on a page; the same one is called the same throughout.

    Args:
        shown: under their own names; else numbered in the order in which they are named first.

    Example:
        >>> naming = Naming(shown=False)
        >>> naming.person("Ada"), naming.person("Bob"), naming.person("Ada"), naming.person("")
        ('person 1', 'person 2', 'person 1', '')
    """

    def __init__(self, *, shown: bool) -> None:
        self.shown = shown
        self._numbers: dict[str, dict[str, int]] = {"person": {}, "picture": {}}

    def person(self, name: str) -> str:
        """A person; "" where nobody knows who it is."""
        return self._called("person", name)

    def picture(self, name: str) -> str:
        """A picture."""
        return self._called("picture", name)

    def entry(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """An entry of the findings."""
        called = {"id": self.picture, "of": self.picture, "owner": self.person}
        return {name: called[name](value) if name in called else value for name, value in entry.items()}

    def _called(self, kind: str, name: str) -> str:
        if self.shown or not name:
            return name
        numbers = self._numbers[kind]
        return f"{kind} {numbers.setdefault(name, len(numbers) + 1)}"


def people_lines(resolution: Resolution, naming: Naming) -> list[PersonLine]:
    """Everybody whose pictures are erased, in the order of the data; empty where nobody's name is known."""
    forget = resolution.task.forget
    if forget.subjects is None:
        return []
    moved = {str(entry["id"]) for name in MOVED for entry in getattr(resolution.findings, name)}
    pairs = list(zip(forget.ids.tolist(), forget.subjects.tolist(), strict=True))
    copies = Counter(owner for picture, owner in pairs if picture in moved)
    every = Counter(owner for _, owner in pairs)
    return [PersonLine(naming.person(owner), n - copies[owner], copies[owner]) for owner, n in every.items()]


def request_facts(resolution: Resolution, fields: Mapping[str, Any], *, names: bool) -> dict[str, Any]:
    """What was asked, counted.

    Args:
        resolution: of the request. fields: of `job.yaml`. names: whether the name of the request's file may be told.
    """
    found, asked = resolution.findings, fields["request"]
    file = {"request file": asked["file"] or "none, named on the command line"} if names else {}
    return {
        "people asked for": found.subjects,
        "single pictures asked for": found.pictures,
        **file,
        "near copies under the same name": asked["near_copies"],
    }


def finding_facts(resolution: Resolution, naming: Naming) -> dict[str, Any]:
    """What resolving the request found, with counts under names that say what is counted."""
    found: dict[str, Any] = plain(resolution.findings)
    lists = {name: [naming.entry(entry) for entry in found[name]] for name in (*MOVED, *LISTED)}
    return {
        "pictures to forget, copies included": found["forget"],
        "training pictures that stay": found["retain"],
        "never-seen pictures that may steer the method": found["tuning"],
        "never-seen pictures used only to measure": found["reporting"],
        **lists,
        "sentences": found["sentences"],
    }
