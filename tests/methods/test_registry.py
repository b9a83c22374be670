"""Every method can be run again from the settings that a job keeps of it."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest

from expunge.methods.auto import affordable
from expunge.methods.registry import EXAMPLE, METHODS, TRIED, resolve_method

SEARCHES = Path(__file__).parents[2] / "benchmarks" / "results" / "search"
AS_GOOD = 0.01  # objectives this close are no order


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_setting_can_be_given_as_it_is(name: str) -> None:
    config = METHODS[name].config
    given = {field.name: getattr(config, field.name) for field in fields(config)}
    assert resolve_method(name, given)[1] == config


def test_auto_tries_methods_in_the_order_of_their_searches() -> None:
    best = {
        found["method"]: min(trial["objective"] for trial in found["trials"])
        for found in (json.loads(path.read_text()) for path in SEARCHES.glob("*.json"))
        if "trials" in found
    }
    order = [best.pop(candidate.name) for candidate in TRIED]
    assert all(later >= earlier - AS_GOOD for earlier, later in pairwise(order))
    assert all(left_out >= order[-1] - AS_GOOD for left_out in best.values())


def test_the_default_budget_of_auto_has_room_for_the_best_candidates() -> None:
    chosen = affordable(METHODS["auto"].config, EXAMPLE, TRIED)
    assert {"dlfd", "neggrad-plus"} <= {candidate.name for candidate in chosen}
