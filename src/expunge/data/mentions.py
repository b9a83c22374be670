"""Which files name certain people or pictures: in a cell, a string, a word of text, or an array of texts.

Paths and names flow in, the names that were found flow out. What somebody may conclude from it is not known here.
"""

from __future__ import annotations

import html
import json
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from expunge.data.requestfile import read_names
from expunge.data.tables import open_parts
from expunge.errors import DataError, RequestError

TEXTS = frozenset([".json", ".jsonl", ".csv", ".tsv", ".yaml", ".yml", ".txt", ".html", ".log", ".md"])
ARRAYS = ".npz"
LEAST_LETTERS = 3
ROWS = 4096
DAMAGED = (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)
CELL = re.compile(r"""[^\t\n\r,;"'<>\[\]{}|:=()]+""")
WORD = re.compile(r"""[^\s,;"'<>\[\]{}|=()]+""")


class Names:
    """Names to look for, in every form in which files spell them.

    Args:
        names: of people and pictures. Plain numbers and names of one or two letters are not looked for: they would be
            found everywhere.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.all = frozenset(names)
        self.looked_for = frozenset(n for n in self.all if len(n) >= LEAST_LETTERS and not n.isdecimal())
        spelled = {form: name for name in self.looked_for for form in _forms(name)}
        self._whole = {form: name for form, name in spelled.items() if CELL.fullmatch(form)}
        self._broken = {form: name for form, name in spelled.items() if form not in self._whole}

    def in_text(self, text: str) -> set[str]:
        """The names that stand in a text by themselves, not as part of a longer word."""
        found = {cell.strip() for cell in CELL.findall(text)} | {word.strip(".:") for word in WORD.findall(text)}
        named = {self._whole[form] for form in found & self._whole.keys()}
        return named | {name for form, name in self._broken.items() if form in text}


def named_in(names: Names, path: Path) -> set[str]:
    """The names in a file of text, of arrays, or a parquet table; none in files of other kinds.

    Raises:
        DataError: arrays or a table that cannot be read.
    """
    if path.suffix in TEXTS:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return set[str]().union(*map(names.in_text, lines))
    if path.suffix == ARRAYS:
        return set(names.looked_for) & set(_array_texts(path))
    if path.suffix == ".parquet":
        return set(names.looked_for) & set(_cells(path))
    return set()


def names_nobody_else(names: Names, path: Path) -> bool:
    """Whether a file is a request for some of these people and pictures, and for nobody else."""
    try:
        found = read_names(path)
    except RequestError:
        return False
    return names.all.issuperset(found["subjects"] + found["pictures"])


def _forms(name: str) -> set[str]:
    return {name, json.dumps(name)[1:-1], html.escape(name)}


def _array_texts(path: Path) -> Iterator[str]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for name in arrays.files:
                found = arrays[name]
                if found.dtype.kind in "US":
                    yield from np.unique(found.astype(np.str_)).tolist()
    except DAMAGED as error:
        raise DataError("arrays", expected="readable arrays", came=f"{path} ({error})") from None


def _cells(path: Path) -> Iterator[str]:
    for part in open_parts(str(path)):
        for batch in part.read(part.scalars, ROWS) if part.scalars else ():
            for values in batch.values():
                yield from (value for value in values if isinstance(value, str))
