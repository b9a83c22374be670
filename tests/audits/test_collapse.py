"""Collapse rows against features whose separation and likeness are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest

from expunge.audits.collapse import collapse
from expunge.audits.observe import Observation
from expunge.errors import DataError
from expunge.types import AuditRow
from tests.audits.gaussians import model

N = 800
LABELS = np.arange(N)[:, None] % 2
NOISE = np.random.default_rng(0).normal(size=(N, 4)).astype(np.float32)


def separated(distance: float, *, seed: int | None = None) -> Observation:
    """Two classes of deviation 1 whose centres are `distance` from the middle; the same noise without a seed."""
    noise = NOISE if seed is None else np.random.default_rng(seed).normal(size=(N, 4))
    features = noise + distance * np.where(LABELS == 1, 1, -1) * np.eye(4)[0]
    made = dict(model(n=N))
    made["retain"] = replace(made["retain"], labels=LABELS, features=features.astype(np.float32))
    return made


def found(rows: tuple[AuditRow, ...], name: str) -> AuditRow:
    return next(row for row in rows if row.name == name)


def test_separation_is_that_of_the_gaussians() -> None:
    rows = collapse(None, separated(2.0), [], draws=20).after
    separability = found(rows, "collapse_separability")
    assert separability.value == pytest.approx(4 / 4, rel=0.1)
    assert separability.low is not None and separability.low < 1 < (separability.high or 0)
    probed = found(rows, "collapse_probe_accuracy")
    assert probed.value == pytest.approx(0.977, abs=0.02)  # Phi(2)
    assert (probed.n, probed.subjects, probed.reference) == (N, 200, None)


def test_features_that_collapsed_show_in_every_row() -> None:
    healthy = [separated(2.0, seed=seed) for seed in (1, 2)]
    rows = collapse(separated(2.0), separated(0.0), healthy, draws=20)
    for name in ("collapse_separability", "collapse_probe_accuracy", "collapse_cka_reference"):
        row = found(rows.after, name)
        assert row.gap_high is not None and row.gap_high < 0
    assert found(rows.after, "collapse_probe_accuracy").value == pytest.approx(0.5, abs=0.06)


def test_features_turned_and_scaled_are_the_same_features() -> None:
    original = separated(1.0)
    turned = dict(original)
    features = original["retain"].features
    assert features is not None
    turned["retain"] = replace(original["retain"], features=-3 * features[:, ::-1])
    rows = collapse(original, turned, [], draws=10)
    assert found(rows.after, "collapse_cka_original").value == pytest.approx(1, abs=1e-6)
    assert found(collapse(original, separated(1.0, seed=5), [], draws=10).after, "collapse_cka_original").value < 0.9  # type: ignore[operator]


def test_likeness_to_references_stands_beside_that_between_them() -> None:
    references = [separated(1.0, seed=seed) for seed in (1, 2, 3)]
    rows = collapse(None, separated(1.0, seed=4), references, draws=10)
    row = found(rows.after, "collapse_cka_reference")
    assert row.value == pytest.approx(row.reference, abs=0.05)
    assert not any(row.name == "collapse_cka_original" for row in rows.after)
    one = found(collapse(None, separated(1.0, seed=4), references[:1], draws=10).after, "collapse_cka_reference")
    assert one.value is not None and one.reference is None


def test_without_features_it_says_so() -> None:
    blind = {split: replace(part, features=None) for split, part in model(n=40).items()}
    with pytest.raises(DataError, match="features of the retain pictures"):
        collapse(None, blind, [])


def constant(seen: Observation) -> Observation:
    """A network that came to answer everything alike."""
    return {split: replace(part, features=np.zeros((len(part.ids), 4), np.float32)) for split, part in seen.items()}


def in_two_points(seen: Observation) -> Observation:
    """All features of a class in one point."""
    return {split: replace(part, features=np.eye(2)[part.labels[:, 0]]) for split, part in seen.items()}


@pytest.mark.parametrize("collapsed", [constant, in_two_points])
def test_features_without_scatter_give_a_reason_and_no_number(collapsed: Callable[[Observation], Observation]) -> None:
    rows = collapse(separated(1.0), collapsed(separated(1.0)), [separated(1.0, seed=1)], draws=10).after
    json.dumps([asdict(row) for row in rows], allow_nan=False)
    assert all(row.note if row.value is None else row.low is not None for row in rows)
    assert found(rows, "collapse_separability").note == "not estimable: the features of a class have no scatter"


def test_a_class_that_one_person_shows_cannot_be_held_out() -> None:
    alone = separated(1.0)
    owners = alone["retain"].subjects
    assert owners is not None
    alone = {**alone, "retain": replace(alone["retain"], labels=(owners == owners[0])[:, None].astype(np.int64))}
    row = found(collapse(None, alone, [], draws=10).after, "collapse_probe_accuracy")
    assert row.value is None and "fewer than two classes" in row.note
