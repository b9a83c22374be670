"""Reads who is to be erased from a file that a person wrote: CSV or JSON, with errors that name the line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from expunge.errors import RequestError

Names = tuple[tuple[str, ...], tuple[str, ...]]


def read_json(place: Path) -> Names:
    """Names in a JSON file like `{"subjects": [...], "pictures": [...]}`.

    Raises:
        RequestError: it is nothing like that.
    """
    try:
        raw = json.loads(place.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise RequestError("request", expected=f"JSON in {place}", came=str(error).splitlines()[0]) from None
    if not isinstance(raw, dict) or not set(raw) <= {"subjects", "pictures"}:
        came = sorted(raw) if isinstance(raw, dict) else type(raw).__name__
        raise RequestError("request", expected='JSON like {"subjects": [...], "pictures": [...]}', came=str(came))
    lists = {}
    for key in ("subjects", "pictures"):
        entries = raw.get(key, [])
        if not isinstance(entries, list) or not all(isinstance(e, str) for e in entries):
            raise RequestError(f"request.{key}", expected="a list of names in quotes", came=repr(entries)[:60])
        lists[key] = tuple(dict.fromkeys(entries))
    return lists["subjects"], lists["pictures"]


def read_csv(place: Path) -> Names:
    """Names in a CSV table with a column `subject`, `picture`, or both.

    Raises:
        RequestError: it has neither, or an empty line; naming the line.
    """
    try:
        with place.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
            columns = rows[0].keys() if rows else ()
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise RequestError("request", expected=f"a CSV table in {place}", came=str(error)) from None
    if rows and not {"subject", "picture"} & set(columns):
        came = ", ".join(map(str, columns))
        raise RequestError("request", expected=f"a column subject or picture in {place}", came=came)
    names: dict[str, list[str]] = {"subject": [], "picture": []}
    for line, row in enumerate(rows, start=2):
        found = {key: (row.get(key) or "").strip() for key in names}
        if not any(found.values()):
            raise RequestError("request", expected=f"a name in line {line} of {place}", came="an empty line")
        for key, value in found.items():
            if value:
                names[key].append(value)
    return tuple(dict.fromkeys(names["subject"])), tuple(dict.fromkeys(names["picture"]))
