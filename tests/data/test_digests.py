"""Hashes of encoded pictures: those of the bytes that the source holds, whatever the source is."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from expunge.data.digests import encoded_digests
from expunge.data.sources import DataSpec, read_dataset
from expunge.data.synthetic import write_parquet
from expunge.errors import DataError


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    write_parquet(tmp_path / "faces.parquet", subjects=24, pictures_per_subject=4, size=8)
    return tmp_path / "faces.parquet"


def cells(faces: Path) -> list[bytes]:
    return [cell["bytes"] for cell in pq.read_table(faces).column("image").to_pylist()]


def test_of_a_table_they_are_those_of_its_cells(faces: Path) -> None:
    held = cells(faces)
    rows = [70, 3, 3, len(held) - 1]  # beyond the first batch, and one of them twice
    assert encoded_digests(DataSpec(path=str(faces)), rows) == [hashlib.sha256(held[row]).digest() for row in rows]


def test_of_paths_they_are_those_of_the_files(faces: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, data in enumerate(cells(faces)[:3]):
        (folder / f"{i}.png").write_bytes(data)
    (tmp_path / "list.csv").write_text("image,label\n2.png,a\n0.png,b\n1.png,a\n")
    spec = DataSpec(path=str(tmp_path / "list.csv"), root=str(folder))
    expected = [hashlib.sha256((folder / name).read_bytes()).digest() for name in ("1.png", "2.png")]
    assert encoded_digests(spec, [2, 0]) == expected
    shutil.rmtree(folder)
    with pytest.raises(DataError, match="row 2"):
        encoded_digests(spec, [2, 0])


def test_rows_are_those_of_a_picture_set_whatever_was_left_out(faces: Path, tmp_path: Path) -> None:
    folder, held = tmp_path / "pictures", cells(faces)
    folder.mkdir()
    for i, data in enumerate([held[0], b"no picture", held[1]]):
        (folder / f"{i}.png").write_bytes(data)
    (tmp_path / "list.csv").write_text("image,label\n0.png,a\n1.png,b\n2.png,b\n")
    spec = DataSpec(path=str(tmp_path / "list.csv"), root=str(folder), skip_unreadable=True)
    kept = read_dataset(spec, size=(8, 8)).pictures
    assert encoded_digests(spec, kept.rows.tolist()) == [hashlib.sha256(data).digest() for data in held[:2]]


def test_a_row_that_is_not_there_is_told(faces: Path) -> None:
    with pytest.raises(DataError, match=f"row {len(cells(faces))}"):
        encoded_digests(DataSpec(path=str(faces)), [0, len(cells(faces))])
