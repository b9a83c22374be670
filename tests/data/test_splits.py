"""Random partitions: whole groups, shares, determinism, and what cannot be split."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from expunge.data import draw_forget_people, draw_roles, from_tensors
from expunge.data.splits import SHARES, until_share
from expunge.errors import DataError
from expunge.types import PictureSet

GROUPS = [f"family{i}" for i in range(200) for _ in range(1 + i % 7)]


def people(owners: list[str] | None) -> PictureSet:
    n = 6 if owners is None else len(owners)
    pixels = torch.zeros(n, 1, 2, 2, dtype=torch.uint8)
    return from_tensors(pixels, torch.arange(n) % 2, subjects=owners).pictures


def together(groups: list[str], roles: np.ndarray) -> bool:
    """Whether every group has one role."""
    pairs = set(zip(groups, roles.tolist(), strict=True))
    return len(pairs) == len({group for group, _ in pairs})


def test_groups_stay_together_and_shares_are_met() -> None:
    roles = draw_roles(GROUPS, seed=3)
    assert together(GROUPS, roles)
    for role, share in SHARES.items():
        assert np.mean(roles == role) == pytest.approx(share, abs=7 / len(GROUPS) * 2)


def test_a_group_torn_apart_would_be_noticed() -> None:
    roles = draw_roles(GROUPS, seed=3)
    at = GROUPS.index("family6")
    roles[at] = "tuning" if roles[at] != "tuning" else "train"
    assert not together(GROUPS, roles)


def test_the_same_seed_draws_the_same_whatever_the_order_of_rows() -> None:
    roles = draw_roles(GROUPS, seed=1)
    assert np.array_equal(draw_roles(GROUPS, seed=1), roles)
    assert not np.array_equal(draw_roles(GROUPS, seed=2), roles)
    by_group = dict(zip(GROUPS, roles.tolist(), strict=True))
    backwards = draw_roles(["x", *GROUPS][:0:-1], seed=1)
    assert backwards.tolist() == [by_group[group] for group in GROUPS[::-1]]


@pytest.mark.parametrize(
    "shares", [{"train": 1.5, "tuning": -0.5}, {"train": 0.5}, {"tuning": 1.0}, {"train": 0.5, "test": 0.5}, {}]
)
def test_shares_that_are_none(shares: dict[str, float]) -> None:
    with pytest.raises(DataError, match="shares: expected positive shares of train, tuning, reporting that sum to 1"):
        draw_roles(GROUPS, shares=shares)


def test_too_few_groups() -> None:
    with pytest.raises(DataError, match="groups: expected more than 2 groups for 3 roles, came 2"):
        draw_roles(["a", "a", "b"])


def test_whole_people_until_the_share_is_reached() -> None:
    owners = [name for name in GROUPS if name != "family0"]
    train = people(owners)
    chosen = draw_forget_people(train, share=0.15, seed=0)
    counts = {name: owners.count(name) for name in set(owners)}
    taken = sum(counts[name] for name in chosen)
    assert taken >= 0.15 * len(owners) > taken - 7
    assert chosen == sorted(set(chosen)) == draw_forget_people(train, share=0.15, seed=0)
    assert chosen != draw_forget_people(train, share=0.15, seed=1)


@pytest.mark.parametrize(
    ("owners", "share", "field"),
    [(None, 0.1, "subject"), (["a", "b"], 0.0, "share"), (["a", "b"], 1.0, "share"), (["a", "a"], 0.1, "share")],
)
def test_nobody_or_everybody_cannot_be_drawn(owners: list[str] | None, share: float, field: str) -> None:
    with pytest.raises(DataError) as caught:
        draw_forget_people(people(owners), share=share)
    assert caught.value.field == field


def test_until_share() -> None:
    counts = np.array([3, 2, 5])
    assert [until_share(counts, wanted) for wanted in (0.5, 3, 3.1, 5, 6, 99)] == [1, 1, 2, 2, 3, 3]
