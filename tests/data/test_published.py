"""Published layouts: the same data set from a folder and from a zip, and one line for whatever is missing."""

from __future__ import annotations

import random
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from expunge.app.job import DataJob
from expunge.data import Dataset, DataSpec, read_dataset, synthetic_pixels
from expunge.data import distributed as files
from expunge.data.published import LAYOUTS, published_columns, published_forget, published_parts
from expunge.errors import DataError

FACES = np.concatenate(list(synthetic_pixels(8, 2, size=16)))
ATTRIBUTES = "5_o_Clock_Shadow Male Smiling Young"
MUCAC_PEOPLE = {"0.jpg": 0, "1.jpg": 189, "2.jpg": 190, "3.jpg": 1249, "4.jpg": 1250, "5.jpg": 4854, "6.jpg": 4855}


def png(number: int) -> bytes:
    file = BytesIO()
    Image.fromarray(FACES[number % len(FACES)]).save(file, "PNG")
    return file.getvalue()


def write(place: Path, data: bytes | str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data.encode() if isinstance(data, str) else data)


def mufac(place: Path) -> str:
    """Two families in train, one in each other list; the second picture of every person is of class h."""
    number = 0
    for split, families in (("train", ("F0001", "F0002")), ("val", ("F0801",)), ("test", ("F0851",))):
        rows = ["family_id,person_id,age_class,image_path"]
        for family in families:
            for person in "DS":
                for age in "ah":
                    name = f"{family}_AGE_{person}_18_{age}1.jpg"
                    rows.append(f"{family},{person},{age},{name}")
                    write(place / f"{split}_images" / name, png(number))
                    number += 1
        write(place / f"custom_{split}_dataset.csv", "\n".join(rows) + "\n")
    return f"mufac:{place}"


def raf_db(place: Path) -> str:
    lines = []
    for number in range(24):
        name = f"train_{number:05}" if number < 20 else f"test_{number - 20:04}"
        lines.append(f"{name}.jpg {number % 7 + 1}")
        write(place / "basic/Image/aligned" / f"{name}_aligned.jpg", png(number))
    write(place / "basic/EmoLabel/list_patition_label.txt", "\n".join(lines) + "\n")
    return f"raf-db:{place}"


def mucac(place: Path) -> str:
    lines = [str(len(MUCAC_PEOPLE)), ATTRIBUTES]
    for number, name in enumerate(MUCAC_PEOPLE):
        lines.append(f"{name}  1 {1 if number % 2 else -1} -1 1")
        write(place / "CelebAMask-HQ/CelebA-HQ-img" / name, png(number))
    write(place / "CelebAMask-HQ/CelebAMask-HQ-attribute-anno.txt", "\n".join(lines) + "\n")
    write(place / "CelebA-HQ-identity.txt", "".join(f"{name} {who}\n" for name, who in MUCAC_PEOPLE.items()))
    return f"mucac:{place}"


def mufac_lists(place: Path) -> str:
    import datasets

    cells = [{"bytes": png(i), "path": f"face{i}.jpg"} for i in range(3)]
    place.mkdir(parents=True)
    data = datasets.Dataset.from_dict({"image": cells}).cast_column("image", datasets.Image())
    data.to_parquet(place / "mufac.parquet")
    rows = [("train", 0, 0), ("train", 1, 1), ("train", 1499, 0), ("train", 1500, 0), ("val", 0, 2), ("test", 0, 2)]
    lines = [f"{split},{row},F0001,D,a,face{face}.jpg" for split, row, face in rows]
    header = "published_split,row,family_id,person_id,age_class,file"
    write(place / "mufac_published.csv", "\n".join([header, *lines]) + "\n")
    return f"mufac-lists:{place}"


MAKERS: dict[str, Callable[[Path], str]] = {
    "mufac": mufac,
    "raf-db": raf_db,
    "mucac": mucac,
    "mufac-lists": mufac_lists,
}


def read(path: str) -> Dataset:
    return read_dataset(DataSpec(path=path, **published_columns(path)), size=(16, 16))


def zipped(folder: Path, place: Path) -> Path:
    with zipfile.ZipFile(place, "w") as found:
        for file in sorted(folder.rglob("*")):
            found.write(file, file.relative_to(folder).as_posix())
    return place


def test_every_layout_is_tried_here() -> None:
    assert set(MAKERS) == set(LAYOUTS)


@pytest.mark.parametrize("name", ["mufac", "raf-db", "mucac"])
def test_a_zip_gives_what_its_folder_gives(tmp_path: Path, name: str) -> None:
    folder = read(MAKERS[name](tmp_path / "folder"))
    found = read(f"{name}:{zipped(tmp_path / 'folder', tmp_path / 'all.zip')}")
    assert found.fingerprint == folder.fingerprint
    assert found.columns.keys() == folder.columns.keys()
    assert not list(tmp_path.glob("all/*"))


def test_mufac_has_its_ages_people_and_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expunge.data.published.FORGET_ROWS", 3)
    data = read(mufac(tmp_path / "a"))
    assert data.pictures.spec.classes == (tuple("abcdefgh"),)  # all of them, though two occur
    assert data.pictures.labels[:4].flatten().tolist() == [0, 7, 0, 7]
    assert data.pictures.subjects is not None
    assert data.pictures.subjects[:4].tolist() == ["F0001_D", "F0001_D", "F0001_S", "F0001_S"]
    assert data.roles.tolist() == ["train"] * 8 + ["tuning"] * 4 + ["reporting"] * 4
    assert data.columns["published"].tolist() == ["forget"] * 3 + ["retain"] * 5 + ["val"] * 4 + ["test"] * 4
    assert published_forget(data) == [f"F0001_AGE_{who}_18_{age}1.jpg" for who, age in ("Da", "Dh", "Sa")]
    assert (data.store.read(data.pictures.rows[9:10]).permute(0, 2, 3, 1).numpy() == FACES[9]).all()


def test_raf_db_has_its_emotions_and_the_split_of_the_published_code(tmp_path: Path) -> None:
    data = read(raf_db(tmp_path / "a"))
    assert data.pictures.spec.classes[0][:2] == ("surprise", "fear") and len(data.pictures.spec.classes[0]) == 7
    assert data.pictures.labels.flatten().tolist() == [number % 7 for number in range(24)]
    assert data.pictures.subjects is None
    # 20 training pictures in the order of folders of classes, shuffled: 2 to validate, 12 of the other 18 to retain
    order = sorted(range(20), key=lambda number: (number % 7, number))
    random.seed(42)
    random.shuffle(order)
    expected = {number: "val" if at < 2 else "retain" if at < 14 else "forget" for at, number in enumerate(order)}
    assert data.columns["published"].tolist() == [expected.get(number, "test") for number in range(24)]
    assert [data.roles.tolist().count(role) for role in ("train", "tuning", "reporting")] == [18, 2, 4]


def test_raf_db_splits_as_many_as_the_published_notebook_says() -> None:
    from expunge.data.published import _raf_parts

    names = [f"train_{i:05}.jpg" for i in range(12271)] + [f"test_{i:04}.jpg" for i in range(3068)]
    parts = _raf_parts(names, [i % 7 for i in range(len(names))])
    counts = {part: parts.count(part) for part in ("retain", "forget", "val", "test")}
    assert counts == {"retain": 7730, "forget": 3314, "val": 1227, "test": 3068}


def test_mucac_has_three_attributes_and_people_by_number(tmp_path: Path) -> None:
    data = read(mucac(tmp_path / "a"))
    assert data.pictures.spec.names == ("gender", "smiling", "young")
    assert data.pictures.spec.classes == (("F", "M"), ("no", "yes"), ("no", "yes"))
    assert data.pictures.labels.tolist() == [[number % 2, 0, 1] for number in range(7)]
    parts = ["test", "test", "forget", "forget", "retain", "retain", "val"]
    assert data.columns["published"].tolist() == parts
    assert published_forget(data) == ["2.jpg", "3.jpg"]


def test_the_lists_of_mufac_keep_their_copies(tmp_path: Path) -> None:
    data = read(mufac_lists(tmp_path / "a"))
    assert data.pictures.ids.tolist() == ["train-0", "train-1", "train-1499", "train-1500", "val-0", "test-0"]
    assert data.columns["published"].tolist() == ["forget"] * 3 + ["retain", "val", "test"]
    pixels = data.store.read(data.pictures.rows).permute(0, 2, 3, 1).numpy()
    assert [int((FACES[:3] == one).all((1, 2, 3)).argmax()) for one in pixels] == [0, 1, 0, 0, 2, 2]


def test_the_real_lists_are_what_is_known_of_them(faces: Path) -> None:
    parts = published_parts(f"mufac-lists:{faces}")
    assert parts is not None
    wanted = ["id", "split", "published", "file"]
    found = pd.concat([pd.DataFrame(batch) for batch in parts[0].read(wanted, 4096)])
    assert len(found) == found.id.nunique() == 13_068
    lists = {name: found[found.split == name] for name in ("train", "val", "test")}
    train, val, test = (set(lists[name].file) for name in ("train", "val", "test"))
    assert {name: len(rows) for name, rows in lists.items()} == {"train": 10_025, "val": 1539, "test": 1504}
    assert (len(train), len(train & test), len(val & test)) == (6561, 27, 16)
    forget, retain = (found[found.published == name].file for name in ("forget", "retain"))
    assert (len(forget), forget.nunique(), forget.isin(set(retain)).sum()) == (1500, 1067, 18)
    (picture,) = next(parts[0].read(["image"], 1))["image"]
    assert picture["path"] == lists["train"].file.iloc[0] and picture["bytes"].startswith(b"\xff\xd8")


def test_jobs_name_the_columns_unless_told(tmp_path: Path) -> None:
    job = DataJob(path="mufac:x")
    assert (job.labels, job.subject, job.split, job.id) == (("age_class",), "person", "split", None)
    assert DataJob.model_validate(job.model_dump(mode="json")) == job
    told = DataJob.model_validate({"path": "mucac:x", "labels": ["smiling"], "subject": None})
    assert (told.labels, told.subject) == (("smiling",), None)
    assert DataJob(path="faces.parquet").labels == ("label",)
    assert published_parts("faces.parquet") is None and published_parts("C:faces.parquet") is None


def without(name: str) -> Callable[[Path], None]:
    return lambda place: (place / name).unlink()


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        text = (place / name).read_text()
        assert old in text
        (place / name).write_text(text.replace(old, new))

    return change


EMOTIONS = "basic/EmoLabel/list_patition_label.txt"
CELEBA = "CelebAMask-HQ/CelebAMask-HQ-attribute-anno.txt"
FAULTS: list[tuple[str, Callable[[Path], None], str]] = [
    ("mufac", without("custom_val_dataset.csv"), "the file custom_val_dataset.csv, came none"),
    ("mufac", replaced("custom_test_dataset.csv", "person_id", "who"), "columns person_id in custom_test_dataset.csv"),
    ("mufac", replaced("custom_train_dataset.csv", ",h,", ",i,"), "one of a, .* in row 1 of custom_train.*came 'i'"),
    (
        "mufac",
        replaced("custom_train_dataset.csv", ",h,", ","),
        "4 values in row 1 of custom_train_dataset.csv, came 3",
    ),
    ("mufac", lambda place: (place / "train_images").rename(place / "x"), r"F0001_AGE_D_18_a1.jpg \(row 0\): No such"),
    ("mufac", lambda place: [f.rename(f"{f}x") for f in place.glob("*_images")], "pictures as listed, e.g. train_imag"),
    ("mufac", replaced("custom_train_dataset.csv", "F0002_AGE_D", "../../a"), "paths inside"),
    ("raf-db", without(EMOTIONS), "the file EmoLabel/list_patition_label.txt, came none"),
    ("raf-db", replaced(EMOTIONS, "train_00001.jpg 2", "train_00001.jpg 8"), "one of 1, 2, .* came '8'"),
    ("raf-db", replaced(EMOTIONS, "train_00001.jpg 2", "train_00001.jpg"), "2 words in row 1 of .*came 1"),
    ("raf-db", replaced(EMOTIONS, "train_00001", "first_00001"), "begin with train_ or test_, came 'first_00001"),
    ("mucac", without("CelebA-HQ-identity.txt"), "the file CelebA-HQ-identity.txt, came none"),
    ("mucac", without(CELEBA), "CelebAMask-HQ-attribute-anno.txt or CelebA-HQ-attribute.txt"),
    ("mucac", replaced(CELEBA, "Male", "Bald"), "the attributes Male in the second line"),
    ("mucac", replaced(CELEBA, "5.jpg  1", "5.jpg"), "5 words in row 5 of .*came 4"),
    ("mucac", replaced(CELEBA, "6.jpg", "9.jpg"), "attributes for every picture, came none for 6.jpg"),
    ("mucac", replaced("CelebA-HQ-identity.txt", "6.jpg 4855", "6.jpg me"), "came none for 6.jpg"),
    ("mufac-lists", without("mufac.parquet"), "the file mufac.parquet, came none"),
    ("mufac-lists", replaced("mufac_published.csv", "face2", "face7"), "1 that are not in it, e.g. face7.jpg"),
    ("mufac-lists", replaced("mufac_published.csv", ",1499,", ",last,"), "a whole number as `row` in row 2"),
]


@pytest.mark.parametrize(("name", "spoil", "message"), FAULTS)
def test_what_is_missing_is_said_in_one_line(
    tmp_path: Path, name: str, spoil: Callable[[Path], None], message: str
) -> None:
    path = MAKERS[name](tmp_path / "a")
    spoil(tmp_path / "a")
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_errors_say_where_the_data_set_can_be_had(tmp_path: Path) -> None:
    for name in LAYOUTS:
        with pytest.raises(DataError, match=r"not there|none in") as caught:
            read(f"{name}:{tmp_path / 'nothing'}")
        assert LAYOUTS[name].home in str(caught.value)
    (tmp_path / "text.txt").write_text("no zip")
    with pytest.raises(DataError, match="another kind of file"):
        read(f"mufac:{tmp_path / 'text.txt'}")


@pytest.mark.parametrize("name", ["../evil.csv", "/evil.csv", "a/../../evil.csv", "a\\..\\evil.csv", "c:evil.csv"])
def test_a_zip_with_names_outside_itself_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as found:
        found.writestr(name, "x")
    with pytest.raises(DataError, match="inside the zip's own folder"):
        read(f"mufac:{tmp_path / 'a.zip'}")


def test_what_would_fill_the_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mufac(tmp_path / "a")
    path = f"mufac:{zipped(tmp_path / 'a', tmp_path / 'a.zip')}"
    monkeypatch.setattr(files, "PICTURE_BYTES", 10)
    with pytest.raises(DataError, match="bytes are more than 10 and 15 more"):
        read(path)
    monkeypatch.setattr(files, "TEXT_BYTES", 10)
    with pytest.raises(DataError, match="at most 10 bytes"):
        read(path)


def test_a_damaged_zip_says_so(tmp_path: Path) -> None:
    mufac(tmp_path / "a")
    place = zipped(tmp_path / "a", tmp_path / "a.zip")
    whole = place.read_bytes()
    place.write_bytes(whole.replace(b"F0001,D,a", b"F0001,D,b", 1))
    with pytest.raises(DataError, match="Bad CRC-32"):
        read(f"mufac:{place}")
    place.write_bytes(whole.replace(png(0), png(0)[:-4] + b"xxxx", 1))
    with pytest.raises(DataError, match=r"F0001_AGE_D_18_a1.jpg \(row 0\): Bad CRC-32"):
        read(f"mufac:{place}")


def test_what_is_absent_in_a_zip_can_be_left_out(tmp_path: Path) -> None:
    mufac(tmp_path / "a")
    (tmp_path / "a/val_images/F0801_AGE_D_18_a1.jpg").unlink()
    path = f"mufac:{zipped(tmp_path / 'a', tmp_path / 'a.zip')}"
    with pytest.raises(DataError, match="not in the zip"):
        read(path)
    data = read_dataset(DataSpec(path=path, skip_unreadable=True, **published_columns(path)), size=(8, 8))
    assert len(data) == 15 and len(data.unreadable) == 1
