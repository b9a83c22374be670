"""Reading: every kind of source gives the same data set, and every kind of fault its own line."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from expunge.data import Dataset, DataSpec, from_datasets, from_tensors, read_dataset
from expunge.data.columns import picture_ids
from expunge.errors import DataError
from expunge.types import LabelSpec

SPEC = DataSpec(labels=("age",), subject="who", split="part")
ROWS: dict[str, list[Any]] = {
    "age": ["10", "9", "9", "10", "9", "10"],
    "who": ["007", "007", "8", "8", "9", "10"],
    "part": ["train", "train", "train", "train", "val", "test"],
}
FACES = Path(os.environ.get("EXPUNGE_FACES", "../shared/faces"))
real_faces = pytest.mark.skipif(
    not (FACES / "mufac.parquet").exists(), reason="real faces are not here (EXPUNGE_FACES names their folder)"
)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)


def png(seed: int) -> bytes:
    file = BytesIO()
    Image.fromarray(noise(seed)).save(file, "PNG")
    return file.getvalue()


def table(**changes: Any) -> datasets.Dataset:
    cells = [{"bytes": png(i), "path": f"face{i}.png"} for i in range(6)]
    columns = {"image": cells, **ROWS, **changes}
    found = datasets.Dataset.from_dict(columns)
    return found if "image" in changes else found.cast_column("image", datasets.Image())


def files(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(6):
        (folder / f"face{i}.png").write_bytes(png(i))


def as_parquet(place: Path) -> str:
    table().to_parquet(place / "faces.parquet")
    return str(place / "faces.parquet")


def as_parquet_folder(place: Path) -> str:
    table().select(range(2)).to_parquet(place / "a.parquet")
    table().select(range(2, 6)).to_parquet(place / "b.parquet")
    return str(place)


def as_raw_bytes(place: Path) -> str:
    pd.DataFrame({"image": [png(i) for i in range(6)], **ROWS}).to_parquet(place / "raw.parquet")
    return str(place / "raw.parquet")


def as_csv(place: Path) -> str:
    files(place / "pictures")
    pd.DataFrame({"image": [f"pictures/face{i}.png" for i in range(6)], **ROWS}).to_csv(place / "f.csv", index=False)
    return str(place / "f.csv")


def as_tsv_with_mark(place: Path) -> str:
    files(place)
    frame = pd.DataFrame({"image": [f"face{i}.png" for i in range(6)], **ROWS})
    frame.to_csv(place / "f.tsv", index=False, sep="\t", encoding="utf-8-sig")
    return str(place / "f.tsv")


def as_metadata(place: Path) -> str:
    files(place / "test [odd]")  # a word that `datasets` takes for a split, and characters it takes for a pattern
    names = [f"face{i}.png" for i in range(6)]
    pd.DataFrame({"file_name": names, **ROWS}).to_csv(place / "test [odd]" / "metadata.csv", index=False)
    return str(place / "test [odd]")


def as_saved(place: Path) -> str:
    table().save_to_disk(place / "saved")
    return str(place / "saved")


SOURCES: list[Callable[[Path], str]] = [
    as_parquet,
    as_parquet_folder,
    as_raw_bytes,
    as_csv,
    as_tsv_with_mark,
    as_metadata,
    as_saved,
]


def read(spec: DataSpec, **settings: Any) -> Dataset:
    return read_dataset(spec, size=(4, 4), **settings)


@pytest.mark.parametrize("write", SOURCES)
def test_every_kind_of_source_gives_the_same_data(tmp_path: Path, write: Callable[[Path], str]) -> None:
    place = tmp_path / "data"
    place.mkdir()
    data = read(replace(SPEC, path=write(place)), cache=tmp_path / "cache")
    assert data.pictures.spec == LabelSpec(("age",), (("9", "10"),))
    assert data.pictures.labels.tolist() == [[1], [0], [0], [1], [0], [1]] and data.pictures.labels.dtype == torch.int64
    assert data.pictures.subjects is not None and data.pictures.subjects.tolist() == ROWS["who"]
    assert data.roles.tolist() == ["train"] * 4 + ["tuning", "reporting"]
    assert torch.equal(data.pictures.pixels(torch.tensor([5]))[0].permute(1, 2, 0), torch.from_numpy(noise(5)))
    named = write is not as_raw_bytes
    assert data.pictures.ids.tolist() == [f"face{i}.png" if named else str(i) for i in range(6)]
    assert data.columns["who"].tolist() == ROWS["who"]
    same = from_datasets(table(), SPEC, size=(4, 4))
    assert (same.fingerprint == data.fingerprint) == named


def test_data_sets_in_hand_say_their_own_splits() -> None:
    whole = table().remove_columns("part")
    data = datasets.DatasetDict(train=whole.select(range(4)), val=whole.select([4]), test=whole.select([5]))
    got = from_datasets(data, replace(SPEC, split="split"), size=(4, 4))
    assert got.roles.tolist() == ["train"] * 4 + ["tuning", "reporting"]


def test_saved_splits_and_hub_shards_say_their_own_splits(tmp_path: Path) -> None:
    whole = table().remove_columns("part")
    parts = datasets.DatasetDict(train=whole.select(range(4)), test=whole.select([4, 5]))
    parts.save_to_disk(tmp_path / "saved")
    (tmp_path / "shards").mkdir()
    for name, part in parts.items():
        part.to_parquet(tmp_path / "shards" / f"{name}-00000-of-00001.parquet")
    for place in ("saved", "shards"):
        got = read(replace(SPEC, path=str(tmp_path / place), split="split"))
        assert sorted(got.roles.tolist()) == ["reporting"] * 2 + ["train"] * 4


def test_declared_classes_keep_their_order_and_missing_codes_are_found() -> None:
    named = table().cast_column("age", datasets.ClassLabel(names=["10", "9", "8"]))
    assert from_datasets(named, SPEC, size=(4, 4)).pictures.spec.classes == (("10", "9", "8"),)
    codes = named.remove_columns("age").add_column("age", [0, 1, -1, 0, 1, 0]).cast_column("age", named.features["age"])
    with pytest.raises(DataError, match="age: expected a value in every row, came None in row 2"):
        from_datasets(codes, SPEC, size=(4, 4))


def test_a_folder_of_folders_gives_labels_and_splits(tmp_path: Path) -> None:
    for i, name in enumerate(("train/cat/1", "train/dog/1", "test/cat/1", "test/dog/train_1")):
        file = tmp_path / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(i))
    data = read(DataSpec(str(tmp_path), split="split"))
    assert data.pictures.ids.tolist() == [
        f"{n}.png" for n in ("test/cat/1", "test/dog/train_1", "train/cat/1", "train/dog/1")
    ]
    assert data.pictures.labels.flatten().tolist() == [0, 1, 0, 1]
    assert data.roles.tolist() == ["reporting", "reporting", "train", "train"]
    with pytest.raises(DataError, match=r"labels: expected one of the columns image, label, split.*'age'"):
        read(DataSpec(str(tmp_path), labels=("age",)))


def test_several_attributes_whole_numbers_and_pinned_classes() -> None:
    data = table(sex=[0, 1, 1, 0, 1, 0], score=[1.0, 2.0, 1.0, 3.0, 3.0, 10.0])
    spec = replace(SPEC, labels=("sex", "score", "age"), classes={"age": ("9", "10", "11")})
    got = from_datasets(data, spec, size=(4, 4)).pictures
    assert got.spec.classes == (("0", "1"), ("1", "2", "3", "10"), ("9", "10", "11"))
    assert got.labels[5].tolist() == [0, 3, 1]


def test_split_values_without_a_role_are_unused() -> None:
    spec = replace(SPEC, splits={"train": ("train",), "tuning": ("test",)})
    got = from_datasets(table(), spec, size=(4, 4))
    assert got.roles.tolist() == ["train"] * 4 + ["unused", "tuning"]
    assert len(got.role("unused")) == 1
    with pytest.raises(
        DataError, match="splits: expected pictures with the role reporting, came only train, tuning, unused"
    ):
        got.role("reporting")


def test_without_a_split_column_everything_is_training() -> None:
    assert set(from_datasets(table(), replace(SPEC, split=None), size=(4, 4)).roles.tolist()) == {"train"}


def test_text_in_a_csv_stays_what_it_is(tmp_path: Path) -> None:
    files(tmp_path)
    frame = pd.DataFrame(
        {"image": [f"face{i}.png" for i in range(6)], **ROWS, "age": ["NA", "null", "NA", "01", "1", "1"]}
    )
    frame.to_csv(tmp_path / "f.csv", index=False)
    got = read(replace(SPEC, path=str(tmp_path / "f.csv")))
    assert got.pictures.spec.classes == (("01", "1", "NA", "null"),)


def change(column: str, row: int, value: object) -> Callable[[], datasets.Dataset]:
    def changed() -> datasets.Dataset:
        values = [value if i == row else old for i, old in enumerate(ROWS[column])]
        return table(**{column: values})

    return changed


BAD: list[tuple[str, Callable[[], Any], dict[str, Any], str]] = [
    (
        "no image column",
        table,
        {"image": "picture"},
        "image: expected one of the columns image, age, who, part, came 'picture'",
    ),
    ("no label column", table, {"labels": ("agee",)}, "labels: expected one of the columns .*, came 'agee'"),
    ("no subject column", table, {"subject": "whom"}, "subject: expected one of the columns .*, came 'whom'"),
    ("no split column", table, {"split": "split"}, "split: expected one of the columns .*, came 'split'"),
    ("no id column", table, {"id": "key"}, "id: expected one of the columns .*, came 'key'"),
    ("no labels", table, {"labels": ()}, "labels: expected one or more"),
    ("label twice", table, {"labels": ("age", "age")}, "labels: expected one or more different"),
    (
        "label is a picture",
        table,
        {"labels": ("image",)},
        "labels: expected a column of text or whole numbers, came 'image'",
    ),
    ("label None", change("age", 3, None), {}, "age: expected a value in every row, came None in row 3"),
    ("label empty", change("age", 2, " "), {}, "age: expected a value in every row, came ' ' in row 2"),
    (
        "label NaN",
        lambda: table(age=[1.0, 2.0, float("nan"), 1.0, 2.0, 1.0]),
        {},
        "age: expected a value in every row, came n.* row 2",
    ),
    (
        "label a fraction",
        lambda: table(age=[1.0, 2.5, 1.0, 1.0, 2.0, 1.0]),
        {},
        "age: expected text or whole numbers, came 2.5 in row 1",
    ),
    (
        "label unknown",
        table,
        {"classes": {"age": ("9", "11")}},
        "age: expected one of the classes 9, 11, came '10' in row 0",
    ),
    (
        "classes of no label",
        table,
        {"classes": {"sex": ("F", "M")}},
        "classes: expected classes of the labels age, came 'sex'",
    ),
    ("one class", lambda: table(age=["9"] * 6), {}, "age: expected two or more different classes, came 9"),
    ("subject missing", change("who", 1, None), {}, "who: expected a value in every row, came None in row 1"),
    (
        "split value",
        change("part", 4, "holdout"),
        {},
        "split: expected the values train, val and test, came holdout, test, train; say",
    ),
    (
        "split unnamed",
        table,
        {"splits": {"train": ("fit",)}},
        "splits.train: expected one of the split values test, train, val, came 'fit'",
    ),
    (
        "role unknown",
        table,
        {"splits": {"train": ("train",), "eval": ("val",)}},
        "splits: expected the roles train, tuning, reporting, came eval",
    ),
    (
        "role train missing",
        table,
        {"splits": {"tuning": ("val",)}},
        "splits: expected split values for the role train, came none",
    ),
    (
        "split in two roles",
        table,
        {"splits": {"train": ("val",), "tuning": ("val",)}},
        "splits: expected every split value under one role",
    ),
    (
        "splits without column",
        table,
        {"split": None, "splits": {"train": ("train",)}},
        "split: expected the name of the split column",
    ),
    ("ids not unique", table, {"id": "who"}, "id: expected a different id for every picture, came '007' twice"),
    (
        "not a picture column",
        lambda: table(image=list(range(6))),
        {},
        "image: expected encoded pictures or paths, came a column of int",
    ),
    ("no rows", lambda: table().select([]), {}, "data: expected at least one row, came an empty table"),
    ("not a data set", lambda: [1, 2], {}, "data: expected a datasets.Dataset or DatasetDict, came list"),
]


@pytest.mark.parametrize(("make", "changes", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_columns_are_one_line_each(make: Callable[[], Any], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^{message}") as caught:
        from_datasets(make(), replace(SPEC, **changes), size=(4, 4))
    assert "\n" not in str(caught.value)


def truncated(place: Path) -> str:
    path = Path(as_parquet(place))
    path.write_bytes(path.read_bytes()[:-200])
    return str(path)


def torn_inside(place: Path) -> str:
    path = Path(as_parquet(place))
    data = bytearray(path.read_bytes())
    data[4:200] = bytes(196)
    path.write_bytes(data)
    return str(path)


def other_columns(place: Path) -> str:
    as_parquet_folder(place)
    table().rename_column("who", "whom").to_parquet(place / "b.parquet")
    return str(place)


def written(name: str, text: str) -> Callable[[Path], str]:
    def write(place: Path) -> str:
        (place / name).write_text(text)
        return str(place / name)

    return write


def empty_folder(place: Path) -> str:
    return str(place)


def broken_saved(place: Path) -> str:
    (place / "state.json").write_text("{")
    return str(place)


BAD_FILES: list[tuple[Callable[[Path], str], str]] = [
    (lambda place: str(place / "none.parquet"), "expected an existing file or folder, came '.*none.parquet'; .*hub:"),
    (truncated, r"expected readable data, came .*faces.parquet\)"),
    (torn_inside, r"expected readable data, came .*faces.parquet\)"),
    (other_columns, "expected columns image, age, who, part in every file, came image, age, whom, part in b.parquet"),
    (written("faces.txt", "x"), "expected a .parquet or .csv file, or a folder, came"),
    (written("f.csv", ""), "expected a first line of distinct column names"),
    (written("f.csv", "image,age,image\n"), "expected a first line of distinct column names"),
    (written("f.csv", "image,age,who,part\n"), "expected at least one row"),
    (written("f.csv", 'image,age,who,part\n"a,b'), "expected readable data"),
    (written("f.csv", "image,age,who,part\n1,2,3,4,5\n1,2,3,4,5\n"), "expected 4 values in every row, came 5"),
    (written("f.csv", "image,age,who,part\n1,2,3,4\n1,2,3,4,5\n"), "expected readable data"),
    (empty_folder, "expected pictures, parquet files or a saved data set in the folder"),
    (broken_saved, "expected readable data"),
]


@pytest.mark.parametrize(("write", "message"), BAD_FILES)
def test_bad_files_are_one_line_each(tmp_path: Path, write: Callable[[Path], str], message: str) -> None:
    with pytest.raises(DataError, match=f"^data: {message}") as caught:
        read(replace(SPEC, path=write(tmp_path)))
    assert "\n" not in str(caught.value)


def test_unreadable_pictures_are_named_or_left_out(tmp_path: Path) -> None:
    path = as_csv(tmp_path)
    (tmp_path / "pictures" / "face1.png").write_bytes(b"junk")
    (tmp_path / "pictures" / "face4.png").unlink()
    spec = replace(SPEC, path=path)
    with pytest.raises(DataError, match=r"^image: .*came face1.png \(row 1\): not a picture .* and 1 more; .*skip"):
        read(spec)
    got = read(replace(spec, skip_unreadable=True), cache=tmp_path / "cache")
    assert [line.split(":")[0] for line in got.unreadable] == ["face1.png (row 1)", "face4.png (row 4)"]
    assert got.pictures.ids.tolist() == [f"face{i}.png" for i in (0, 2, 3, 5)]
    assert got.roles.tolist() == ["train"] * 3 + ["reporting"] and got.columns["who"].tolist() == [
        "007",
        "8",
        "8",
        "10",
    ]
    assert torch.equal(got.pictures.pixels(torch.tensor([3]))[0].permute(1, 2, 0), torch.from_numpy(noise(5)))


@pytest.mark.parametrize("way", ["../face0.png", "absolute", "link.png", "sub/../../face0.png"])
def test_paths_may_not_leave_their_root(tmp_path: Path, way: str) -> None:
    files(tmp_path)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.png").symlink_to(tmp_path / "face0.png")
    shown = str(tmp_path / "face0.png") if way == "absolute" else way
    (inside / "f.csv").write_text(f"image,age\n{shown},1\n{shown},2\n")
    spec = DataSpec(str(inside / "f.csv"), labels=("age",))
    with pytest.raises(DataError, match=r"^image: expected paths inside .*; set root"):
        read(replace(spec, skip_unreadable=True))
    if way != "absolute":
        return
    assert len(read(replace(spec, root=str(tmp_path)))) == 2


def test_ids_fall_back_from_names_to_paths_to_rows() -> None:
    assert picture_ids(None, ["a/x.png", "b/y.png"]).tolist() == ["x.png", "y.png"]
    assert picture_ids(None, ["/r/a/x.png", "/r/b/x.png"]).tolist() == ["a/x.png", "b/x.png"]
    assert picture_ids(None, ["a/x.png", "a/x.png"]).tolist() == ["0", "1"]
    assert picture_ids(None, ["x.png", ""]).tolist() == ["0", "1"]
    assert picture_ids([7, "b"], ["", ""]).tolist() == ["7", "b"]


def test_nothing_lands_in_the_cache_of_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    (tmp_path / "data").mkdir()
    read(replace(SPEC, path=as_parquet(tmp_path / "data")))
    assert not list((tmp_path / "hf").rglob("*.arrow"))


def test_tensors_in_memory() -> None:
    pixels = torch.randint(0, 256, (4, 3, 5, 6), dtype=torch.uint8)
    data = from_tensors(pixels, torch.tensor([[0, 2], [1, 0], [1, 1], [0, 0]]), subjects=[1, 1, 2, 2], ids="abcd")
    assert torch.equal(data.pictures.pixels(torch.tensor([2, 0])), pixels[[2, 0]])
    assert data.pictures.spec == LabelSpec(("label0", "label1"), (("0", "1"), ("0", "1", "2")))
    assert data.pictures.subjects is not None and data.pictures.subjects.tolist() == ["1", "1", "2", "2"]
    assert data.pictures.ids.tolist() == ["a", "b", "c", "d"]


def test_the_fingerprint_sees_every_part() -> None:
    pixels, labels = torch.zeros(3, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1, 0])
    changed = pixels.clone()
    changed[2, 0, 3, 3] = 1
    spec = LabelSpec(("label",), (("no", "yes"),))
    prints = [
        from_tensors(pixels, labels),
        from_tensors(changed, labels),
        from_tensors(pixels, 1 - labels),
        from_tensors(pixels, labels, subjects=["a", "b", "c"]),
        from_tensors(pixels, labels, roles=["train", "train", "tuning"]),
        from_tensors(pixels, labels, ids=["a", "b", "c"]),
        from_tensors(pixels, labels, spec=spec),
    ]
    assert len({data.fingerprint for data in prints}) == len(prints)
    assert from_tensors(pixels.clone(), labels).fingerprint == prints[0].fingerprint


X, Y = torch.zeros(3, 3, 4, 4, dtype=torch.uint8), torch.tensor([0, 1, 0])


@pytest.mark.parametrize(
    ("pixels", "labels", "options", "field"),
    [
        (X.float(), Y, {}, "pixels"),
        (X[0], Y, {}, "pixels"),
        (X.permute(0, 2, 3, 1), Y, {}, "pixels"),
        (X, Y.float(), {}, "labels"),
        (X, Y[:2], {}, "labels"),
        (X, Y - 1, {}, "labels"),
        (X, Y, {"spec": LabelSpec(("a", "b"), (("0", "1"), ("0", "1")))}, "labels"),
        (X, Y + 1, {"spec": LabelSpec(("a",), (("0", "1"),))}, "labels"),
        (X, Y, {"subjects": ["a"]}, "subjects"),
        (X, Y, {"subjects": ["a", None, "b"]}, "subjects"),
        (X, Y, {"roles": ["train", "train", "test"]}, "roles"),
        (X, Y, {"ids": ["a", "a", "b"]}, "id"),
        (X[:0], Y[:0], {}, "data"),
    ],
)
def test_tensors_that_do_not_fit(
    pixels: torch.Tensor, labels: torch.Tensor, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(DataError) as caught:
        from_tensors(pixels, labels, **options)
    assert caught.value.field == field


@real_faces
def test_real_faces_have_their_published_numbers() -> None:
    spec = DataSpec(str(FACES / "lfw.parquet"), labels=("identity",), subject="identity", split="split")
    data = read_dataset(spec, size=(16, 16))
    assert len(data) == 2708 and data.pictures.spec.sizes == (95,) and not data.unreadable
    assert {role: int((data.roles == role).sum()) for role in ("train", "tuning", "reporting")} == {
        "train": 2081,
        "tuning": 324,
        "reporting": 303,
    }
