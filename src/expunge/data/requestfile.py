"""Reads an erasure request from a CSV or JSON file; every error names the field and the line.

A path flows in, lists of names flow out. Whether anybody knows these names is not asked here.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path

from expunge.errors import RequestError

KINDS = {"subject": "subjects", "picture": "pictures"}
EXAMPLE = '{"subjects": [...], "pictures": [...]}'
Names = Mapping[str, tuple[str, ...]]


def read_names(path: Path) -> Names:
    """Names by `subjects` and `pictures`, in the order of the file.

    Args:
        path: CSV with a column `subject` or `picture` or both (a line names one; other columns are not read), or JSON
            like `{"subjects": [...], "pictures": [...]}`; UTF-8.

    Raises:
        RequestError: no such file, another kind, or not readable as such.
    """
    readers = {".csv": _from_csv, ".json": _from_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise RequestError("request", expected="a file ending in .csv or .json", came=str(path))
    if not (os.path.isfile(path) or os.path.isdir(path)) and os.path.exists(path):  # a device never ends
        raise RequestError("request", expected="a readable CSV or JSON file", came=f"{path}, which is no file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise RequestError("request", expected="text in UTF-8", came=f"other bytes in line {line} of {path}") from None
    except (OSError, ValueError) as error:
        came = f"{path}: {getattr(error, 'strerror', None) or error}"
        raise RequestError("request", expected="a readable CSV or JSON file", came=came) from None
    return reader(text, path)


def _from_csv(text: str, path: Path) -> Names:
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    names: dict[str, list[str]] = {kind: [] for kind in KINDS.values()}
    header: list[str] | None = None
    try:
        for cells in reader:
            if header is None and any(cell.strip() for cell in cells):
                header = _header(cells, path, reader.line_num)
            elif header is not None and cells:
                kind, name = _line(header, cells, path, reader.line_num)
                names[kind].append(name)
    except csv.Error as error:
        raise RequestError("request", expected="CSV", came=f"line {reader.line_num} of {path}: {error}") from None
    if header is None:
        raise RequestError("request", expected="a column subject or picture", came=f"an empty file, {path}")
    return {kind: tuple(found) for kind, found in names.items()}


def _header(cells: list[str], path: Path, line: int) -> list[str]:
    header = [cell.strip() for cell in cells]
    known = [column for column in header if column in KINDS]
    if not known or len(set(known)) < len(known):
        came = f"{', '.join(map(repr, header))} in line {line} of {path}"
        raise RequestError(
            "request", expected="a column subject or picture (each once, commas between columns)", came=came
        )
    return header


def _line(header: list[str], cells: list[str], path: Path, line: int) -> tuple[str, str]:
    """Kind and name of one line."""
    place = f"line {line} of {path}"
    if len(cells) != len(header):
        raise RequestError(
            "request", expected=f"{len(header)} columns as in the first line", came=f"{len(cells)} in {place}"
        )
    named = {
        column: cell.strip() for column, cell in zip(header, cells, strict=True) if column in KINDS and cell.strip()
    }
    if not named:
        raise RequestError(" or ".join(c for c in header if c in KINDS), expected="a name", came=f"none in {place}")
    if len(named) > 1:
        # all pictures of that subject, or only this one? A guess would erase too much or too little
        raise RequestError(
            "request",
            expected="a subject or a picture in each line",
            came=f"both in {place}",
            remedy="leave the subject empty to erase that picture only",
        )
    ((column, name),) = named.items()
    return KINDS[column], name


def _from_json(text: str, path: Path) -> Names:
    try:
        raw = json.loads(text, object_pairs_hook=_pairs)
    except json.JSONDecodeError as error:
        came = f"line {error.lineno}, column {error.colno} of {path}: {error.msg}"
        raise RequestError("request", expected=f"JSON like {EXAMPLE}", came=came) from None
    except (_Twice, RecursionError) as error:
        came = f"the field {error} twice in {path}" if isinstance(error, _Twice) else f"lists in lists in {path}"
        raise RequestError("request", expected=f"JSON like {EXAMPLE}", came=came) from None
    except ValueError:  # more digits than Python reads
        raise RequestError("request", expected=f"JSON like {EXAMPLE}", came=f"a huge number in {path}") from None
    if not isinstance(raw, dict):
        raise RequestError("request", expected=f"JSON like {EXAMPLE}", came=f"{_kind(raw)} in line 1 of {path}")
    for key in raw:
        if key not in KINDS.values():
            came = f"{key!r} in line {_line_of(text, key)} of {path}"
            raise RequestError("request", expected="the fields subjects and pictures only", came=came)
    return {kind: _listed(raw.get(kind, []), kind, text, path) for kind in KINDS.values()}


def _listed(entries: object, field: str, text: str, path: Path) -> tuple[str, ...]:
    if not isinstance(entries, list):
        came = f"{_kind(entries)} in line {_line_of(text, field)} of {path}"
        raise RequestError(field, expected="a list of names", came=came)
    return tuple(_name(entry, f"{field}[{at}]", text, path) for at, entry in enumerate(entries))


def _name(entry: object, field: str, text: str, path: Path) -> str:
    # whole numbers are taken as they are written, as in a data set's own columns
    if isinstance(entry, str | int) and not isinstance(entry, bool) and str(entry).strip():
        return str(entry).strip()
    came = f"{_kind(entry)} in line {_line_of(text, *re.split(r'[][]', field)[:2])} of {path}"
    raise RequestError(field, expected="a name", came=came)


def _line_of(text: str, key: str, position: str = "") -> int:
    """The line where a field of the outermost object stands, or the entry at `position` of its list."""
    match = re.search(rf"{re.escape(json.dumps(key))}\s*:\s*", text)
    at = match.end() if match else 0
    if match and position:
        at = _skip(text, at + 1)
        for _ in range(int(position)):
            at = _skip(text, json.JSONDecoder().raw_decode(text, at)[1])
    return text.count("\n", 0, at) + 1


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


class _Twice(ValueError):
    """A field that stands twice in an object."""


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(repr(next(key for key in keys if keys.count(key) > 1)))
    return found


def _kind(value: object) -> str:
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    names = {
        dict: "an object",
        list: "a list",
        bool: "true or false",
        type(None): "null",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), type(value).__name__)
