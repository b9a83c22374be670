"""Halves are by whole subjects, balanced over shadows, and follow from a shadow's number alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from expunge.audits.halves import fingerprint, half, joined
from expunge.data.dataset import from_tensors
from expunge.errors import DataError
from tests.helpers import ArraySource, pictures

GIVEN = pictures(60, seed=1)
COUNT = 12
MASKS = np.stack([half(GIVEN, index, seed=7) for index in range(COUNT)])


def test_every_subject_is_in_exactly_half_of_the_shadows() -> None:
    assert (MASKS.sum(0) == COUNT // 2).all()
    assert (MASKS[0::2] == ~MASKS[1::2]).all()


def test_subjects_are_never_torn_apart() -> None:
    assert GIVEN.subjects is not None
    for owner in np.unique(GIVEN.subjects):
        of_one = MASKS[:, GIVEN.subjects == owner]
        assert (of_one.all(1) | ~of_one.any(1)).all()


def test_shadows_have_half_of_the_pictures_but_for_one_subject() -> None:
    uneven = replace(GIVEN, subjects=np.array([f"s{int(i**0.5)}" for i in range(60)]))
    _, counts = np.unique(uneven.subjects, return_counts=True)
    sizes = np.array([half(uneven, index, seed=0).sum() for index in range(20)])
    assert (abs(sizes - 30) <= counts.max()).all()


def test_pairs_differ_and_follow_from_the_seed() -> None:
    assert len({mask.tobytes() for mask in MASKS}) == COUNT
    assert (half(GIVEN, 5, seed=7) == MASKS[5]).all()
    assert (half(GIVEN, 5, seed=8) != MASKS[5]).any()


def test_the_order_of_the_pictures_does_not_matter() -> None:
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    assert (half(GIVEN.subset(order), 3, seed=7) == MASKS[3][order.numpy()]).all()


def test_without_subjects_pictures_are_divided() -> None:
    mask = half(replace(GIVEN, subjects=None), 0, seed=7)
    assert mask.sum() == 30
    assert GIVEN.subjects is not None
    assert any(0 < mask[GIVEN.subjects == owner].sum() < 4 for owner in np.unique(GIVEN.subjects))


def test_one_subject_cannot_be_divided() -> None:
    with pytest.raises(DataError, match="two halves can share, came 1 subject"):
        half(replace(GIVEN, subjects=np.array(["ann"] * 60)), 0, seed=7)


def test_joined_sets_keep_their_order_and_never_overlap() -> None:
    first, second = GIVEN.subset(torch.arange(40, 60)), GIVEN.subset(torch.arange(10))
    both = joined([first, second])
    assert both.ids.tolist() == [*first.ids, *second.ids] and both.subjects is not None
    assert torch.equal(both.pixels(torch.tensor([20])), GIVEN.pixels(torch.tensor([0])))
    assert joined([first, replace(second, subjects=None)]).subjects is None
    with pytest.raises(DataError, match="in two of them"):
        joined([GIVEN, first])
    with pytest.raises(DataError, match="one store"):
        joined([GIVEN, pictures(4, seed=2)])


def changed_pixel() -> ArraySource:
    assert isinstance(GIVEN.source, ArraySource)
    pixels = GIVEN.source.stored.clone()
    pixels[3, 0, 0, 0] ^= 1
    return ArraySource(pixels)


@pytest.mark.parametrize(
    "other",
    [
        replace(GIVEN, source=changed_pixel()),
        replace(GIVEN, labels=(GIVEN.labels + 1) % 3),
        replace(GIVEN, ids=np.array([f"q{i}" for i in range(60)])),
        replace(GIVEN, subjects=None),
        replace(GIVEN, subjects=np.roll(GIVEN.subjects, 1)),  # type: ignore[arg-type]
        GIVEN.subset(torch.arange(59)),
        GIVEN.subset(torch.arange(60).flip(0)),
    ],
    ids=["pixels", "labels", "ids", "no subjects", "subjects", "fewer", "order"],
)
def test_the_fingerprint_sees_every_change(other: object) -> None:
    assert fingerprint(other) != fingerprint(GIVEN)  # type: ignore[arg-type]


def test_the_fingerprint_is_of_the_pictures_and_not_of_where_they_lie() -> None:
    everything = GIVEN.pixels(torch.arange(60)).contiguous()
    stored = from_tensors(everything, GIVEN.labels, ids=GIVEN.ids.tolist(), subjects=GIVEN.subjects.tolist())  # type: ignore[union-attr]
    assert fingerprint(stored.pictures) == fingerprint(GIVEN)
