"""Attacks on one model against closed forms on Gaussian logits and features, and what an unfair attack would do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from expunge.audits.attackcards import ATTACKS
from expunge.audits.observe import Observation
from expunge.audits.population import STRONGEST, attack_scores, population, strongest
from expunge.audits.resampling import SAME_PEOPLE, resampling
from expunge.audits.statistics import ATTACKED, Estimates, Key, estimates
from tests.audits.gaussians import model


def measured(observation: Observation, draws: int = 40) -> Estimates:
    weights = resampling(observation, draws=draws, seed=0)
    return estimates(observation, weights) | population(attack_scores(observation), weights)


def value(found: Estimates, name: str) -> float:
    values = found[Key(name, ATTACKED)].values
    assert values is not None
    return float(values[0])


def test_attacks_on_the_label_find_what_two_gaussians_allow() -> None:
    """All of them are monotone in the log odds here: the AUROC is Phi(shift / sqrt 2)."""
    found = measured(model(1.0))
    for name in ("confidence", "margin", "modified_entropy"):
        assert value(found, f"{name}_auroc") == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.02)
    tail = norm.sf(norm.isf(0.01) - 1)
    assert value(found, "margin_tpr_at_1pct_fpr") == pytest.approx(tail, abs=0.03)


def test_with_one_attribute_the_confidence_ranks_as_the_loss_does() -> None:
    found = measured(model(0.5))
    assert value(found, "confidence_auroc") == pytest.approx(value(found, "mia_auroc"), abs=1e-4)


def test_features_nearer_to_their_centre_are_found() -> None:
    """Distances to a centre in two dimensions are Rayleigh: P(r < s) = 1 / (1 + far^2)."""
    found = measured(model(far=0.5))
    assert value(found, "feature_distance_auroc") == pytest.approx(1 / (1 + 0.25), abs=0.02)
    assert value(found, "entropy_auroc") == pytest.approx(0.5, abs=0.03)


def test_the_machine_finds_a_shift_and_nothing_where_there_is_nothing() -> None:
    assert value(measured(model(1.0)), "svc_auroc") == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.05)
    assert value(measured(model()), "svc_auroc") == pytest.approx(0.5, abs=0.06)
    assert measured(model()).pop(Key("svc_auroc", ATTACKED)).n == 2000


def test_the_machine_looks_at_enough_non_members_for_a_low_false_positive_rate() -> None:
    assert 0.02 < value(measured(model(1.0)), "svc_tpr_at_1pct_fpr") < norm.sf(norm.isf(0.01) - 1) + 0.03


def test_unequal_sides_gain_nothing() -> None:
    """A poisoned auditor that guesses the larger side would be right in nine of ten pictures."""
    unequal = {split: part if split == "forget" else part.part(np.arange(120)) for split, part in model().items()}
    found = measured(unequal)
    for name in ATTACKS:
        assert value(found, f"{name}_auroc") == pytest.approx(0.5, abs=0.13)


def test_without_features_their_attacks_say_so() -> None:
    blind = {split: replace(part, features=None) for split, part in model(n=60).items()}
    found = measured(blind)
    for name in ("gradient_norm_auroc", "feature_distance_auroc"):
        assert found[Key(name, ATTACKED)].values is None
        assert "features were not looked at" in found[Key(name, ATTACKED)].why_not


@pytest.mark.parametrize("attack", ATTACKS)
def test_too_few_non_members_give_no_rate_at_a_low_fpr(attack: str) -> None:
    few = measured(model(n=60))[Key(f"{attack}_tpr_at_1pct_fpr", ATTACKED)]
    assert few.values is None and "needs at least 1,000" in few.why_not


def test_the_strongest_attack_is_chosen_between_references_too() -> None:
    """Chosen among several, an attack finds a gap between two references as well: that is what it must be held to."""
    first, second, third = (measured(model(seed=seed)) for seed in (1, 2, 3))
    remembers = measured(model(1.0, seed=4))
    between_references = strongest(first, [second]).values
    found = strongest(remembers, [first, second, third]).values
    assert between_references is not None and found is not None
    assert 0 < between_references[0] < 0.1 < found[0]
    gaps = [abs(value(first, f"{name}_auroc") - value(second, f"{name}_auroc")) for name in ATTACKS]
    assert between_references[0] >= max(gaps) and STRONGEST.name == "attack_gap"


def test_it_is_said_where_the_machine_could_not_be_judged_on_other_people() -> None:
    """Of one person nobody can be held out; where nobody is known, the same people may be on both sides."""
    seen = model(n=40)
    alone, unknown = ({**seen, "forget": replace(seen["forget"], subjects=s)} for s in (np.full(40, "Ana"), None))
    rows = [measured(one)[Key("svc_auroc", ATTACKED)] for one in (seen, unknown, alone)]
    assert [row.values is not None for row in rows] == [True, True, False]
    assert [row.why_not for row in rows[:2]] == ["", SAME_PEOPLE] and "a side shows 1 subject" in rows[2].why_not
