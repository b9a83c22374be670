"""MUFAC's published lists with all their copies, over a table that holds every picture once.

A folder with `mufac_published.csv` and `mufac.parquet` flows in, a table part flows out in which every row of the
lists is a row of its own. A picture may stand in them many times, on both sides of a split: whoever compares numbers
with published ones has to measure them that way.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from expunge.data.distributed import FolderFiles
from expunge.data.lists import code, table
from expunge.data.store import Missing
from expunge.data.tables import Batches, Part, reading
from expunge.errors import DataError

LISTS, PICTURES = "mufac_published.csv", "mufac.parquet"
ID, IMAGE, AGE = "id", "image", "age_class"
AGES = tuple("abcdefgh")
SPLITS = ("train", "val", "test")
FORGET_ROWS = 1500  # at the head of the train list
NAMES = ("published_split", "row", "family_id", "person_id", AGE, "file")


def listed_parts(folder: Path) -> list[Part]:
    """The published rows of MUFAC, copies included.

    Args:
        folder: holds `mufac_published.csv` (split, row, family, person, age class, file) and `mufac.parquet`, whose
            pictures bear the names in the column `file`.

    Returns:
        One part: `image`, `id` (split and row: unique), `age_class`, `family`, `person`, `split`, `published`
        (`forget`, `retain`, `val`, `test`) and `file`, which copies share.

    Raises:
        DataError: a file or a column is missing, or a row names no picture.
    """
    for name in (LISTS, PICTURES):
        if not (folder / name).is_file():
            raise DataError("data", expected=f"the file {name}", came=f"none in {folder}")
    columns = _columns(folder)
    unknown = sorted(set(columns["file"]) - set(_pictures(folder / PICTURES, bytes_too=False)))
    if unknown:
        came = f"{len(unknown)} that are not in it, e.g. {unknown[0]}"
        raise DataError("data", expected=f"files of {PICTURES} in {LISTS}", came=came)

    def read(names: Sequence[str], size: int) -> Batches:
        stored = _pictures(folder / PICTURES, bytes_too=True) if IMAGE in names else {}
        for start in range(0, len(columns[ID]), size):
            chosen = slice(start, start + size)
            found = {name: columns[name][chosen] for name in names if name != IMAGE}
            if IMAGE in names:
                found[IMAGE] = [{"bytes": stored[one], "path": one} for one in columns["file"][chosen]]
            yield found

    return [Part("", (IMAGE, *columns), tuple(columns), read, {AGE: AGES})]


def _columns(folder: Path) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {name: [] for name in (ID, AGE, "family", "person", "split", "published", "file")}
    for at, (split, row, family, person, age, file) in enumerate(table(FolderFiles(folder), LISTS, NAMES)):
        where = f"row {at} of {LISTS}"
        code(split, SPLITS, where)
        if not row.isdecimal():
            raise DataError("data", expected=f"a whole number as `row` in {where}", came=repr(row))
        train = "forget" if int(row) < FORGET_ROWS else "retain"
        values = {
            ID: f"{split}-{row}",
            AGE: code(age, AGES, where),
            "family": family,
            "person": f"{family}_{person}",
            "split": split,
            "published": train if split == "train" else split,
            "file": file,
        }
        for name, value in values.items():
            found[name].append(value)
    return found


def _pictures(place: Path, *, bytes_too: bool) -> dict[str, bytes | Missing]:
    """Encoded pictures by name; where names are enough, nothing else is read."""
    import pyarrow.parquet as pq

    with reading(str(place)):
        wanted = [f"{IMAGE}.path", f"{IMAGE}.bytes"] if bytes_too else [f"{IMAGE}.path"]
        cells = pq.ParquetFile(place).read(wanted).column(IMAGE).to_pylist()
        return {cell["path"]: cell.get("bytes") or Missing("no picture in the table") for cell in cells}
