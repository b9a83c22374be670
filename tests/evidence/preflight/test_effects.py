"""Effects of every audit: what is called detectable is found about four times in five, by simulation of each kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from expunge.audits import collapse, gradients, population, residue
from expunge.audits.registry import AUDITS
from expunge.evidence.preflight import Effect, SetSize, effects
from expunge.evidence.preflight.effects import ATTACKS, COLLAPSE, IDENTIFIED, MACHINE, PROBE, PULL
from expunge.functional.power import FITTED
from expunge.functional.stats import weighted_ece

Array = np.ndarray
REPEATS = 600  # a standard error of .016 of what is found four times in five
BAR = float(norm.ppf(0.975))


def sets(forget: int = 100, reporting: int = 100, retain: int = 500, tuning: int = 1000) -> tuple[SetSize, ...]:
    """Sets of strangers."""
    sizes = {"forget": forget, "retain": retain, "tuning": tuning, "reporting": reporting}
    return tuple(SetSize(name, size, size, float(size), size) for name, size in sizes.items())


def effect(audit: str, *sizes: SetSize) -> Effect:
    (found,) = effects((audit,), sizes)
    return found


def least(audit: str, *sizes: SetSize) -> float:
    found = effect(audit, *sizes).least
    assert found is not None
    return found


def found(values: Array, null: Array) -> float:
    """How often a value is beyond what chance alone gives one time in twenty."""
    low, high = np.quantile(null, (0.025, 0.975))
    return float(((values < low) | (values > high)).mean())


def auroc(members: Array, others: Array) -> Array:
    """Of every row."""
    n, m = members.shape[1], others.shape[1]
    ranks = rankdata(np.concatenate([members, others], 1), axis=1)[:, :n].sum(1)
    return np.asarray((ranks - n * (n + 1) / 2) / (n * m))


def apart(true: float) -> float:
    """How far two normal distributions lie apart whose AUROC is `true`."""
    return float(2**0.5 * norm.ppf(true))


def test_every_audit_has_a_line_with_an_effect_or_a_reason() -> None:
    lines = effects(tuple(AUDITS), sets())
    assert [one.audit for one in lines] == list(AUDITS)
    assert all((one.least is None) == bool(one.note) and (one.least is None) != bool(one.meaning) for one in lines)


def test_only_these_have_no_formula_and_say_what_they_depend_on() -> None:
    large = effects(tuple(AUDITS), sets(4000, 8000, 50_000))
    without = {one.audit: one.note for one in large if one.least is None}
    assert set(without) == {
        "collapse_separability",
        "collapse_cka_original",
        "collapse_cka_reference",
        "klom",
        "epsilon_quality",
    }
    assert "shadow models" in without["klom"] and "ln(N - 1)" in without["epsilon_quality"]


def test_samples_are_those_of_the_audits() -> None:
    assert (MACHINE, PULL, PROBE, COLLAPSE) == (population.MOST, gradients.MOST, residue.MOST, collapse.MOST)
    assert IDENTIFIED == residue.ENOUGH
    assert len(population.ATTACKS) + 1 == ATTACKS, "those of one signal or several, and the loss"


def test_attacks_with_a_population_need_it_to_be_large() -> None:
    few, many = sets(reporting=2000, tuning=999), sets(reporting=2000, tuning=1000)
    assert "n = 999" in effect("rmia_tpr_at_1pct_fpr", *few).note
    assert least("rmia_tpr_at_1pct_fpr", *many) == least("lira_tpr_at_1pct_fpr", *few)


def test_a_rate_among_forget_pictures_needs_many_of_them() -> None:
    few, many = sets(forget=999, reporting=5000), sets(forget=1000, reporting=5)
    assert "n = 999" in effect("u_lira_tpr_at_1pct_fpr", *few).note
    assert least("u_lira_tpr_at_1pct_fpr", *many) == least("tpr_at_1pct_fpr", *sets(forget=1000, reporting=1000))


def test_known_values() -> None:
    assert least("mia_auroc", *sets()) == pytest.approx(0.6135, abs=1e-3)
    assert least("accuracy", *sets()) == pytest.approx(0.14, abs=1e-3)
    assert least("mia_accuracy", *sets()) == pytest.approx(0.14, abs=1e-3)
    assert least("u_lira_auroc", *sets(100, 5)) == least("mia_auroc", *sets(100, 100))
    assert least("relearn_accuracy", *sets(200)) == least("accuracy", *sets(100))


def test_more_pictures_show_smaller_effects() -> None:
    small, large = ({e.audit: e.least for e in effects(tuple(AUDITS), sets(n, 3 * n, 2 * n))} for n in (50, 400))
    for name, before in small.items():
        more = large[name]
        assert before is None or (more is not None and more < before)
    assert large["tpr_at_1pct_fpr"] is not None and small["tpr_at_1pct_fpr"] is None


def test_pictures_beyond_a_sample_do_not_help_who_looks_at_a_sample() -> None:
    some, many = sets(1000, 1000, 1000), sets(5000, 5000, 10_000)
    for audit in ("svc_auroc", "svc_tpr_at_1pct_fpr", "attack_gap", "full_gradient_auroc", "collapse_probe_accuracy"):
        assert least(audit, *some) == least(audit, *many)
    assert least("residue_member_auroc", *some) > least("residue_member_auroc", *many)


def test_next_to_nothing_shows_nothing() -> None:
    for audit in ("mia_auroc", "accuracy", "distance", "nomus", "svc_auroc", "attack_gap", "relearn_accuracy"):
        one = effect(audit, *sets(2, 2))
        assert one.least is None and one.note


def test_one_person_cannot_be_held_out() -> None:
    alone = tuple(replace(one, people=1) if one.name == "forget" else one for one in sets())
    for audit in ("svc_auroc", "svc_tpr_at_1pct_fpr", "residue_member_auroc", "relearn_loss", "relearn_speed"):
        assert "one person" in effect(audit, *alone).note
    strangers = tuple(replace(one, people=None) for one in sets())
    assert least("svc_auroc", *strangers) == least("svc_auroc", *sets())
    assert "known by name" in effect("residue_identity", *strangers).note
    assert "known by name" in effect("residue_identity", *alone).note


def test_gaps_of_the_strongest_of_several_attacks() -> None:
    """None of the others finds anything; all are as uncertain as one that was fitted."""
    made, n = np.random.default_rng(0), 200
    gap = least("attack_gap", *sets(2 * n, 2 * n))

    def strongest(shift: float) -> Array:
        of_each = [auroc(made.normal(size=(600, n)) + shift * (a == 0), made.normal(size=(600, n))) for a in range(8)]
        return np.abs(np.array(of_each) - 0.5).max(0)

    high = float(np.quantile(strongest(0.0), 0.95))
    assert 0.76 < (strongest(apart(0.5 + gap)) > high).mean() < 0.92
    alone = least("mia_auroc", *sets(n, n)) - 0.5
    assert (strongest(apart(0.5 + alone)) > high).mean() < 0.65, "one level for each attack would promise too much"


def test_calibration_errors_that_are_off_by_so_much() -> None:
    made, n = np.random.default_rng(0), 300
    step = least("ece", *sets(n))

    def errors(gap: float) -> Array:
        confidence = made.uniform(0.5, 0.7, size=(REPEATS, n))
        hits = (made.random((REPEATS, n)) < confidence - gap).astype(np.float64)
        return np.array([weighted_ece(c, h, np.ones((1, n)))[0] for c, h in zip(confidence, hits, strict=True)])

    assert 0.76 < found(errors(0.1 + step), errors(0.1)) < 0.92


def test_scores_whose_parts_err_together() -> None:
    """Pictures that are answered right are all taken for members, by an attack that was fitted: the worst there is."""
    made, n, m = np.random.default_rng(0), 300, 200
    step = least("nomus", *sets(n, m))

    def scores(right: float) -> Array:
        ours, theirs = (made.normal(size=4000) * 0.5 / k**0.5 for k in (n, m))
        attacked = (0.9 + FITTED**0.5 * ours + 0.5 - FITTED**0.5 * theirs) / 2
        return np.asarray((right + theirs + 1 - 2 * np.abs(attacked - 0.5)) / 2)

    assert 0.76 < found(scores(0.5 + 2 * step), scores(0.5)) < 0.84


def test_the_same_pictures_under_two_models() -> None:
    made, n = np.random.default_rng(0), 80
    true = least("u_lira_auroc", *sets(n))

    def pairs(shift: float, alike: float) -> Array:
        shared = made.normal(size=(REPEATS, n)) * alike**0.5
        own = [made.normal(size=(REPEATS, n)) * (1 - alike) ** 0.5 for _ in range(2)]
        return auroc(shared + own[0] + shift, shared + own[1])

    assert 0.76 < found(pairs(apart(true), 0.0), pairs(0.0, 0.0)) < 0.86
    assert found(pairs(apart(true), 0.5), pairs(0.0, 0.5)) > 0.9, "what pictures share is gone from the comparison"


@pytest.mark.parametrize(("audit", "asked"), [("relearn_accuracy", 100), ("u_lira", 200), ("residue_identity", 100)])
def test_shares_of_the_pictures_that_are_asked_about(audit: str, asked: int) -> None:
    made = np.random.default_rng(0)
    true = 0.5 + least(audit, *sets(200))
    shares, null = (made.binomial(asked, share, 4000) / asked for share in (true, 0.5))
    assert 0.76 < (np.abs(shares - null.mean()) > BAR * null.std()).mean() < 0.86


def test_a_sample_of_people_counts_for_no_more_than_it_is_worth() -> None:
    """Of 10 pictures each, few are looked at: they say more than their share, and the effect is found."""
    made, alike = np.random.default_rng(0), 0.13
    retain = SetSize("retain", 8000, 800, 8000 / (1 + alike * 9), 8000)
    step = least("collapse_probe_accuracy", retain)
    person = np.repeat(np.arange(800), 10)[np.linspace(0, 7999, COLLAPSE).astype(int)]

    def shares(true: float) -> Array:
        own = made.normal(size=(300, 800))[:, person] * alike**0.5
        drawn = own + made.normal(size=(300, COLLAPSE)) * (1 - alike) ** 0.5
        return np.asarray((drawn < norm.ppf(true)).mean(1))

    assert 0.8 < found(shares(0.5 + step), shares(0.5)) <= 1
    strangers = SetSize("retain", 8000, None, 8000.0, 8000)
    assert least("collapse_probe_accuracy", strangers) < step
