"""The lists that lie beside the pictures of a published data set: CSV files, and words in lines.

Files flow in, checked rows flow out; each fault names the file and the row. What a column means is not known here.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO

from expunge.data.distributed import Files
from expunge.errors import DataError


def find(files: Files, *names: str) -> str:
    """The first of these files that is there, at the top or in one of its folders.

    Raises:
        DataError: there is none of them.
    """
    folders = ("", *(f"{one}/" for one in files.folders()))
    for name in names:
        for folder in folders:
            if files.has(f"{folder}{name}"):
                return f"{folder}{name}"
    shown = " or ".join(names[:2])
    raise DataError("data", expected=f"the file {shown}", came=f"none in {files.place}")


def table(files: Files, where: str, names: Sequence[str]) -> list[list[str]]:
    """The columns `names` of a CSV, row by row; empty lines are no rows.

    Raises:
        DataError: a column or a value is missing.
    """
    try:
        lines = [*csv.reader(StringIO(files.text(where), newline="")), []]
    except csv.Error as error:
        raise DataError("data", expected=f"a readable {where}", came=str(error)) from None
    header, rows = lines[0], lines[1:]
    missing = [name for name in names if name not in header]
    if missing:
        came = f"only {', '.join(header) or 'nothing'}"
        raise DataError("data", expected=f"the columns {', '.join(missing)} in {where}", came=came)
    for row, values in enumerate(rows):
        if values and len(values) != len(header):
            raise DataError("data", expected=f"{len(header)} values in row {row} of {where}", came=str(len(values)))
    return [[values[header.index(name)].strip() for name in names] for values in rows if values]


def words(files: Files, where: str, count: int) -> list[list[str]]:
    """The words of every line that is not empty.

    Raises:
        DataError: a line has not `count` of them.
    """
    found = [line.split() for line in files.text(where).splitlines() if line.strip()]
    for row, line in enumerate(found):
        if len(line) != count:
            raise DataError("data", expected=f"{count} words in row {row} of {where}", came=str(len(line)))
    return found


def code(value: str, known: Sequence[str], where: str) -> int:
    """The place of a class among those that are known.

    Raises:
        DataError: it is none of them; `where` says which row of which list.
    """
    if value not in known:
        raise DataError("data", expected=f"one of {', '.join(known)} in {where}", came=repr(value))
    return known.index(value)
