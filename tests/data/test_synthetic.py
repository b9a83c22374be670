"""Invented faces: the same every time, what the columns say, and as hard as they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier

from expunge.data import DataSpec, read_dataset, synthetic_faces, synthetic_pixels, write_parquet
from expunge.data.drawing import draw_pixels, draw_sitters
from expunge.data.synthetic import AGE_GROUPS, EXPRESSIONS
from expunge.errors import DataError
from expunge.types import PictureSet


def test_the_seed_decides_everything() -> None:
    one, same, other = (synthetic_faces(9, 3, size=16, seed=seed) for seed in (1, 1, 2))
    assert one.fingerprint == same.fingerprint != other.fingerprint


def test_people_have_their_number_of_pictures_and_one_role() -> None:
    faces = synthetic_faces(40, 5, size=8)
    subjects = faces.pictures.subjects
    assert subjects is not None and len(faces) == 200 and len(set(faces.pictures.ids.tolist())) == 200
    assert set(np.unique(subjects, return_counts=True)[1].tolist()) == {5}
    assert len(set(zip(subjects.tolist(), faces.roles.tolist(), strict=True))) == 40
    assert set(faces.roles.tolist()) == {"train", "tuning", "reporting"}
    assert set(faces.columns["expression"].tolist()) == set(EXPRESSIONS)
    assert sorted(set(faces.pictures.labels.flatten().tolist())) == [0, 1, 2, 3]


def test_chunks_are_the_same_pictures() -> None:
    chunks = list(synthetic_pixels(10, 30, size=32, seed=4))
    assert len(chunks) > 1
    assert np.array_equal(np.concatenate(chunks), synthetic_faces(10, 30, size=32, seed=4).store.pixels)


def test_one_person_looks_alike_and_others_do_not() -> None:
    faces = synthetic_faces(30, 4, size=24)
    small = faces.store.pixels[:, 6:18, 6:18].reshape(30, 4, -1).astype(float)
    within = np.abs(small[:, 0] - small[:, 1]).mean()
    between = np.abs(small[:-1, 0] - small[1:, 0]).mean()
    assert within < 0.8 * between


def test_expressions_can_be_seen() -> None:
    sitters = draw_sitters(60, 4, seed=0)
    pixels = np.concatenate(list(draw_pixels(sitters, size=32, seed=0)))
    mouth = pixels[:, 20:28, 10:22].astype(float).reshape(240, -1) / 255
    surprised = sitters.expression == 3
    seen = RidgeClassifier().fit(mouth[:160], surprised[:160]).score(mouth[160:], surprised[160:])
    assert seen > max(surprised[160:].mean(), 1 - surprised[160:].mean()) + 0.05


def accuracies(size: int = 24) -> tuple[float, float]:
    """Of a linear model on pixels: on its own people, and on people that it never saw."""
    faces = synthetic_faces(150, 6, size=size)

    def arrays(pictures: PictureSet) -> tuple[np.ndarray, np.ndarray]:
        pixels = pictures.pixels(torch.arange(len(pictures))).flatten(1).numpy() / 255.0
        return pixels, pictures.labels.flatten().numpy()

    model = RidgeClassifier().fit(*arrays(faces.role("train")))
    unseen = [arrays(faces.role(role)) for role in ("tuning", "reporting")]
    return model.score(*arrays(faces.role("train"))), float(np.mean([model.score(*one) for one in unseen]))


def test_age_can_be_learned_but_not_perfectly_and_people_can_be_memorised() -> None:
    own, unseen = accuracies()
    assert 0.35 < unseen < 0.8  # chance is .25
    assert own > unseen + 0.2


def test_the_parquet_file_reads_back_as_the_same_faces(tmp_path: Path) -> None:
    write_parquet(tmp_path / "faces.parquet", subjects=9, pictures_per_subject=3, size=16, seed=1)
    classes = {"age_group": AGE_GROUPS}  # a few people need not show all of them
    path = str(tmp_path / "faces.parquet")
    spec = DataSpec(path, labels=("age_group",), subject="subject", split="split", classes=classes)
    read = read_dataset(spec, size=(16, 16))
    assert read.fingerprint == synthetic_faces(9, 3, size=16, seed=1).fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["faces.parquet"]


def test_a_file_that_cannot_be_finished_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expunge.data.synthetic._png", lambda picture: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_parquet(tmp_path / "faces.parquet", subjects=9, pictures_per_subject=1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("subjects", "pictures", "size", "field"),
    [(7, 1, 16, "subjects"), (9, 0, 16, "pictures_per_subject"), (9, 1, 4, "size")],
)
def test_absurd_numbers_are_refused(subjects: int, pictures: int, size: int, field: str) -> None:
    with pytest.raises(DataError) as caught:
        synthetic_faces(subjects, pictures, size=size)
    assert caught.value.field == field
