from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance

from expunge.data import copies
from expunge.data.copies import exact_groups, find_copies, near_copies
from expunge.data.dataset import from_tensors
from expunge.data.store import PictureStore
from expunge.data.synthetic import synthetic_faces
from expunge.types import PictureSet
from tests.helpers import ArraySource

Picture = Image.Image


def as_set(pixels: np.ndarray) -> PictureSet:
    """Pictures uint8 [n, h, w, 3] without labels or owners that matter."""
    data = from_tensors(torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.zeros(len(pixels), dtype=torch.int64))
    return data.pictures


def photographs(n: int, *, size: int = 64, seed: int = 0) -> np.ndarray:
    """Pictures that differ as photographs of different things do: random smooth shapes, uint8 [n, size, size, 3]."""
    made = np.random.default_rng(seed)
    small = made.integers(0, 256, (n, 7, 7, 3), dtype=np.uint8)
    grown = [Image.fromarray(s).resize((size, size), Image.Resampling.BICUBIC) for s in small]
    return np.stack([np.asarray(picture) for picture in grown])


def jpeg(picture: Picture) -> Picture:
    file = BytesIO()
    picture.save(file, "JPEG", quality=30)
    return Image.open(file).convert("RGB")


def crop(share: float) -> Callable[[Picture], Picture]:
    def cut(picture: Picture) -> Picture:
        w, h = picture.size
        return picture.resize(
            (w, h), Image.Resampling.BICUBIC, box=(share * w, 0.3 * share * h, w, (1 - 0.7 * share) * h)
        )

    return cut


def mirrored(picture: Picture) -> Picture:
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def shrunk(picture: Picture) -> Picture:
    return picture.resize((picture.width // 2, picture.height // 2)).resize(picture.size)


def brightness(factor: float) -> Callable[[Picture], Picture]:
    return lambda picture: ImageEnhance.Brightness(picture).enhance(factor)


def changed(pixels: np.ndarray, *changes: Callable[[Picture], Picture]) -> np.ndarray:
    def one(array: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(array)
        for change in changes:
            picture = change(picture)
        return np.asarray(picture)

    return np.stack([one(array) for array in pixels])


CHANGES = {
    "nothing": (),
    "compressed": (jpeg,),
    "shrunk": (shrunk,),
    "cropped by 2 %": (crop(0.02),),
    "cropped by 5 %": (crop(0.05),),
    "cropped by 10 %": (crop(0.1),),
    "mirrored": (mirrored,),
    "brighter": (brightness(1.2),),
    "darker": (brightness(0.8),),
    "all together": (crop(0.05), mirrored, brightness(0.8), shrunk, jpeg),
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_changed_pictures_are_found_and_nothing_else(changes: tuple[Callable[[Picture], Picture], ...]) -> None:
    originals = photographs(40)
    others = np.concatenate([photographs(40, seed=1), changed(originals[:20], *changes)])
    for one, other, turned in ((originals, others, False), (others, originals, True)):
        found = near_copies(as_set(one), as_set(other)).pairs
        pairs = {(p.second, p.first) if turned else (p.first, p.second) for p in found}
        assert pairs <= {(i, 40 + i) for i in range(20)}
        assert len(pairs) >= 19
        assert all(p.correlation >= copies.ALIKE and p.bits <= 8 for p in found)
    assert all(p.mirrored == (mirrored in changes) for p in found)


def test_a_picture_is_no_copy_of_itself() -> None:
    some = as_set(photographs(6))
    assert near_copies(some.subset([0, 1, 2]), some).pairs == ()
    assert find_copies(some).pairs == ()


def test_within_one_set_each_pair_comes_once() -> None:
    pixels = photographs(12)
    pixels[9], pixels[4] = changed(pixels[2:3], crop(0.06))[0], changed(pixels[7:8], mirrored, jpeg)[0]
    found = find_copies(as_set(pixels))
    assert [(p.first, p.second, p.mirrored) for p in found.pairs] == [(2, 9, False), (4, 7, True)]


def test_pairs_within_a_group_are_not_looked_for() -> None:
    pixels = photographs(3)
    some, same = as_set(pixels), as_set(pixels)
    found = near_copies(some, same, apart=(np.array([0, 0, 1]), np.array([0, 1, 1])))
    assert [(p.first, p.second) for p in found.pairs] == [(1, 1)]


def test_the_threshold_decides() -> None:
    pixels = photographs(4)
    half = (0.8 * pixels + 0.2 * photographs(4, seed=5)).astype(np.uint8)
    (best, *_) = near_copies(as_set(pixels[:1]), as_set(half[:1]), alike=0.5).pairs
    assert near_copies(as_set(pixels[:1]), as_set(half[:1]), alike=best.correlation + 1e-3).pairs == ()
    assert near_copies(as_set(pixels[:1]), as_set(half[:1]), alike=best.correlation).pairs == (best,)


def test_a_blind_confirmation_would_confirm_everything_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = synthetic_faces(20, 4, size=32).pictures
    honest = find_copies(faces)
    monkeypatch.setattr(copies, "aligned_correlation", lambda x, y, window, enough: torch.ones(len(x)))
    assert len(honest.pairs) < len(find_copies(faces).pairs) == honest.proposed


def test_one_colour_is_counted_and_not_searched() -> None:
    pixels = np.concatenate([photographs(2), np.full((5, 64, 64, 3), 90, np.uint8)])
    found = find_copies(as_set(pixels))
    assert found.pairs == () and found.blank == 5 and found.proposed == 0


def test_thousands_of_alike_pictures_cost_no_square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expunge.data.bands.CROWD", 20)
    made = np.random.default_rng(0)
    alike = np.repeat(photographs(1, size=32), 40, axis=0) ^ made.integers(0, 2, (40, 32, 32, 3), dtype=np.uint8)
    found = find_copies(as_set(np.concatenate([alike, photographs(3, size=32, seed=3)])))
    assert found.crowded == 40 and found.proposed < 40 * 39 / 2 / 4  # only through bands where noise parts them


def test_a_picture_with_many_proposals_compares_the_likeliest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MOST", 2)
    made = np.random.default_rng(0)
    alike = np.repeat(photographs(1, size=32), 10, axis=0) ^ made.integers(0, 8, (10, 32, 32, 3), dtype=np.uint8)
    found = find_copies(as_set(alike))
    assert found.busy == 10 and found.proposed <= 20
    assert {p.first for p in found.pairs} | {p.second for p in found.pairs} == set(range(10))


def test_progress_ends_at_the_number_of_pictures() -> None:
    told: list[tuple[int, int]] = []
    some = as_set(np.concatenate([photographs(70, size=32), np.zeros((2, 32, 32, 3), np.uint8)]))
    near_copies(some.subset(range(30)), some.subset(range(30, 72)), progress=lambda *now: told.append(now))
    assert told[-1] == (72, 72) and told == sorted(told)


def test_empty_sets_have_no_copies() -> None:
    some = as_set(photographs(2))
    assert near_copies(some.subset([]), some).pairs == near_copies(some, some.subset([])).pairs == ()
    assert find_copies(some.subset([])).pairs == ()
    assert exact_groups(some.subset([])).tolist() == []


@pytest.mark.parametrize("stored", [True, False], ids=["store", "other source"])
def test_equal_pictures_share_the_first_of_them(stored: bool) -> None:
    pixels = photographs(6, size=8)
    pixels[4], pixels[5] = pixels[1], pixels[1]
    some = as_set(pixels)
    if not stored:
        source = ArraySource(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        some = PictureSet(source, some.rows, some.labels, some.ids, some.subjects, some.spec)
    assert exact_groups(some).tolist() == [0, 1, 2, 3, 1, 1]
    assert exact_groups(some.subset([5, 3, 1])).tolist() == [0, 1, 0]


def test_one_changed_pixel_is_no_exact_copy() -> None:
    pixels = photographs(2, size=8)
    pixels[1] = pixels[0]
    pixels[1, 0, 0, 0] ^= 1
    assert exact_groups(as_set(pixels)).tolist() == [0, 1]


def test_equal_hashes_alone_do_not_make_an_exact_copy() -> None:
    pixels = photographs(4, size=8)
    pixels[2] = pixels[0]
    some = as_set(pixels)
    lying = PictureStore(pixels, row_hashes=np.zeros((4, 16), np.uint8))
    assert exact_groups(PictureSet(lying, some.rows, some.labels, some.ids, None, some.spec)).tolist() == [0, 1, 0, 3]


def test_real_faces_of_different_people_are_no_copies(faces: Path) -> None:
    from expunge.data.sources import DataSpec, read_dataset

    spec = DataSpec(str(faces / "lfw.parquet"), labels=("identity",), subject="identity", split="split")
    people = read_dataset(spec, size=(64, 64)).pictures
    some = people.subset(range(0, len(people), 4))
    assert some.subjects is not None
    for pair in find_copies(some).pairs:
        assert some.subjects[pair.first] == some.subjects[pair.second]
