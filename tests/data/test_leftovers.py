"""Erased pictures are found wherever they lie: at another size, changed, in a table; and others are left in peace."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from expunge.data.leftovers import Wanted, in_files, in_store, in_table
from expunge.data.sources import DataSpec, read_dataset
from expunge.data.synthetic import write_parquet


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    write_parquet(folder / "faces.parquet", subjects=12, pictures_per_subject=2, size=48)
    return folder


@pytest.fixture(scope="module")
def encoded(place: Path) -> list[bytes]:
    return [cell["bytes"] for cell in pq.read_table(place / "faces.parquet").column("image").to_pylist()]


def spec(place: Path) -> DataSpec:
    return DataSpec(path=str(place / "faces.parquet"), labels=("age_group",))


def changed(data: bytes, **save: object) -> bytes:
    file = BytesIO()
    Image.open(BytesIO(data)).convert("RGB").resize((40, 40)).save(file, **save)
    return file.getvalue()


@pytest.mark.parametrize("side", [16, 48, 64])
def test_a_store_of_any_size(place: Path, encoded: list[bytes], tmp_path: Path, side: int) -> None:
    read_dataset(spec(place), size=(side, side), cache=tmp_path)
    (pixels,) = tmp_path.glob("*.pixels")
    assert in_store(Wanted(encoded[:3]), pixels) == 3
    file = BytesIO()
    Image.radial_gradient("L").convert("RGB").save(file, "PNG")
    assert in_store(Wanted([file.getvalue()]), pixels) == 0


def test_a_store_that_nobody_can_look_into(place: Path, encoded: list[bytes], tmp_path: Path) -> None:
    read_dataset(spec(place), size=(16, 16), cache=tmp_path)
    (pixels,) = tmp_path.glob("*.pixels")
    pixels.write_bytes(pixels.read_bytes()[:-1])
    assert in_store(Wanted(encoded[:1]), pixels) is None
    pixels.with_suffix(".json").unlink()
    assert in_store(Wanted(encoded[:1]), pixels) is None


def test_changed_copies_in_files(encoded: list[bytes], tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.jpg" for i in range(6)]
    for file, data in zip(files, encoded, strict=False):
        file.write_bytes(changed(data, format="JPEG", quality=60))
    files.append(tmp_path / "none.png")
    files[-1].write_bytes(b"no picture")
    assert in_files(Wanted(encoded[2:4]), files) == files[2:4]
    assert in_files(Wanted(encoded[2:4], stays=[files[3].read_bytes()]), files) == files[2:3]


def test_tables_of_pictures(place: Path, encoded: list[bytes], tmp_path: Path) -> None:
    table = pq.read_table(place / "faces.parquet")
    pq.write_table(table.take(np.arange(4, 9)), tmp_path / "some.parquet")
    assert in_table(Wanted(encoded[6:12]), tmp_path / "some.parquet") == 3
    pq.write_table(table.drop_columns(["image"]), tmp_path / "none.parquet")
    assert in_table(Wanted(encoded), tmp_path / "none.parquet") == 0


def test_small_pictures_are_compared_exactly_only(encoded: list[bytes]) -> None:
    file = BytesIO()
    Image.open(BytesIO(encoded[0])).resize((16, 16)).save(file, "PNG")
    assert Wanted(encoded).searches_near and not Wanted([file.getvalue(), *encoded]).searches_near
