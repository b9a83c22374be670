"""KLoM on bins counted by hand and on Gaussians whose binned divergence is known; its floor at few models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from expunge.functional.attacks.klom import BINS, FLOOR, binned_kl, klom

RNG = np.random.default_rng(0)


def column(*margins: float) -> np.ndarray:
    return np.array(margins)[:, None]


def test_bins_counted_by_hand() -> None:
    """Range 0..20, bins of width 1: p puts .5, .25, .25 and q .25, .5, .25 into the first, the second and the last."""
    p, q = column(0.0, 0.5, 1.5, 20.0), column(0.2, 1.1, 1.9, 19.5)
    expected = 0.5 * np.log(0.5 / 0.25) + 0.25 * np.log(0.25 / 0.5)
    assert binned_kl(p, q)[0] == pytest.approx(expected)


def test_an_empty_bin_of_the_reference_counts_as_the_floor() -> None:
    p, q = column(0.0, 20.0), column(0.0, 0.0)
    total = 1 + FLOOR
    expected = 0.5 * np.log(0.5 / (1 / total)) + 0.5 * np.log(0.5 / (FLOOR / total))
    assert binned_kl(p, q)[0] == pytest.approx(expected)


def test_its_arguments_are_not_exchanged() -> None:
    """The unlearned side comes first: margins that retraining never shows cost much, missing ones little."""
    wide, narrow = column(0.0, 20.0), column(0.0, 0.0)
    assert binned_kl(wide, narrow)[0] > 4
    assert binned_kl(narrow, wide)[0] == pytest.approx(np.log(2))
    spread, point = np.tile(wide, (2, 1)), np.tile(narrow, (2, 1))
    assert klom(spread, point, point).value[0] > klom(point, spread, point).value[0]


@pytest.mark.parametrize("moved", [0.5, 2.0])
def test_it_approaches_the_divergence_of_two_binned_gaussians(moved: float) -> None:
    p, q = RNG.normal(moved, 1, (100_000, 1)), RNG.normal(0, 1.5, (100_000, 1))
    edges = np.linspace(min(p.min(), q.min()), max(p.max(), q.max()), BINS + 1)
    share_p, share_q = (np.diff(norm.cdf(edges, *law)) for law in ((moved, 1), (0, 1.5)))
    expected = (share_p * np.log(share_p / share_q)).sum()
    assert binned_kl(p, q)[0] == pytest.approx(expected, rel=0.05)
    # and this is near the divergence of the Gaussians themselves
    exact = np.log(1.5) + (1 + moved**2) / (2 * 1.5**2) - 0.5
    assert binned_kl(p, q)[0] == pytest.approx(exact, rel=0.15)


def test_margins_beyond_a_hundred_are_clipped() -> None:
    p, q = RNG.normal(0, 60, (50, 4)), RNG.normal(0, 60, (50, 4))
    p[0] = 1e4
    np.testing.assert_array_equal(binned_kl(p, q), binned_kl(np.clip(p, -100, 100), np.clip(q, -100, 100)))
    assert np.isfinite(binned_kl(np.full((3, 1), 1e4), np.full((3, 1), -1e4))).all()


def test_the_largest_margin_is_not_lost() -> None:
    """A planted fault: where the last bin is open at its upper end, half of p falls out and p looks like q."""
    p, q = column(0.0, 20.0), column(0.0, 1.0)
    edges = np.linspace(0, 20, BINS + 1)
    kept = np.array([[(np.digitize(side, edges) == i).sum() for i in range(1, BINS + 1)] for side in (p, q)])
    assert kept.sum(1).tolist() == [1, 2]
    assert binned_kl(p, q)[0] > 4


def test_equal_samples_and_constant_margins_are_at_no_distance() -> None:
    same = RNG.normal(0, 3, (40, 5))
    np.testing.assert_allclose(binned_kl(same, same[::-1]), 0, atol=1e-12)
    assert binned_kl(column(2.0, 2.0), column(2.0, 2.0))[0] == 0


@given(st.integers(0, 2**32 - 1), st.floats(-20, 20))
def test_it_sees_neither_the_order_of_models_nor_a_shift(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    p, q = rng.normal(0, 3, (30, 4)), rng.normal(1, 2, (30, 4))
    first = binned_kl(p, q)
    assert (first >= 0).all()
    np.testing.assert_allclose(binned_kl(rng.permutation(p), rng.permutation(q)), first)
    np.testing.assert_allclose(binned_kl(p + shift, q + shift), first, atol=1e-9)


def test_the_floor_is_far_above_zero_with_few_models_and_falls_with_more() -> None:
    """Three groups of equal models: unlearning is perfect, and looks so only beside the floor."""
    floors = {}
    for models in (32, 320):
        found = klom(*RNG.normal(0, 1, (3, models, 300)))
        assert found.models == models
        assert found.value.mean() == pytest.approx(found.floor.mean(), rel=0.1)
        floors[models] = found.floor.mean()
    assert floors[32] > 0.5 > floors[320]


def test_sides_of_different_size_are_refused() -> None:
    side = np.zeros((4, 3))
    with pytest.raises(ValueError, match="as many models"):
        klom(side, side, side[:3])
