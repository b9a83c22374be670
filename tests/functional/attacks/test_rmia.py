"""RMIA against a loop over its definition, on toys whose members are known, and where it cannot be estimated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm

from expunge.errors import Unavailable
from expunge.functional.attacks.curves import auroc
from expunge.functional.attacks.rmia import Population, rmia_offline, tuned_a


def toy(seed: int, *, models: int = 8, pictures: int = 60, others: int = 40, mu: float = 3.0) -> tuple[np.ndarray, ...]:
    """Probabilities: audited model, its members, references and their members, population under both."""
    rng = np.random.default_rng(seed)
    hard, hard_z = rng.normal(0, 3, pictures), rng.normal(0, 3, others)
    inside = rng.permuted(np.arange(models)[:, None].repeat(pictures, 1) % 2 == 0, axis=0)
    member = rng.permutation(pictures) % 2 == 0
    target = expit(hard + rng.normal(0, 1, pictures) + mu * member)
    references = expit(hard + rng.normal(0, 1, (models, pictures)) + mu * inside)
    target_z, references_z = (expit(hard_z + rng.normal(0, 1, (n, others))) for n in (1, models))
    return target, member, references, inside, target_z[0], references_z


def by_definition(
    target: np.ndarray, p: list[float], target_z: np.ndarray, p_z: list[float], gamma: float
) -> list[float]:
    return [
        sum((t / e) / (t_z / e_z) > gamma for t_z, e_z in zip(target_z, p_z, strict=True)) / len(target_z)
        for t, e in zip(target, p, strict=True)
    ]


@pytest.mark.parametrize("a", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_offline_agrees_with_a_loop_over_its_definition(a: float, gamma: float) -> None:
    target, _, references, inside, target_z, references_z = toy(0)
    out = [references[~inside[:, i], i].mean() for i in range(60)]
    p, p_z = ([((1 + a) * v + (1 - a)) / 2 for v in side] for side in (out, references_z.mean(0)))
    found = rmia_offline(target, references, inside, Population(target_z, references_z), a=a, gamma=gamma)
    np.testing.assert_array_equal(found, by_definition(target, p, target_z, p_z, gamma))


@pytest.mark.parametrize("gamma", [1.0, 2.0])
def test_where_logarithms_of_ratios_are_gaussian_scores_and_auroc_are_normal_probabilities(gamma: float) -> None:
    """However hard a picture is, p_theta is p times exp of N(0, s), or of N(m, s) for a member: of a picture with log
    ratio r the score is Phi((r - log gamma) / s), and the AUROC is Phi(m / (s sqrt(2)))."""
    rng, n, s, m = np.random.default_rng(6), 4000, 0.3, 0.3
    expected, expected_z = rng.uniform(0.01, 0.2, (2, n))
    member = np.arange(n) % 2 == 0
    ratio, ratio_z = rng.normal(m * member, s), rng.normal(0, s, n)
    population = Population(expected_z * np.exp(ratio_z), np.tile(expected_z, (3, 1)))
    outside = np.zeros((3, n), bool)
    target = expected * np.exp(ratio)
    found = rmia_offline(target, np.tile(expected, (3, 1)), outside, population, a=1.0, gamma=gamma)
    np.testing.assert_allclose(found, norm.cdf((ratio - np.log(gamma)) / s), atol=0.03)
    assert abs(auroc(found[member], found[~member]) - norm.cdf(m / (s * np.sqrt(2)))) < 0.03
    assert auroc(target[member], target[~member]) < auroc(found[member], found[~member]) - 0.1, "hardness hides them"


def test_members_are_found_under_hardness_that_hides_them() -> None:
    target, member, references, inside, target_z, references_z = toy(2, pictures=2000, others=500, mu=2.0)
    population = Population(target_z, references_z)
    plain = auroc(target[member], target[~member])
    score = rmia_offline(target, references, inside, population, a=0.5)
    assert auroc(score[member], score[~member]) > plain + 0.1


def test_the_tuned_a_is_the_best_of_eleven_on_the_paired_model() -> None:
    target, member, references, inside, target_z, references_z = toy(3, pictures=400)
    population = Population(target_z, references_z)
    found = {}
    for step in range(11):
        score = rmia_offline(target, references, inside, population, a=step / 10)
        found[step / 10] = auroc(score[member], score[~member])
    a = tuned_a(target, member, references, inside, population)
    assert found[a] == max(found.values()) > min(found.values())
    assert a in found


def test_a_constant_says_nothing() -> None:
    """Every picture alike: no ratio exceeds another, so that nobody is called a member, and the AUROC is .5."""
    inside = np.array([[True] * 3 + [False] * 3, [False] * 3 + [True] * 3])
    population = Population(np.full(5, 0.7), np.full((2, 5), 0.6))
    score = rmia_offline(np.full(6, 0.7), np.full((2, 6), 0.6), inside, population, a=0.3)
    assert (score == 0).all()
    assert auroc(score[:3], score[3:]) == 0.5


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_scores_see_neither_the_order_of_references_nor_that_of_the_population(seed: int, a: float) -> None:
    target, _, references, inside, target_z, references_z = toy(seed, pictures=10, others=10)
    rng = np.random.default_rng(seed)
    order, people = rng.permutation(8), rng.permutation(10)
    shuffled = Population(target_z[people], references_z[order][:, people])
    first = rmia_offline(target, references, inside, Population(target_z, references_z), a=a)
    np.testing.assert_allclose(rmia_offline(target, references[order], inside[order], shuffled, a=a), first)


@given(st.integers(0, 2**32 - 1))
def test_a_larger_gamma_never_finds_more(seed: int) -> None:
    target, _, references, inside, target_z, references_z = toy(seed, pictures=10, others=10)
    population = Population(target_z, references_z)
    scores = [rmia_offline(target, references, inside, population, a=0.5, gamma=gamma) for gamma in (0.5, 1, 2)]
    assert (np.diff(scores, axis=0) <= 0).all()


def test_probabilities_that_rounded_to_0_give_a_score() -> None:
    nothing = Population(np.array([0.0, 1.0]), np.array([[0.0, 1.0]]))
    score = rmia_offline(np.array([0.0, 1.0]), np.zeros((1, 2)), np.zeros((1, 2), dtype=bool), nothing, a=1.0)
    assert np.isfinite(score).all() and score[1] > score[0]


def test_what_cannot_be_estimated_is_refused_with_a_reason() -> None:
    target, _, references, inside, target_z, references_z = toy(4)
    population = Population(target_z, references_z)
    everywhere = inside.copy()
    everywhere[:, :7] = True
    with pytest.raises(Unavailable, match="7 of 60 pictures have no reference on a side"):
        rmia_offline(target, references, everywhere, population, a=0.5)
    with pytest.raises(Unavailable, match="members and non-members"):
        tuned_a(target, np.ones(60, dtype=bool), references, inside, population)
