from __future__ import annotations

import pytest
import torch
from torch import Tensor

from expunge.data.alignment import _look, aligned_correlation, correlation
from expunge.data.hashing import grey
from expunge.data.synthetic import synthetic_faces

WHOLE = torch.tensor([[1.0, 1.0, 0.0, 0.0]])


@pytest.fixture(scope="module")
def faces() -> Tensor:
    people = synthetic_faces(8, 1, size=64).pictures
    return grey(people, torch.arange(len(people)), side=64)


def test_correlation_agrees_with_numpys() -> None:
    made = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 5, 1, 9, 9, generator=made)
    theirs = [torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] for a, b in zip(x, y, strict=True)]
    assert torch.allclose(correlation(x, y), torch.stack(theirs), atol=1e-5)


def test_one_colour_correlates_with_nothing() -> None:
    blank = torch.full((1, 1, 8, 8), 3.0)
    assert correlation(blank, blank).item() == 0.0
    assert aligned_correlation(blank, torch.rand(1, 1, 8, 8), WHOLE).isfinite().all()


def test_a_crop_is_found_again(faces: Tensor) -> None:
    crop = torch.tensor([[0.91, 0.93, 0.06, -0.05]]).expand(len(faces), 4)
    guess = torch.tensor([[0.9, 0.9, 0.1, -0.1]]).expand(len(faces), 4)
    cut = 0.8 * _look(faces, crop, "bicubic") + 20
    assert correlation(_look(faces, guess, "bicubic"), cut).max() < 0.99
    assert aligned_correlation(faces, cut, guess).min() > 0.995


def test_different_faces_stay_different(faces: Tensor) -> None:
    assert aligned_correlation(faces[:-1], faces[1:], WHOLE.expand(len(faces) - 1, 4)).max() < 0.98


def test_the_quick_answer_is_given_far_below_enough(faces: Tensor) -> None:
    x, y, guess = faces[:-1], faces[1:], WHOLE.expand(len(faces) - 1, 4)
    slow, quick = aligned_correlation(x, y, guess), aligned_correlation(x, y, guess, enough=0.999)
    assert (slow < 0.98).all() and (quick < 0.98).all()
    assert torch.allclose(aligned_correlation(x, x, guess, enough=0.98), torch.ones(len(x)), atol=1e-4)
