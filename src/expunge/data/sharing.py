"""Equal pictures across sets, under several names, with several labels: what a data set says twice.

Groups of equal pictures (see `copies.exact_groups`) flow in, counts and lists flow out; linear up to sorting. What is
to be done about any of it is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Overlap:
    """Equal pictures in two sets.

    Args:
        first, second: names of the sets.
        in_first: pictures of the first that have an equal one in the second.
        in_second: the other way round.
        different: how many different pictures these are.
    """

    first: str
    second: str
    in_first: int
    in_second: int
    different: int


@dataclass(frozen=True)
class Contradiction:
    """Equal pictures of which a column says different things.

    Args:
        ids: of the pictures, in the order of the data.
        values: what stands beside each.
    """

    ids: tuple[str, ...]
    values: tuple[str, ...]


def overlaps(groups: Array, parts: Mapping[str, Array]) -> tuple[Overlap, ...]:
    """Equal pictures of every two sets that have any.

    Args:
        groups: int64 [n], equal numbers for equal pictures.
        parts: bool [n] for each set by its name; no picture is in two of them.

    Example:
        >>> first = np.array([True, True, False, False])
        >>> overlaps(np.array([0, 0, 0, 3]), {"train": first, "test": ~first})
        (Overlap(first='train', second='test', in_first=2, in_second=1, different=1),)
    """
    holds = {name: np.zeros(len(groups), bool) for name in parts}
    for name, chosen in parts.items():
        holds[name][groups[chosen]] = True
    found = []
    for one, other in combinations(parts, 2):
        both = holds[one] & holds[other]
        if both.any():
            in_one, in_other = (int(both[groups[parts[name]]].sum()) for name in (one, other))
            found.append(Overlap(one, other, in_one, in_other, int(both.sum())))
    return tuple(found)


def contradictions(groups: Array, values: Array, ids: Array) -> tuple[Contradiction, ...]:
    """Groups of equal pictures that do not all have the same value, in the order of the data.

    Args:
        groups: int64 [n], equal numbers for equal pictures.
        values: what a column says of each picture [n].
        ids: of the pictures [n].

    Example:
        >>> contradictions(np.array([0, 1, 0]), np.array(["a", "b", "c"]), np.array(["x", "y", "z"]))
        (Contradiction(ids=('x', 'z'), values=('a', 'c')),)
    """
    codes = np.unique(values, return_inverse=True)[1].reshape(-1)
    order = np.lexsort((codes, groups))
    same, apart = np.diff(groups[order]) == 0, np.diff(codes[order]) != 0
    split = np.unique(groups[order][1:][same & apart])
    chosen = np.flatnonzero(np.isin(groups, split))
    members: dict[int, list[int]] = {}
    for at in chosen.tolist():
        members.setdefault(int(groups[at]), []).append(at)
    return tuple(
        Contradiction(tuple(map(str, ids[at].tolist())), tuple(map(str, values[at].tolist())))
        for at in members.values()
    )
