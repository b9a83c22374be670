"""Data sets of the literature in the layouts in which they are given out, named `mufac:PATH`, `raf-db:PATH` and so on.

A name with a path flows in, the same table parts flow out that a CSV of paths gives: pictures, labels, people, splits,
and a column `published` that says which pictures the literature forgets (`forget`, `retain`, `val`, `test`).
Nothing is downloaded.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from expunge.data.dataset import Dataset
from expunge.data.distributed import Files, open_files
from expunge.data.listed import AGES, FORGET_ROWS, ID, SPLITS, listed_parts
from expunge.data.lists import code, find, table, words
from expunge.data.tables import Batches, Part
from expunge.errors import DataError

IMAGE, PUBLISHED, FORGET = "image", "published", "forget"
EMOTIONS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
MUFAC_NAMES = ("image_path", "age_class", "family_id", "person_id")
RAF_SEED, RAF_TUNING, RAF_RETAIN = 42, 0.1, 0.7
# names of the attributes here and in the lists of CelebA, and what -1 and 1 mean
ATTRIBUTES: Mapping[str, tuple[str, tuple[str, str]]] = {
    "gender": ("Male", ("F", "M")),
    "smiling": ("Smiling", ("no", "yes")),
    "young": ("Young", ("no", "yes")),
}
# people of MUCAC by their numbers: below the first tested on, then forgotten, retained, and never seen
MUCAC_PEOPLE = (190, 1250, 4855)
MUCAC_IDENTITY = "CelebA-HQ-identity.txt"
MUCAC_ATTRIBUTES = ("CelebAMask-HQ-attribute-anno.txt", "CelebA-HQ-attribute.txt")


@dataclass(frozen=True)
class Rows:
    """A table in memory: names of pictures, and columns beside them; class codes mean `classes`."""

    pictures: list[str]
    columns: dict[str, list[Any]]
    classes: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Layout:
    """How a data set is given out.

    Args:
        home: where it can be had, for people.
        columns: what its columns are called, as fields of a job's `data`.
        parts: reads the table at a path.
    """

    home: str
    columns: Mapping[str, Any]
    parts: Callable[[Path], list[Part]]


def published_parts(path: str) -> list[Part] | None:
    """The table at `LAYOUT:PATH`; None where `path` names no layout.

    Raises:
        DataError: a file, a column or all pictures are missing; says where the data set can be had.
    """
    name, _, place = path.partition(":")
    layout = LAYOUTS.get(name)
    if layout is None:
        return None
    try:
        return layout.parts(Path(place))
    except DataError as error:
        remedy = f"{name} can be had from {layout.home}"
        raise DataError(path, expected=error.expected, came=error.came, remedy=remedy) from None


def published_columns(path: str) -> dict[str, Any]:
    """Labels, subject and split columns of `LAYOUT:PATH`, by the names of a job's `data`; nothing for other paths.

    Example:
        >>> published_columns("mufac:/data/mufac.zip")
        {'labels': ('age_class',), 'subject': 'person', 'split': 'split'}
    """
    layout = LAYOUTS.get(path.partition(":")[0])
    return dict(layout.columns) if layout is not None else {}


def published_forget(data: Dataset) -> list[str]:
    """Ids of the pictures that the literature forgets, in the order of the data.

    Raises:
        DataError: the data set was not read from a published layout.
    """
    if PUBLISHED not in data.columns:
        remedy = f"read it as one of {', '.join(f'{name}:PATH' for name in LAYOUTS)}"
        raise DataError(PUBLISHED, expected="a data set in its published layout", came="another one", remedy=remedy)
    return [str(name) for name in data.pictures.ids[data.columns[PUBLISHED] == FORGET]]


def _reader(what: str, read: Callable[[Files], Rows]) -> Callable[[Path], list[Part]]:
    def parts(place: Path) -> list[Part]:
        files = open_files(place, what)
        return [_part(read(files), files)]

    return parts


def _part(rows: Rows, files: Files) -> Part:
    if not rows.pictures:
        raise DataError("data", expected="lists with rows", came=f"empty ones in {files.place}")
    if not any(map(files.has, rows.pictures)):
        raise DataError("data", expected=f"pictures as listed, e.g. {rows.pictures[0]}", came=f"none in {files.place}")

    def read(columns: Sequence[str], size: int) -> Batches:
        for start in range(0, len(rows.pictures), size):
            chosen = slice(start, start + size)
            found = {name: rows.columns[name][chosen] for name in columns if name != IMAGE}
            if IMAGE in columns:
                found[IMAGE] = [files.cell(one) for one in rows.pictures[chosen]]
            yield found

    return Part("", (IMAGE, *rows.columns), tuple(rows.columns), read, rows.classes, files.root)


def _mufac(files: Files) -> Rows:
    pictures: list[str] = []
    columns: dict[str, list[Any]] = {name: [] for name in ("age_class", "family", "person", "split", PUBLISHED)}
    for split in SPLITS:
        where = find(files, f"custom_{split}_dataset.csv")
        folder = where.removesuffix(f"custom_{split}_dataset.csv")
        for row, (name, age, family, person) in enumerate(table(files, where, MUFAC_NAMES)):
            pictures.append(f"{folder}{split}_images/{name}")
            columns["age_class"].append(code(age, AGES, f"row {row} of {where}"))
            columns["family"].append(family)
            columns["person"].append(f"{family}_{person}")  # as listed: who is in two families counts twice
            columns["split"].append(split)
            part = FORGET if row < FORGET_ROWS else "retain"
            columns[PUBLISHED].append(part if split == "train" else split)
    return Rows(pictures, columns, {"age_class": AGES})


def _raf_db(files: Files) -> Rows:
    where = find(files, "EmoLabel/list_patition_label.txt")
    folder = where.removesuffix("EmoLabel/list_patition_label.txt")
    lines = words(files, where, 2)
    numbers = tuple(map(str, range(1, len(EMOTIONS) + 1)))
    codes = [code(emotion, numbers, f"row {row} of {where}") for row, (_, emotion) in enumerate(lines)]
    names = [f"{name.rpartition('.')[0]}_aligned.jpg" for name, _ in lines]
    for name in names:
        if not name.startswith(("train_", "test_")):
            raise DataError("data", expected="names that begin with train_ or test_", came=f"{name!r} in {where}")
    parts = _raf_parts(names, codes)
    split = [part if part in ("val", "test") else "train" for part in parts]
    pictures = [f"{folder}Image/aligned/{name}" for name in names]
    return Rows(pictures, {"emotion": codes, "split": split, PUBLISHED: parts}, {"emotion": EMOTIONS})


def _raf_parts(names: Sequence[str], codes: Sequence[int]) -> list[str]:
    """The split that the published code draws: its training pictures by class and name, shuffled with a fixed seed."""
    found = ["test"] * len(names)
    order = sorted(
        (row for row, name in enumerate(names) if name.startswith("train_")), key=lambda row: (codes[row], names[row])
    )
    random.Random(RAF_SEED).shuffle(order)
    tuning = int(len(order) * RAF_TUNING)
    retain = tuning + int((len(order) - tuning) * RAF_RETAIN)
    for at, row in enumerate(order):
        found[row] = "val" if at < tuning else "retain" if at < retain else FORGET
    return found


def _mucac(files: Files) -> Rows:
    people = dict(words(files, find(files, MUCAC_IDENTITY), 2))
    labels = _attributes(files, find(files, *MUCAC_ATTRIBUTES))
    folder = find(files, *(f"CelebA-HQ-img/{name}" for name in people)).rpartition("/")[0]
    columns: dict[str, list[Any]] = {name: [] for name in (*ATTRIBUTES, "identity", "split", PUBLISHED)}
    for name, person in people.items():
        if name not in labels or not person.isdecimal():
            expected = f"a whole number in {MUCAC_IDENTITY} and attributes for every picture"
            raise DataError("data", expected=expected, came=f"none for {name}")
        for attribute, value in zip(ATTRIBUTES, labels[name], strict=True):
            columns[attribute].append(value)
        part = ("test", FORGET, "retain", "val")[sum(int(person) >= first for first in MUCAC_PEOPLE)]
        columns["identity"].append(person)
        columns["split"].append(part if part in ("val", "test") else "train")
        columns[PUBLISHED].append(part)
    classes = {name: meaning for name, (_, meaning) in ATTRIBUTES.items()}
    return Rows([f"{folder}/{name}" for name in people], columns, classes)


def _attributes(files: Files, where: str) -> dict[str, list[int]]:
    """Class codes of the three attributes, by picture."""
    _, header, *lines = [*files.text(where).splitlines(), "", ""]
    names = header.split()
    missing = [name for name, _ in ATTRIBUTES.values() if name not in names]
    if missing:
        expected = f"the attributes {', '.join(missing)} in the second line of {where}"
        raise DataError("data", expected=expected, came=f"{len(names)} others")
    found = {}
    for row, line in enumerate(line.split() for line in lines if line.strip()):
        if len(line) != len(names) + 1:
            raise DataError("data", expected=f"{len(names) + 1} words in row {row} of {where}", came=f"{len(line)}")
        values = [line[1 + names.index(name)] for name, _ in ATTRIBUTES.values()]
        found[line[0]] = [code(value, ("-1", "1"), f"row {row} of {where}") for value in values]
    return found


MUFAC_COLUMNS = {"labels": ("age_class",), "subject": "person", "split": "split"}
LAYOUTS: Mapping[str, Layout] = {
    "mufac": Layout("github.com/ndb796/MachineUnlearning (MUFAC)", MUFAC_COLUMNS, _reader("MUFAC", _mufac)),
    "raf-db": Layout(
        "www.whdeng.cn/RAF/model1.html (RAF-DB, on request)",
        {"labels": ("emotion",), "split": "split"},
        _reader("RAF-DB", _raf_db),
    ),
    "mucac": Layout(
        "github.com/ndb796/MachineUnlearning (MUCAC; pictures and attributes are those of CelebAMask-HQ)",
        {"labels": tuple(ATTRIBUTES), "subject": "identity", "split": "split"},
        _reader("MUCAC", _mucac),
    ),
    "mufac-lists": Layout("github.com/ndb796/MachineUnlearning (MUFAC)", MUFAC_COLUMNS | {"id": ID}, listed_parts),
}
