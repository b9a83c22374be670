from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from expunge.data.hashing import SIDE, WINDOWS, Window, grey, looks, low_frequencies, mirror, pack, through_windows
from expunge.data.synthetic import synthetic_faces
from tests.helpers import pictures


@pytest.fixture(scope="module")
def grey_faces() -> torch.Tensor:
    faces = synthetic_faces(8, 2, size=64).pictures
    return grey(faces, torch.arange(len(faces)))


def test_low_frequencies_are_those_of_the_cosine_transform(grey_faces: torch.Tensor) -> None:
    from scipy.fft import dctn

    ours = low_frequencies(grey_faces).double().numpy()
    full = dctn(grey_faces[:, 0].double().numpy(), axes=(1, 2))
    # integrals over whole pixels: the transform times sinc, per direction
    k = np.arange(SIDE)
    full = full * np.sinc(k / 2 / SIDE)[:, None] * np.sinc(k / 2 / SIDE)
    order = sorted(((v, h) for v in range(11) for h in range(11) if v or h), key=lambda f: (sum(f), f))[:64]
    theirs = np.stack([full[:, v, h] for v, h in order], 1)
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    assert np.abs(ours - theirs).max() < 1e-4


def test_mirroring_the_frequencies_is_mirroring_the_picture(grey_faces: torch.Tensor) -> None:
    assert torch.allclose(mirror(low_frequencies(grey_faces)), low_frequencies(grey_faces.flip(3)), atol=1e-5)


def test_a_window_is_a_crop(grey_faces: torch.Tensor) -> None:
    window = Window(0.5, right=1.0, down=-1.0)
    crop = interpolate(grey_faces[:, :, : SIDE // 2, SIDE // 2 :], scale_factor=2, mode="nearest")
    assert torch.allclose(low_frequencies(grey_faces, window), low_frequencies(crop), atol=1e-4)


def test_brightness_and_contrast_change_nothing(grey_faces: torch.Tensor) -> None:
    assert np.array_equal(pack(low_frequencies(grey_faces)), pack(low_frequencies(0.5 * grey_faces + 40)))


def test_every_sign_is_a_bit() -> None:
    low = torch.full((65, 64), -1.0)
    low[torch.arange(64), torch.arange(64)] = 1.0
    hashes = pack(low)
    assert sorted(np.log2(hashes[:64].astype(float)).tolist()) == list(range(64)) and hashes[64] == 0


def test_windows_hold_the_whole_first_plain_and_mirrored() -> None:
    faces = synthetic_faces(8, 1, size=32).pictures
    low, hashes = through_windows(faces, torch.tensor([3, 1]))
    whole = looks(faces)
    assert low.shape == (2, len(WINDOWS), 2, 64) and hashes.shape == (2, len(WINDOWS), 2)
    assert np.array_equal(hashes[:, 0, 0], whole.hashes[[3, 1]])


def test_pictures_of_one_colour_are_told() -> None:
    some = pictures(6)
    some.source.stored[2] = 17  # type: ignore[attr-defined]
    assert looks(some).blank.tolist() == [False, False, True, False, False, False]


def test_chunks_change_nothing() -> None:
    faces = synthetic_faces(8, 1, size=16).pictures
    assert np.array_equal(looks(faces).hashes, looks(faces, chunk=3).hashes)
    assert len(looks(faces.subset([])).hashes) == 0
