"""From the user's files to a `Dataset`: which column is what, which pictures are read, what is refused.

A `DataSpec` (names only) comes in. Tables come through Hugging Face `datasets`, pixels through the store; the
meaning of columns is checked before the first picture is decoded. No model and no request may enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from expunge.data.columns import Codes, assign_roles, encode_labels, picture_ids, texts
from expunge.data.dataset import Dataset, assemble
from expunge.data.encoded import TablePictures
from expunge.data.published import published_parts
from expunge.data.store import MEMORY_BYTES, PictureStore, Progress, open_store
from expunge.data.tables import Part, dataset_parts, open_parts
from expunge.errors import DataError
from expunge.types import LabelSpec, PictureSet

ROWS = 4096
Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class DataSpec:
    """Where the pictures are and what the columns mean.

    Args:
        path: a parquet file or a folder of them, a folder of pictures (labels from `metadata.csv`, else from folder
            names), a CSV whose image column holds paths, a folder written by `save_to_disk`, `hub:OWNER/NAME`, or a
            data set in its published layout (`mufac:PATH`, see `published.LAYOUTS`).
        image: name of the image column (encoded pictures or paths; `file_name` of a `metadata.csv` is called `image`).
        labels: names of the label columns, one per attribute.
        subject: column that says whose picture it is, or None.
        split: column that says which split a picture is in, or None (then all are `train`). Where the source itself
            is in parts (folders, splits of a saved data set), they are the column `split`.
        splits: split values by role (`train`, `tuning`, `reporting`); empty for the usual names (train, val, test).
        id: column of unique picture ids; None for file names where unique, else paths, else row numbers.
        root: folder that paths of pictures start from and may not leave; None for the folder of the table.
        config: configuration name of a hub data set.
        classes: classes by label column in the order of the model's logits; a label outside is an error. Where not
            given: the order the data set declares, else whole numbers by value, else text.
        skip_unreadable: leave out pictures that cannot be decoded (they are listed) instead of refusing them.
    """

    path: str = ""
    image: str = "image"
    labels: tuple[str, ...] = ("label",)
    subject: str | None = None
    split: str | None = None
    splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    id: str | None = None
    root: str | None = None
    config: str | None = None
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skip_unreadable: bool = False


def read_dataset(
    spec: DataSpec,
    *,
    size: tuple[int, int],
    channels: int = 3,
    cache: Path | None = None,
    memory_bytes: int = MEMORY_BYTES,
    progress: Progress | None = None,
) -> Dataset:
    """Read, check and decode the pictures that `spec` names.

    Args:
        spec: path and columns.
        size: height and width in pixels of the decoded pictures.
        channels: 3 for RGB, 1 for grey.
        cache: folder where decoded pictures are kept for the next run.
        memory_bytes: a larger store is mapped from disk.
        progress: called as `progress(done, total)` while decoding.

    Returns:
        All readable pictures with labels, owners and roles.

    Raises:
        DataError: anything about the data that is not as it must be, in one line.
    """
    store = _StoreSettings(size, channels, cache, memory_bytes, progress)
    return _build(published_parts(spec.path) or open_parts(spec.path, config=spec.config), spec, store)


def from_datasets(
    data: Any,
    spec: DataSpec,
    *,
    size: tuple[int, int],
    channels: int = 3,
    cache: Path | None = None,
    memory_bytes: int = MEMORY_BYTES,
    progress: Progress | None = None,
) -> Dataset:
    """The same from a `datasets.Dataset` or `datasets.DatasetDict` in hand; `spec.path` is not looked at."""
    store = _StoreSettings(size, channels, cache, memory_bytes, progress)
    return _build(dataset_parts(data), spec, store)


@dataclass(frozen=True)
class _StoreSettings:
    size: tuple[int, int]
    channels: int
    cache: Path | None
    memory_bytes: int
    progress: Progress | None

    def open(self, pictures: TablePictures) -> PictureStore:
        return open_store(
            pictures,
            size=self.size,
            channels=self.channels,
            cache=self.cache,
            memory_bytes=self.memory_bytes,
            progress=self.progress,
        )


def _build(parts: Sequence[Part], spec: DataSpec, settings: _StoreSettings) -> Dataset:
    if spec.root is not None:
        parts = [replace(part, root=Path(spec.root)) for part in parts]
    _check_columns(parts, spec)
    columns, n = _scalars(parts, spec)
    if not n:
        raise DataError("data", expected="at least one row", came="an empty table")
    codes, meaning = _labels(columns, parts, spec)
    owners = None if spec.subject is None else texts(spec.subject, columns[spec.subject])
    roles = assign_roles(None if spec.split is None else columns[spec.split], spec.splits, n)
    pictures = TablePictures(parts, spec.image, n)
    store = settings.open(pictures)
    ids = picture_ids(None if spec.id is None else columns[spec.id], pictures.paths)
    unreadable = [f"{ids[row]} (row {row}): {reason}" for row, reason in sorted(store.unreadable.items())]
    if unreadable and not spec.skip_unreadable:
        came = f"{unreadable[0]}{f' and {len(unreadable) - 1} more' if len(unreadable) > 1 else ''}"
        raise DataError(
            spec.image, expected="readable pictures", came=came, remedy="mend them, or use --skip-unreadable"
        )
    everything = PictureSet(store, torch.arange(n), torch.from_numpy(codes), ids, owners, meaning)
    good = np.array([row not in store.unreadable for row in range(n)])
    arrays = {name: _array(values)[good] for name, values in columns.items()}
    return assemble(everything.subset(torch.from_numpy(good)), roles[good], unreadable=unreadable, columns=arrays)


def _check_columns(parts: Sequence[Part], spec: DataSpec) -> None:
    if not spec.labels or len(set(spec.labels)) != len(spec.labels):
        raise DataError("labels", expected="one or more different label columns", came=str(list(spec.labels)))
    for name in spec.classes:
        if name not in spec.labels:
            raise DataError("classes", expected=f"classes of the labels {', '.join(spec.labels)}", came=repr(name))
    named = {
        "image": (spec.image,),
        "labels": spec.labels,
        "subject": (spec.subject,),
        "split": (spec.split,),
        "id": (spec.id,),
    }
    for part in parts:
        columns = _offered(part)
        for name, wanted in named.items():
            for column in wanted:
                if column is not None and column not in columns:
                    where = f" ({part.split})" if part.split else ""
                    raise DataError(name, expected=f"one of the columns {', '.join(columns)}{where}", came=repr(column))
                if column is not None and name != "image" and column not in (*part.scalars, "split"):
                    raise DataError(name, expected="a column of text or whole numbers", came=f"{column!r}")


def _offered(part: Part) -> tuple[str, ...]:
    return (*part.columns, "split") if part.split and "split" not in part.columns else part.columns


def _scalars(parts: Sequence[Part], spec: DataSpec) -> tuple[Columns, int]:
    """All scalar columns that every part has, class codes spelled out; and the number of rows."""
    shared = [name for name in parts[0].scalars if name != spec.image and all(name in p.scalars for p in parts)]
    columns: Columns = {name: [] for name in shared}
    if all("split" in _offered(part) for part in parts):
        columns.setdefault("split", [])
    n = 0
    for part in parts:
        # the label columns are always scalars, so there is something to read
        for batch in part.read(shared, ROWS):
            rows = len(batch[shared[0]])
            for name, values in columns.items():
                values.extend(_spelled(batch[name], part.classes.get(name)) if name in batch else [part.split] * rows)
            n += rows
    return columns, n


def _spelled(codes: list[Any], names: Sequence[str] | None) -> list[Any]:
    if names is None:
        return codes
    return [names[code] if code is not None and 0 <= code < len(names) else None for code in codes]


def _labels(columns: Columns, parts: Sequence[Part], spec: DataSpec) -> tuple[Codes, LabelSpec]:
    encoded = []
    for name in spec.labels:
        declared = {part.classes.get(name) for part in parts}
        known = spec.classes.get(name) or (declared.pop() if len(declared) == 1 else None)
        encoded.append(encode_labels(name, columns[name], known))
    return np.stack([codes for codes, _ in encoded], axis=1), LabelSpec(
        tuple(spec.labels), tuple(c for _, c in encoded)
    )


def _array(values: list[Any]) -> np.ndarray[Any, Any]:
    """Text where there is any (a missing one is empty), else numbers (a missing one is NaN)."""
    if all(value is None or isinstance(value, str) for value in values):
        return np.array(["" if value is None else value for value in values], dtype=np.str_)
    return np.array([np.nan if value is None else value for value in values])
