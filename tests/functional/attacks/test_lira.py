"""LiRA and U-LiRA on Gaussian toys, where the best possible attack is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm

from expunge.errors import Unavailable
from expunge.functional.attacks.curves import auroc
from expunge.functional.attacks.lira import Variance, lira_offline, lira_online, u_lira, u_lira_ratio

RNG = np.random.default_rng(0)
PICTURES = 4000
MU = 1.5


def toy(models: int, *, mu: float = MU, pictures: int = PICTURES) -> tuple[np.ndarray, ...]:
    """Pictures of very different hardness; being trained on moves a picture's phi by mu of its own deviation."""
    hard, spread = RNG.normal(0, 10, pictures), RNG.uniform(0.5, 2, pictures)
    inside = RNG.permuted(np.arange(models)[:, None].repeat(pictures, 1) % 2 == 0, axis=0)
    shadows = hard + spread * (RNG.normal(0, 1, (models, pictures)) + mu * inside)
    member = np.arange(pictures) % 2 == 0
    return hard + spread * (RNG.normal(0, 1, pictures) + mu * member), shadows, inside, member


def test_online_reaches_the_best_possible_auroc() -> None:
    target, shadows, inside, member = toy(256)
    score = lira_online(target, shadows, inside)
    assert auroc(score[member], score[~member]) == pytest.approx(norm.cdf(MU / np.sqrt(2)), abs=0.015)
    # the confidence alone hardly sees what is hidden under the pictures' different hardness
    assert auroc(target[member], target[~member]) < 0.6


def test_offline_reaches_the_best_possible_auroc_of_a_shift() -> None:
    target, shadows, inside, member = toy(256)
    score = lira_offline(target, shadows, inside)
    assert auroc(score[member], score[~member]) == pytest.approx(norm.cdf(MU / np.sqrt(2)), abs=0.015)


def test_offline_ranks_as_the_published_probability_does_and_beyond_where_it_rounds() -> None:
    target, shadows, inside, _ = toy(64)
    others = [shadows[~inside[:, i], i] for i in range(PICTURES)]
    published = norm.cdf(target, [v.mean() for v in others], [v.std() for v in others])
    np.testing.assert_allclose(norm.cdf(lira_offline(target, shadows, inside)), published, atol=1e-12)
    far = lira_offline(np.array([9.0, 12.0]), np.tile([[-1.0], [1.0]], 2), np.zeros((2, 2), dtype=bool))
    assert norm.cdf(far[0]) == norm.cdf(far[1]) == 1 and far[0] < far[1]


def test_offline_is_one_sided() -> None:
    """A model far less sure than those that never saw the picture shows no membership."""
    shadows, outside = np.array([[-1.0], [1.0]]), np.zeros((2, 1), dtype=bool)
    assert lira_offline(np.array([-9.0]), shadows, outside)[0] < lira_offline(np.array([0.0]), shadows, outside)[0]


def test_online_is_the_ratio_of_fitted_densities() -> None:
    target, shadows, inside, _ = toy(16, pictures=30)
    expected = []
    for i, phi in enumerate(target):
        ours, theirs = shadows[inside[:, i], i], shadows[~inside[:, i], i]
        expected.append(norm.logpdf(phi, ours.mean(), ours.std()) - norm.logpdf(phi, theirs.mean(), theirs.std()))
    np.testing.assert_allclose(lira_online(target, shadows, inside), expected, rtol=1e-9, atol=1e-9)


def test_a_fixed_variance_is_the_scatter_about_the_pictures_own_means() -> None:
    """The scatter of everything together would be dominated by how differently hard the pictures are."""
    target, shadows, inside, _ = toy(16, pictures=30)
    means = [shadows[~inside[:, i], i].mean() for i in range(30)]
    scatter = np.concatenate([shadows[~inside[:, i], i] - means[i] for i in range(30)]).std()
    found = lira_offline(target, shadows, inside, variance="fixed")
    np.testing.assert_allclose(found, (target - means) / scatter)
    assert scatter < shadows.std() / 3


def test_a_fixed_variance_is_the_better_one_with_few_shadows_of_equal_scatter() -> None:
    hard, member = RNG.normal(0, 10, PICTURES), np.arange(PICTURES) % 2 == 0
    inside = np.tile(np.array([[True], [True], [False], [False]]), PICTURES)
    shadows = hard + RNG.normal(0, 1, (4, PICTURES)) + MU * inside
    target = hard + RNG.normal(0, 1, PICTURES) + MU * member
    found: dict[Variance, float] = {}
    for variance in ("per-example", "fixed"):
        score = lira_online(target, shadows, inside, variance=variance)
        found[variance] = auroc(score[member], score[~member])
    assert found["fixed"] > found["per-example"] + 0.03


def faces(models: int, gain: float, *, pictures: int = 12_000, seed: int = 0) -> dict[Variance, float]:
    """AUROC of either variance, where pictures scatter about as unequally as measured on sixteen models of faces.

    The logarithm of a picture's deviation had one of .45 between pictures there, beyond what eight models a side show
    by chance; being trained on moved it by far less than one deviation.
    """
    drawn = np.random.default_rng(seed)
    hard, spread = drawn.normal(0, 1.5, pictures), np.exp(drawn.normal(0, 0.45, pictures))
    inside = drawn.permuted(np.arange(models)[:, None].repeat(pictures, 1) % 2 == 0, axis=0)
    shadows = hard + spread * (drawn.normal(0, 1, (models, pictures)) + gain * inside)
    member = np.arange(pictures) % 2 == 0
    target = hard + spread * (drawn.normal(0, 1, pictures) + gain * member)
    variances: tuple[Variance, ...] = ("per-example", "fixed")
    scores = {variance: lira_online(target, shadows, inside, variance=variance) for variance in variances}
    return {variance: auroc(score[member], score[~member]) for variance, score in scores.items()}


@pytest.mark.parametrize(
    ("models", "gain", "better"),
    [(16, 0.3, "fixed"), (16, 1.0, "fixed"), (32, 0.3, "fixed"), (32, 1.5, "per-example"), (64, 1.0, "per-example")],
)
def test_which_variance_is_the_better_one_hangs_on_what_is_memorised(models: int, gain: float, better: str) -> None:
    """With 16 shadows a side either may be; from 32 a side on each picture's own, unless next to nothing is left."""
    lead = np.mean([found["per-example"] - found["fixed"] for found in (faces(models, gain, seed=s) for s in range(3))])
    assert abs(lead) > 0.002 and (lead > 0) == (better == "per-example")


def test_u_lira_ranks_what_its_probability_can_no_longer_tell_apart() -> None:
    a, b = RNG.normal(40, 1, (50, 1)), RNG.normal(-40, 1, (50, 1))
    target = np.linspace(-30, 60, 40)[:, None]
    found = [[f(one, a, b)[0] for one in target] for f in (u_lira, u_lira_ratio)]
    assert len(set(found[0])) < 30 and found[0].count(1.0) > 5
    assert len(set(found[1])) == 40
    np.testing.assert_allclose(found[0], expit(found[1]))


def test_u_lira_is_the_posterior_of_its_two_gaussians() -> None:
    a, b = RNG.normal(2, 1, (50, 3)), RNG.normal(-1, 3, (70, 3))
    target = np.array([-4.0, 0.5, 3.0])
    ours, theirs = (norm.pdf(target, s.mean(0), s.std(0)) for s in (a, b))
    np.testing.assert_allclose(u_lira(target, a, b), ours / (ours + theirs))


def test_u_lira_approaches_the_true_posterior() -> None:
    a, b = RNG.normal(1, 1, (20_000, 1)), RNG.normal(-1, 1, (20_000, 1))
    found = u_lira(np.array([0.3]), a, b)
    assert found[0] == pytest.approx(1 / (1 + np.exp(-2 * 0.3)), abs=0.02)


def test_u_lira_sees_what_right_and_wrong_answers_hide() -> None:
    """Every model answers right; unlearned ones are still surer. On 0/1 correctness the attack is blind."""
    hard, member = RNG.uniform(6, 12, 400), np.arange(400) % 2 == 0
    unlearned = hard + RNG.normal(2, 0.7, (16, 400))
    unseen = hard + RNG.normal(0, 0.7, (16, 400))
    target = np.where(member, unlearned[0], unseen[0])
    seen, correct = (u_lira(f(target), f(unlearned[1:]), f(unseen[1:])) for f in (np.asarray, lambda v: v > 0))
    assert auroc(seen[member], seen[~member]) > 0.95
    assert auroc(correct[member], correct[~member]) == 0.5


@given(st.integers(0, 2**32 - 1), st.floats(-100, 100), st.floats(0.1, 10))
def test_scores_do_not_see_the_order_of_shadows_nor_where_and_how_phi_is_scaled(
    seed: int, shift: float, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    inside = rng.permuted(np.arange(8)[:, None].repeat(10, 1) % 2 == 0, axis=0)
    target, shadows, order = rng.normal(0, 3, 10), rng.normal(0, 3, (8, 10)), rng.permutation(8)
    variances: tuple[Variance, ...] = ("per-example", "fixed")
    for variance in variances:
        for attack in (lira_online, lira_offline):
            score = attack(target, shadows, inside, variance=variance)
            again = attack(target, shadows[order], inside[order], variance=variance)
            np.testing.assert_allclose(again, score, rtol=1e-9, atol=1e-9)
            moved = attack(scale * target + shift, scale * shadows + shift, inside, variance=variance)
            np.testing.assert_allclose(moved, score, rtol=1e-6, atol=1e-6)
    posterior = u_lira(target, shadows[:4], shadows[4:])
    np.testing.assert_allclose(
        u_lira(target + shift, shadows[3::-1] + shift, shadows[4:] + shift), posterior, atol=1e-6
    )


def test_exchanged_sides_change_the_sign() -> None:
    target, shadows, inside, _ = toy(16, pictures=30)
    np.testing.assert_allclose(lira_online(target, shadows, ~inside), -lira_online(target, shadows, inside))


@pytest.mark.parametrize("phi", [-1e4, 0.0, 1e4])
def test_shadows_that_agree_to_the_last_digit_give_a_number(phi: float) -> None:
    shadows, inside = np.array([[1.0], [1.0], [-1.0], [-1.0]]), np.array([[True], [True], [False], [False]])
    scores = [lira_online(np.array([phi]), shadows, inside), lira_offline(np.array([phi]), shadows, inside)]
    scores.append(u_lira(np.array([phi]), shadows[:2], shadows[2:]))
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("variance", ["per-example", "fixed"])
def test_too_few_shadows_are_refused_with_a_reason(variance: Variance) -> None:
    inside = np.zeros((4, 3), dtype=bool)
    inside[0] = inside[1, :2] = True
    target, shadows = np.zeros(3), RNG.normal(0, 1, (4, 3))
    with pytest.raises(Unavailable, match="1 of 3 pictures have fewer than two shadows on a side"):
        lira_online(target, shadows, inside, variance=variance)
    assert np.isfinite(lira_offline(target, shadows, inside, variance=variance)).all()
    with pytest.raises(Unavailable, match="3 of 3 pictures"):
        u_lira(target, shadows[:1], shadows[1:], variance=variance)
