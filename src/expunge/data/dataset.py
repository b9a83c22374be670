"""All pictures of a user with labels, owners and roles, as one value; and the way in for tensors in memory.

Stores and arrays come in, `PictureSet`s go out. No file is opened here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from expunge.data.columns import ROLES, UNUSED, Texts, picture_ids, texts
from expunge.data.store import PictureStore
from expunge.errors import DataError
from expunge.types import LabelSpec, PictureSet


@dataclass(frozen=True)
class Dataset:
    """Every readable picture, and what part it plays.

    Args:
        pictures: all of them, whatever their role; `source` is a `PictureStore`.
        roles: n texts `train`, `tuning`, `reporting` or `unused`.
        unreadable: one line for each picture that could not be decoded (and is not in `pictures`).
        fingerprint: hexadecimal SHA-256 of pixels, labels, owners, ids and roles.
        columns: every other scalar column of the table by name, row by row with `pictures`.
    """

    pictures: PictureSet
    roles: Texts
    unreadable: tuple[str, ...]
    fingerprint: str
    columns: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def store(self) -> PictureStore:
        """Where the pixels and their hashes are."""
        source = self.pictures.source
        if not isinstance(source, PictureStore):
            raise TypeError(f"expected a PictureStore, came {type(source).__name__}")
        return source

    def role(self, name: str) -> PictureSet:
        """The pictures with role `name`, in their order.

        Raises:
            DataError: no picture has this role.
        """
        chosen = self.roles == name
        if not chosen.any():
            there = ", ".join(np.unique(self.roles).tolist())
            raise DataError("splits", expected=f"pictures with the role {name}", came=f"only {there or 'no pictures'}")
        return self.pictures.subset(torch.from_numpy(chosen))

    def values(self, column: str, pictures: PictureSet) -> np.ndarray[Any, Any]:
        """What a column says of some of the pictures, in their order.

        Raises:
            DataError: there is no such column.
        """
        if column not in self.columns:
            known = ", ".join(sorted(self.columns)) or "none"
            raise DataError("column", expected=f"one of the other columns ({known})", came=repr(column))
        places = {name: place for place, name in enumerate(self.pictures.ids.tolist())}
        found: np.ndarray[Any, Any] = self.columns[column][[places[name] for name in pictures.ids.tolist()]]
        return found


def from_tensors(
    pixels: Tensor,
    labels: Tensor,
    *,
    subjects: Sequence[object] | None = None,
    roles: Sequence[str] | None = None,
    ids: Sequence[object] | None = None,
    spec: LabelSpec | None = None,
) -> Dataset:
    """A data set from tensors in memory.

    Args:
        pixels: uint8 [n, C, H, W], 0..255, C is 1 or 3.
        labels: integers [n] or [n, k], class indices of k attributes.
        subjects: n owners, or None where nobody knows them.
        roles: n of `train`, `tuning`, `reporting`, `unused`; all `train` where None.
        ids: n unique picture ids; row numbers where None.
        spec: what the labels mean; where None, attributes `label` (or `label0`, `label1` ...) with classes `0`, `1` ...

    Raises:
        DataError: a shape, dtype, role, id or label that does not fit.

    Example:
        >>> pixels, labels = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 1, 0])
        >>> data = from_tensors(pixels, labels, roles=["train"] * 3 + ["tuning"])
        >>> len(data.role("train")), data.pictures.spec.classes
        (3, (('0', '1'),))
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 4:
        remedy = "pictures in 0..1 become uint8 with (x * 255).round().to(torch.uint8)"
        raise DataError(
            "pixels", expected="uint8 [n, C, H, W]", came=f"{pixels.dtype} {list(pixels.shape)}", remedy=remedy
        )
    if pixels.shape[1] not in (1, 3):
        raise DataError("pixels", expected="1 or 3 channels in dimension 1", came=str(pixels.shape[1]))
    n = len(pixels)
    if not n:
        raise DataError("data", expected="at least one picture", came="none")
    codes = _codes(labels, n)
    store = PictureStore(pixels.detach().cpu().permute(0, 2, 3, 1).contiguous().numpy())
    owners = None if subjects is None else texts("subjects", _sized("subjects", subjects, n))
    names = picture_ids(None if ids is None else _sized("ids", ids, n), [""] * n)
    meaning = _counted(codes) if spec is None else spec
    pictures = PictureSet(store, torch.arange(n), codes, names, owners, meaning)
    parts = np.array(["train"] * n if roles is None else _sized("roles", roles, n), dtype="<U9")
    return assemble(pictures, parts)


def assemble(
    pictures: PictureSet,
    roles: Texts,
    *,
    unreadable: Sequence[str] = (),
    columns: Mapping[str, np.ndarray[Any, Any]] | None = None,
) -> Dataset:
    """The checked `Dataset` of these parts, with its fingerprint.

    Raises:
        DataError: no pictures, an unknown role, or a label outside its attribute's classes.
    """
    if not len(pictures):
        raise DataError("data", expected="at least one picture", came="none")
    strange = sorted(set(roles.tolist()) - {*ROLES, UNUSED})
    if strange:
        raise DataError("roles", expected=f"{', '.join(ROLES)} or {UNUSED}", came=", ".join(strange))
    sizes = torch.tensor(pictures.spec.sizes)
    if pictures.labels.shape[1] != len(sizes):
        came = f"{pictures.labels.shape[1]} columns"
        raise DataError("labels", expected=f"{len(sizes)} columns, one per attribute", came=came)
    beyond = ((pictures.labels < 0) | (pictures.labels >= sizes)).any(1)
    if beyond.any():
        row = int(beyond.to(torch.uint8).argmax())
        expected = f"class indices below {tuple(pictures.spec.sizes)}"
        raise DataError("labels", expected=expected, came=f"{pictures.labels[row].tolist()} in row {row}")
    return Dataset(pictures, roles, tuple(unreadable), _fingerprint(pictures, roles), columns or {})


def _codes(labels: Tensor, n: int) -> Tensor:
    if labels.is_floating_point() or labels.is_complex() or labels.ndim not in (1, 2) or len(labels) != n:
        came = f"{labels.dtype} {list(labels.shape)}"
        raise DataError("labels", expected=f"integers [{n}] or [{n}, k]", came=came)
    return labels.detach().cpu().to(torch.int64).reshape(n, -1)


def _counted(codes: Tensor) -> LabelSpec:
    """Classes 0 .. highest for every attribute (at least two)."""
    highest = codes.amax(0).clamp(min=1).tolist() if len(codes) else [1] * codes.shape[1]
    names = ("label",) if len(highest) == 1 else tuple(f"label{i}" for i in range(len(highest)))
    return LabelSpec(names, tuple(tuple(map(str, range(top + 1))) for top in highest))


def _sized(name: str, values: Sequence[Any], n: int) -> Sequence[Any]:
    if len(values) != n:
        raise DataError(name, expected=f"{n} values, one per picture", came=str(len(values)))
    return values


def _fingerprint(pictures: PictureSet, roles: Texts) -> str:
    source = pictures.source
    digest = hashlib.sha256(source.content_hash.encode() if isinstance(source, PictureStore) else b"")
    digest.update(pictures.rows.numpy().tobytes() + pictures.labels.contiguous().numpy().tobytes())
    owners = None if pictures.subjects is None else pictures.subjects.tolist()
    meaning = [pictures.spec.names, pictures.spec.classes]
    digest.update(json.dumps([pictures.ids.tolist(), owners, roles.tolist(), meaning]).encode())
    return digest.hexdigest()
