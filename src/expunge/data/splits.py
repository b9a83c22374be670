"""Random partitions by whole people: which pictures play which role, and who is to be forgotten.

Names and counts go in, names come out. Nothing is read from pixels or labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from expunge.data.columns import ROLES, Texts
from expunge.errors import DataError
from expunge.types import PictureSet

SHARES: Mapping[str, float] = {"train": 0.77, "tuning": 0.12, "reporting": 0.11}


def draw_roles(groups: Sequence[object], *, shares: Mapping[str, float] = SHARES, seed: int = 0) -> Texts:
    """Give every picture a role, whole groups together.

    Groups are put in random order; the roles other than `train` are filled one after the other until each has
    its share of the pictures, `train` gets the rest.

    Args:
        groups: the group (person, family) of each picture.
        shares: share of the pictures by role, positive, summing to 1.
        seed: of the order.

    Returns:
        n texts.

    Raises:
        DataError: shares that are no shares, or too few groups for the roles.

    Example:
        >>> roles = draw_roles(["ann", "ann", "bob", "cyd"], shares={"train": 0.5, "tuning": 0.5}, seed=1)
        >>> bool(roles[0] == roles[1]), sorted(set(roles.tolist()))
        (True, ['train', 'tuning'])
    """
    if (
        set(shares) - set(ROLES)
        or "train" not in shares
        or min(shares.values()) <= 0
        or abs(sum(shares.values()) - 1) > 1e-6
    ):
        raise DataError(
            "shares", expected=f"positive shares of {', '.join(ROLES)} that sum to 1", came=str(dict(shares))
        )
    names, index, counts = np.unique(np.array(groups, dtype=np.str_), return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    role_of = np.full(len(names), "train", dtype="<U9")
    at = 0
    for role in (role for role in shares if role != "train"):
        taken = until_share(counts[order[at:]], shares[role] * len(index))
        role_of[order[at : at + taken]] = role
        at += taken
    if at >= len(names):
        raise DataError("groups", expected=f"more than {at} groups for {len(shares)} roles", came=str(len(names)))
    return role_of[index]


def draw_forget_people(train: PictureSet, *, share: float, seed: int = 0) -> list[str]:
    """Whole people at random, until they own at least `share` of the training pictures.

    Args:
        train: training pictures with subjects.
        share: 0..1, exclusive.
        seed: of the order.

    Returns:
        Sorted subject names.

    Raises:
        DataError: nobody knows the subjects, the share is none, or it would take everybody.
    """
    if train.subjects is None:
        raise DataError(
            "subject", expected="a subject for every picture", came="none", remedy="name the subject column"
        )
    if not 0 < share < 1:
        raise DataError("share", expected="a share between 0 and 1", came=str(share))
    names, counts = np.unique(train.subjects, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    taken = until_share(counts[order], share * len(train))
    if taken >= len(names):
        raise DataError("share", expected=f"a share that leaves someone of {len(names)} people", came=str(share))
    return sorted(names[order[:taken]].tolist())


def until_share(counts: np.ndarray[Any, np.dtype[np.int64]], wanted: float) -> int:
    """How many of `counts`, from the left, make up at least `wanted` (all where they never do)."""
    return min(int(np.searchsorted(np.cumsum(counts), wanted - 1e-9) + 1), len(counts))
