"""What the user's columns mean: classes and labels, owners, roles, picture ids; checked row by row.

Lists of Python values come in, arrays go out. No pixel and no file may enter.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from expunge.errors import DataError

Texts = np.ndarray[Any, np.dtype[np.str_]]
Codes = np.ndarray[Any, np.dtype[np.int64]]

_NUL = "\0"
ROLES = ("train", "tuning", "reporting")
UNUSED = "unused"
# read without being told: the names these splits bear nearly everywhere
CONVENTIONAL: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "tuning": ("tuning", "val", "valid", "validation", "dev"),
    "reporting": ("reporting", "test", "testing"),
}
_WHOLE = re.compile(r"-?\d+")
MOST_LETTERS = 1000  # an array of texts takes, for each of them, the room of the longest


def texts(name: str, values: Sequence[object]) -> Texts:
    """Every value of column `name` as text; whole numbers lose a decimal point that pandas gave them.

    Raises:
        DataError: a value is missing (None, NaN, empty), or neither text nor a whole number.

    Example:
        >>> texts("subject", ["ann", 7, 8.0]).tolist()
        ['ann', '7', '8']
    """
    return np.array([_text(name, row, value) for row, value in enumerate(values)], dtype=np.str_)


def class_names(found: Texts) -> tuple[str, ...]:
    """The classes of a column in a fixed order: by value where all are whole numbers, else by text.

    Example:
        >>> class_names(np.array(["10", "2", "2"])), class_names(np.array(["M", "F"]))
        (('2', '10'), ('F', 'M'))
    """
    names = np.unique(found).tolist()
    if all(_WHOLE.fullmatch(one) for one in names):
        names.sort(key=lambda one: (int(one), one))
    return tuple(names)


def encode_labels(
    name: str, values: Sequence[object], classes: Sequence[str] | None = None
) -> tuple[Codes, tuple[str, ...]]:
    """Class indices int64 [n] of a label column, and its classes (those given, else those found).

    Raises:
        DataError: a label is missing or not among `classes`, or there are fewer than two classes.
    """
    found = texts(name, values)
    known = class_names(found) if classes is None else tuple(classes)
    if len(known) < 2 or len(set(known)) != len(known):
        raise DataError(name, expected="two or more different classes", came=_listed(known))
    order = {one: code for code, one in enumerate(known)}
    codes = np.array([order.get(one, -1) for one in found.tolist()], dtype=np.int64)
    if (codes < 0).any():
        row = int((codes < 0).argmax())
        raise DataError(name, expected=f"one of the classes {_listed(known)}", came=f"{str(found[row])!r} in row {row}")
    return codes, known


def assign_roles(values: Sequence[object] | None, splits: Mapping[str, Sequence[str]], n: int) -> Texts:
    """The role of each of `n` pictures: `train`, `tuning`, `reporting`, or `unused` where its split has none.

    Args:
        values: the split column, or None: then every picture is `train`.
        splits: split values by role; where empty, the usual names are understood (train, val, test ...).
        n: number of pictures.

    Raises:
        DataError: a role that does not exist, `train` without a split, a split value that no row has or that plays
            two roles, or (where `splits` is empty) a split value that is not a usual name.

    Example:
        >>> assign_roles(["train", "val", "test"], {}, 3).tolist()
        ['train', 'tuning', 'reporting']
    """
    if values is None:
        if splits:
            raise DataError("split", expected="the name of the split column", came="none, although splits are given")
        return np.full(n, "train", dtype="<U9")
    found = _loose(values) if splits else texts("split", values)
    there = sorted(set(found.tolist()) - {""})
    role_of = _explicit(splits, there) if splits else _conventional(there)
    return np.array([role_of.get(value, UNUSED) for value in found.tolist()], dtype="<U9")


def picture_ids(values: Sequence[object] | None, paths: Sequence[str]) -> Texts:
    """An id for every picture: the user's column, or else what is unique of file name, path, row number.

    Args:
        values: the id column, or None.
        paths: where each picture lies, as far as it says; empty where it does not.

    Raises:
        DataError: the user's ids are missing or not unique.
    """
    if values is None:
        for names in ([os.path.basename(path) for path in paths], _without_common(paths)):
            if all(map(_kept, names)) and all(names) and len(set(names)) == len(names):
                return np.array(names, dtype=np.str_)
        return np.arange(len(paths)).astype(np.str_)
    ids = texts("id", values)
    unique, counts = np.unique(ids, return_counts=True)
    if len(unique) != len(ids):
        raise DataError("id", expected="a different id for every picture", came=f"{str(unique[counts > 1][0])!r} twice")
    return ids


def _without_common(paths: Sequence[str]) -> list[str]:
    try:
        top = os.path.commonpath(paths)
    except ValueError:  # relative and absolute ones together, or none at all
        return []
    return [os.path.relpath(path, top) if top else path for path in paths]


def _explicit(splits: Mapping[str, Sequence[str]], there: list[str]) -> dict[str, str]:
    strange = sorted(set(splits) - set(ROLES))
    if strange:
        raise DataError("splits", expected=f"the roles {_listed(ROLES)}", came=_listed(strange))
    if not splits.get("train"):
        raise DataError(
            "splits", expected="split values for the role train", came="none", remedy=f"the column has {_listed(there)}"
        )
    pairs = [(str(value), role) for role, chosen in splits.items() for value in chosen]
    for value, role in pairs:
        if value not in there:
            raise DataError(f"splits.{role}", expected=f"one of the split values {_listed(there)}", came=repr(value))
    if len(dict(pairs)) != len(pairs):
        raise DataError(
            "splits", expected="every split value under one role", came=_listed([value for value, _ in pairs])
        )
    return dict(pairs)


def _conventional(there: list[str]) -> dict[str, str]:
    known = {value: role for role, values in CONVENTIONAL.items() for value in values}
    strange = [value for value in there if value not in known]
    roles = {value: known[value] for value in there if value in known}
    if strange or "train" not in roles.values():
        remedy = "say which split values play the roles train, tuning and reporting (splits)"
        raise DataError("split", expected="the values train, val and test", came=_listed(there), remedy=remedy)
    return roles


def _loose(values: Sequence[object]) -> Texts:
    """Texts, in which a missing value is an empty one."""
    return np.array(["" if _missing(v) else _text("split", row, v) for row, v in enumerate(values)], dtype=np.str_)


def _missing(value: object) -> bool:
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and not value.strip())
    )


def _text(name: str, row: int, value: object) -> str:
    if _missing(value):
        raise DataError(
            name,
            expected="a value in every row",
            came=f"{value!r} in row {row}",
            remedy="fill it in or leave the row out",
        )
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | bool | int | np.integer | np.bool_):
        return _checked(name, row, str(value))
    raise DataError(name, expected="text or whole numbers", came=f"{value!r} in row {row}")


def _checked(name: str, row: int, text: str) -> str:
    """Refuse what an array of texts would not keep as it is: it drops NUL at the end, so that two names become one."""
    if not _kept(text):
        came = f"{len(text)} characters{', NUL among them' if _NUL in text else ''} in row {row}"
        raise DataError(name, expected=f"at most {MOST_LETTERS} characters without NUL", came=came)
    return text


def _kept(text: str) -> bool:
    return len(text) <= MOST_LETTERS and _NUL not in text


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most]) or "none"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
