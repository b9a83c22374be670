"""Probes of features against what Gaussian features allow, and against features that hold nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from expunge.audits.observe import observe
from expunge.audits.resampling import SAME_PEOPLE
from expunge.audits.residue import Side, member_and_identity, residue
from expunge.audits.statistics import Estimates, Key
from expunge.functional.stats import bootstrap_weights
from expunge.models.weights import state_bytes_hash
from expunge.types import AuditRow, ErasureTask
from tests.helpers import net, task

RNG = np.random.default_rng(0)
MEMBER = Key("residue_member_auroc", "forget-vs-reporting, penultimate features")
IDENTITY = Key("residue_identity", "forget, penultimate features")


def side(name: str, *, people: int, pictures: int, shift: float = 0.0, identity: float = 0.0) -> Side:
    """Features of noise, with a shift in the first and a place of their own for every person in all of ten."""
    owner = np.repeat(np.arange(people), pictures)
    features = RNG.normal(size=(people * pictures, 10)) + identity * RNG.normal(size=(people, 10))[owner]
    features[:, 0] += shift
    owners = np.array([f"{name}-{i}" for i in owner])
    weights = bootstrap_weights(owners, len(owners), draws=40, seed=0)
    return Side(owners, people, weights, {"penultimate": features})


def value(found: Estimates, key: Key) -> float:
    values = found[key].values
    assert values is not None
    return float(values[0])


def alone(given: ErasureTask) -> tuple[AuditRow, ...]:
    """The rows of a model without others."""
    model = net(given.retain.spec).eval()
    return residue(None, model, [], given, observe(model, given), draws=5).after


def test_a_shift_between_members_and_others_is_found_as_far_as_it_can_be() -> None:
    forget, reporting = (side(name, people=400, pictures=2, shift=s) for name, s in (("f", 1.0), ("r", 0.0)))
    found = member_and_identity(forget, reporting, seed=0)
    assert value(found, MEMBER) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.03)
    assert (found[MEMBER].n, found[MEMBER].subjects) == (1600, 800)


def test_who_is_on_a_picture_does_not_help_to_tell_members() -> None:
    """People lie far apart, but those of either side alike: a probe that had seen them would find them all."""
    forget, reporting = (side(name, people=60, pictures=6, identity=3.0) for name in ("f", "r"))
    found = member_and_identity(forget, reporting, seed=0)
    assert value(found, MEMBER) == pytest.approx(0.5, abs=0.17)
    assert value(found, IDENTITY) > 0.9


def test_identity_is_guessing_where_features_hold_none() -> None:
    forget, reporting = (side(name, people=20, pictures=20) for name in ("f", "r"))
    found = member_and_identity(forget, reporting, seed=0)[IDENTITY]
    assert found.values is not None and found.values[0] == pytest.approx(1 / 20, abs=0.05)
    assert (found.n, found.subjects, found.why_not) == (200, 20, "guessing is right for 1 in 20")


def test_people_of_few_pictures_are_not_asked_about() -> None:
    forget, reporting = side("f", people=30, pictures=3), side("r", people=30, pictures=3)
    found = member_and_identity(forget, reporting, seed=0)[IDENTITY]
    assert found.values is None and "0 forgotten people have at least 4 pictures" in found.why_not


def test_models_are_compared_at_every_stage_and_left_as_they_were() -> None:
    given = task(retain=40, forget=24)
    models = [net(given.retain.spec, seed=seed).eval() for seed in (0, 1, 10, 11)]
    hashes = [state_bytes_hash(model) for model in models]
    seen = observe(models[1], given)
    rows = residue(models[0], models[1], models[2:], given, seen, draws=20)
    assert [state_bytes_hash(model) for model in models] == hashes
    assert {row.split for row in rows.after} == {MEMBER.split, IDENTITY.split}
    for row in (*rows.before, *rows.after):
        assert row.gap is not None and row.low is not None and row.n > 0
    assert len(rows.references) == 2
    again = residue(None, models[1], [models[1]], given, seen, draws=20)
    assert all((row.gap, row.gap_low, row.gap_high) == (0, 0, 0) for row in again.after)


def test_of_many_people_some_are_looked_at_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: every second picture of everybody, so that nobody has enough of them."""
    monkeypatch.setattr("expunge.audits.residue.MOST", 50)
    given = task(retain=16, forget=100)
    rows = alone(given)
    identity = next(row for row in rows if (row.name, row.split) == (IDENTITY.name, IDENTITY.split))
    assert identity.value is not None and identity.subjects == 12  # of four pictures each


def test_two_people_of_many_pictures_are_both_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expunge.audits.residue.MOST", 40)
    given = task(retain=16, forget=100)
    owners = np.repeat(["a", "b"], 50)
    given = replace(given, forget=replace(given.forget, subjects=owners))
    rows = alone(given)
    assert {row.subjects for row in rows if row.name == IDENTITY.name} == {2}
    assert {row.n for row in rows if row.name == MEMBER.name} == {40 + len(given.reporting)}


def test_it_is_said_where_the_probe_could_not_be_judged_on_other_people() -> None:
    given = task(retain=16, forget=8)
    single, unknown = (replace(given, forget=replace(given.forget, subjects=s)) for s in (np.full(8, "Ana"), None))
    for one, known, note in ((unknown, True, SAME_PEOPLE), (single, False, "a side shows 1 subject")):
        rows = alone(one)
        (row,) = (row for row in rows if row.name == MEMBER.name)
        assert (row.value is not None) is known and note in row.note


@pytest.mark.parametrize("most", [2000, 20])
def test_a_person_on_both_sides_is_drawn_for_both_at_once(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """The planted fault: each side draws its own people, and an interval takes one person for two."""
    monkeypatch.setattr("expunge.audits.residue.MOST", most)
    sides: list[Side] = []

    def remembered(forget: Side, reporting: Side, *, seed: int) -> Estimates:
        sides.extend((forget, reporting))
        return member_and_identity(forget, reporting, seed=seed)

    monkeypatch.setattr("expunge.audits.residue.member_and_identity", remembered)
    given = task(retain=16, forget=24)
    alone(replace(given, forget=replace(given.forget, subjects=given.reporting.subjects)))
    drawn = [{name: side.weights[:, side.owners == name].T for name in np.unique(side.owners)} for side in sides]
    both = drawn[0].keys() & drawn[1].keys()
    assert both and any((drawn[0][name] != 1).any() for name in both)
    for name in both:
        assert (drawn[0][name] == drawn[1][name][0]).all() and (drawn[1][name] == drawn[0][name][0]).all()
