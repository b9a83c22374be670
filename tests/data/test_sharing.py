"""Equal pictures across sets, and with several values: against brute force over pairs."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from expunge.data.sharing import contradictions, overlaps


def example(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    made = np.random.default_rng(seed)
    return made.integers(0, 12, 30), made.integers(0, 4, 30), made.integers(0, 3, 30)


@pytest.mark.parametrize("seed", range(5))
def test_overlaps_are_those_of_all_pairs(seed: int) -> None:
    groups, part, _ = example(seed)
    parts = {name: part == code for code, name in enumerate("abcd")}
    found = {(o.first, o.second): (o.in_first, o.in_second, o.different) for o in overlaps(groups, parts)}
    for one, other in combinations(parts, 2):
        ours, theirs = groups[parts[one]].tolist(), groups[parts[other]].tolist()
        both = set(ours) & set(theirs)
        due = (sum(g in both for g in ours), sum(g in both for g in theirs), len(both))
        assert found.get((one, other), (0, 0, 0)) == due


@pytest.mark.parametrize("seed", range(5))
def test_contradictions_are_those_of_all_pairs(seed: int) -> None:
    groups, _, values = example(seed)
    ids = np.array([f"p{i}" for i in range(len(groups))])
    pairs = combinations(range(len(groups)), 2)
    bad = {groups[a] for a, b in pairs if groups[a] == groups[b] and values[a] != values[b]}
    found = contradictions(groups, values, ids)
    due = [tuple(ids[groups == g].tolist()) for g in dict.fromkeys(groups.tolist()) if g in bad]
    assert [one.ids for one in found] == due
    assert all(len(set(one.values)) > 1 and len(one.values) == len(one.ids) for one in found)


def test_nothing_twice_is_nothing_found() -> None:
    groups = np.arange(6)
    assert overlaps(groups, {"a": groups < 3, "b": groups >= 3}) == ()
    assert contradictions(groups, groups, groups.astype(str)) == ()
