"""Distances to references over all sets, in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from expunge.audits.closeness import distance_all, floor_of, tow
from expunge.audits.statistics import ATTACKED, Estimate, Estimates, Key


def model(forget: float, retain: float, reporting: float, auroc: float) -> Estimates:
    keys = [Key("accuracy", split) for split in ("forget", "retain", "reporting")] + [Key("mia_auroc", ATTACKED)]
    values = (forget, retain, reporting, auroc)
    return {key: Estimate(np.array([v, v / 2]), 10, 5) for key, v in zip(keys, values, strict=True)}


RETRAINED = model(0.5, 0.9, 0.5, 0.5)


def test_equal_models_are_at_no_distance() -> None:
    assert distance_all(RETRAINED, [RETRAINED]).values.tolist() == [0, 0]  # type: ignore[union-attr]
    assert tow(RETRAINED, [RETRAINED]).values.tolist() == [1, 1]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("ours", "largest"),
    [
        (model(0.6, 0.9, 0.5, 0.5), 0.1),
        (model(0.5, 0.5, 0.5, 0.5), 0.4),
        (model(0.5, 0.9, 0.2, 0.5), 0.3),
        (model(0.5, 0.9, 0.5, 0.7), 0.2),
        (model(0.6, 0.5, 0.2, 0.7), 0.4),
    ],
)
def test_the_largest_gap_counts_wherever_it_is(ours: Estimates, largest: float) -> None:
    assert distance_all(ours, [RETRAINED]).values == pytest.approx([largest, largest / 2])


def test_tug_of_war_multiplies_what_is_left_of_three_accuracies() -> None:
    found = tow(model(0.6, 0.5, 0.2, 0.9), [RETRAINED])
    assert found.values == pytest.approx([0.9 * 0.6 * 0.7, 0.95 * 0.8 * 0.85])
    assert (found.n, found.subjects) == (10, 5)


def test_several_references_are_averaged_and_the_floor_is_over_pairs() -> None:
    others = [RETRAINED, model(0.5, 0.7, 0.5, 0.5), model(0.5, 0.8, 0.5, 0.5)]
    assert distance_all(RETRAINED, others).values[0] == pytest.approx((0 + 0.2 + 0.1) / 3)  # type: ignore[index]
    floor = floor_of(others)
    assert set(floor) == {"distance", "distance_all", "tow"}
    assert floor["distance_all"].values[0] == pytest.approx((0.2 + 0.1 + 0.1) / 3)  # type: ignore[index]
    assert floor["distance"].values[0] == pytest.approx(0)  # type: ignore[index]
    assert floor_of(others[:1]) == {}


def test_an_accuracy_that_is_not_known_is_an_error() -> None:
    blind = RETRAINED | {Key("accuracy", "retain"): Estimate(None, 0, None, "nothing was seen")}
    with pytest.raises(ValueError, match="nothing was seen"):
        tow(blind, [RETRAINED])
