"""Which half of the pictures a shadow model sees: whole subjects, and each in exactly one model of a pair.

Pictures and a number flow in, a choice of pictures flows out. Shadow i depends on i and the seed alone, so that more
shadows can be added later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from expunge.data.splits import until_share
from expunge.data.store import PictureStore
from expunge.data.storefile import hash_row
from expunge.errors import DataError
from expunge.functional.seeding import derive_seed
from expunge.types import PictureSet

Array = np.ndarray[Any, np.dtype[Any]]
CHUNK = 1024


def half(pictures: PictureSet, index: int, *, seed: int) -> Array:
    """The pictures that shadow `index` is trained on, about half of them.

    Shadows 2j and 2j + 1 divide the subjects between them: every subject is in exactly half of any even number of
    shadows, and every shadow has half of the pictures but for those of one subject. Where subjects are unknown,
    pictures are divided.

    Args:
        pictures: to divide. index: of the shadow, from 0. seed: of the whole study.

    Returns:
        bool [n].

    Raises:
        DataError: they cannot be divided, since all belong to one.
    """
    owners = pictures.ids if pictures.subjects is None else pictures.subjects
    names, owner, counts = np.unique(owners, return_inverse=True, return_counts=True)
    order = np.random.default_rng(derive_seed(seed, "halves", index // 2)).permutation(len(names))
    taken = until_share(counts[order], len(pictures) / 2)
    if taken >= len(names):
        raise DataError("subject", expected="pictures that two halves can share", came=f"{len(names)} subject")
    first = np.isin(owner, order[:taken])
    return first if index % 2 == 0 else ~first


def joined(sets: Sequence[PictureSet]) -> PictureSet:
    """Several sets of one store as one, in this order.

    Raises:
        DataError: they are of different stores, or a picture would be in it twice.
    """
    first = sets[0]
    ids = np.concatenate([part.ids for part in sets])
    if any(part.source is not first.source or part.spec != first.spec for part in sets):
        raise DataError("pictures", expected="sets of one store", came="sets of several")
    if len(np.unique(ids)) < len(ids):
        raise DataError("pictures", expected="sets without common pictures", came="some that are in two of them")
    known = [part.subjects for part in sets if part.subjects is not None]
    return replace(
        first,
        rows=torch.cat([part.rows for part in sets]),
        labels=torch.cat([part.labels for part in sets]),
        ids=ids,
        subjects=np.concatenate(known) if len(known) == len(sets) else None,
    )


def fingerprint(pictures: PictureSet) -> str:
    """Hexadecimal SHA-256 of pixels, labels, ids and subjects in their order: what a study of these depends on."""
    digest = hashlib.sha256(_hashes(pictures).tobytes())
    digest.update(pictures.labels.contiguous().numpy().tobytes())
    texts = [pictures.ids.tolist(), None if pictures.subjects is None else pictures.subjects.tolist()]
    digest.update(json.dumps(texts).encode())
    return digest.hexdigest()


def _hashes(pictures: PictureSet) -> Array:
    if isinstance(pictures.source, PictureStore):  # computed when it was decoded
        return np.asarray(pictures.source.row_hashes[pictures.rows.numpy()])
    chunks = torch.split(torch.arange(len(pictures)), CHUNK)
    return np.stack([hash_row(pixels) for at in chunks for pixels in pictures.pixels(at).permute(0, 2, 3, 1).numpy()])
