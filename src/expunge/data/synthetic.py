"""Invented faces as parametric drawings, for demos, tests and memory benchmarks: nobody real is on them.

Counts and a seed go in; pixels, labels and owners come out, the same on every machine with the same NumPy.
A person is a point in a small space of shapes and colours; how old somebody *looks* depends on their age and on
signs (lines, grey hair, size of the eyes) of which each person has their own mixture, so that unseen people can be
judged only roughly, while known ones can be remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from expunge.data.columns import Texts
from expunge.data.dataset import Dataset, assemble
from expunge.data.drawing import Pixels, Sitters, draw_pixels, draw_sitters
from expunge.data.splits import SHARES, draw_roles
from expunge.data.store import PictureStore
from expunge.errors import DataError
from expunge.types import LabelSpec, PictureSet

AGE_GROUPS = ("00-12", "13-29", "30-54", "55-99")
EXPRESSIONS = ("glad", "neutral", "sad", "surprised")
SPLIT_NAMES = {"train": "train", "tuning": "val", "reporting": "test"}
ROW_GROUP = 1024
LEAST_SUBJECTS = 8  # every role needs someone


def synthetic_faces(subjects: int, pictures_per_subject: int, *, size: int = 32, seed: int = 0) -> Dataset:
    """Faces in memory, with attribute `age_group`, people as subjects, and roles drawn by whole people.

    Args:
        subjects: number of people (at least 8).
        pictures_per_subject: pictures of each.
        size: height and width in pixels.
        seed: of everything.

    Returns:
        A `Dataset`; columns `expression` and `split` are in `columns`.

    Example:
        >>> faces = synthetic_faces(10, 2, size=16)
        >>> len(faces), faces.pictures.spec.names, str(faces.pictures.ids[0])
        (20, ('age_group',), 'person-0000_00.png')
    """
    sitters = _sitters(subjects, pictures_per_subject, size, seed)
    pixels = np.concatenate(list(draw_pixels(sitters, size=size, seed=seed)))
    names, ids = _names(sitters)
    roles = draw_roles(names.tolist(), shares=SHARES, seed=seed)
    labels = torch.from_numpy(sitters.age_group)[:, None]
    spec = LabelSpec(("age_group",), (AGE_GROUPS,))
    pictures = PictureSet(PictureStore(pixels), torch.arange(len(ids)), labels, ids, names, spec)
    splits = np.array([SPLIT_NAMES[role] for role in roles.tolist()])
    return assemble(pictures, roles, columns={"expression": np.array(EXPRESSIONS)[sitters.expression], "split": splits})


def synthetic_pixels(subjects: int, pictures_per_subject: int, *, size: int = 32, seed: int = 0) -> Iterator[Pixels]:
    """The same pixels in chunks, uint8 [b, size, size, 3]; memory stays small whatever their number."""
    return draw_pixels(_sitters(subjects, pictures_per_subject, size, seed), size=size, seed=seed)


def write_parquet(path: Path, *, subjects: int, pictures_per_subject: int, size: int = 32, seed: int = 0) -> None:
    """Write faces as a parquet file with a Hugging Face image column (PNG).

    The other columns are age_group, expression, subject and split (train, val, test).

    Args:
        path: the file; written whole or not at all.
        subjects, pictures_per_subject, size, seed: as in `synthetic_faces`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from datasets import Features, Value
    from datasets import Image as ImageFeature

    sitters = _sitters(subjects, pictures_per_subject, size, seed)
    names, ids = _names(sitters)
    roles = draw_roles(names.tolist(), shares=SHARES, seed=seed)
    texts = {
        "age_group": np.array(AGE_GROUPS)[sitters.age_group],
        "expression": np.array(EXPRESSIONS)[sitters.expression],
        "subject": names,
        "split": np.array([SPLIT_NAMES[role] for role in roles.tolist()]),
    }
    schema = Features({"image": ImageFeature(), **{name: Value("string") for name in texts}}).arrow_schema
    images = _images(draw_pixels(sitters, size=size, seed=seed), ids)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with pq.ParquetWriter(temporary, schema) as writer:
            for start in range(0, len(ids), ROW_GROUP):
                rows = slice(start, start + ROW_GROUP)
                columns = {"image": list(islice(images, ROW_GROUP))}
                columns |= {name: values[rows].tolist() for name, values in texts.items()}
                writer.write_table(pa.table(columns, schema=schema))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _images(chunks: Iterable[Pixels], ids: Texts) -> Iterator[dict[str, object]]:
    """Cells of a Hugging Face image column, one at a time."""
    pictures = (picture for chunk in chunks for picture in chunk)
    for picture, name in zip(pictures, ids.tolist(), strict=True):
        yield {"bytes": _png(picture), "path": name}


def _sitters(subjects: int, pictures_per_subject: int, size: int, seed: int) -> Sitters:
    for name, value, least in (
        ("subjects", subjects, LEAST_SUBJECTS),
        ("pictures_per_subject", pictures_per_subject, 1),
        ("size", size, 8),
    ):
        if value < least:
            raise DataError(name, expected=f"at least {least}", came=str(value))
    return draw_sitters(subjects, pictures_per_subject, seed=seed)


def _names(sitters: Sitters) -> tuple[Texts, Texts]:
    """Subject and picture id of every row."""
    people = [f"person-{one:04}" for one in sitters.person.tolist()]
    taken: dict[str, int] = {}
    ids = []
    for name in people:
        taken[name] = taken.get(name, -1) + 1
        ids.append(f"{name}_{taken[name]:02}.png")
    return np.array(people), np.array(ids)


def _png(pixels: Pixels) -> bytes:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()
