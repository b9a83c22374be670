"""The same numbers as independent implementations on the same arrays, and where not, why.

`peers.json` holds the arrays and the answers; tests/peers/run.sh asks the implementations again.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import rankdata

from expunge.audits.population import SVM, attack_scores
from expunge.functional.attacks.curves import auroc
from expunge.functional.attacks.epsilon import epsilons, points
from expunge.functional.attacks.klom import binned_kl
from expunge.functional.attacks.lira import Variance, lira_online
from expunge.functional.attacks.rmia import Population, rmia_offline
from expunge.functional.attacks.signals import margin, membership_scores, scaled_confidence
from expunge.functional.losses import per_example_loss
from expunge.functional.membership import attack_hits
from tests.peers.inputs import asked_about

RECORDED = json.loads(Path(__file__).with_name("peers.json").read_text())
ANSWERS = {name: np.array(values) for name, values in RECORDED["answers"].items()}


def given(group: str) -> dict[str, np.ndarray]:
    return {name: np.array(values) for name, values in RECORDED["inputs"][group].items()}


@pytest.mark.parametrize(
    "peer", ["tensorflow_privacy.logit", "unlearning_evaluation.confidence", "data_unlearning_bench.margin"]
)
def test_scaled_confidences(peer: str) -> None:
    arrays = given("confidence")
    found = scaled_confidence(arrays["logits"], arrays["labels"][:, None], sizes=(4,))
    np.testing.assert_allclose(found, ANSWERS[peer], rtol=1e-9)


def test_margins() -> None:
    arrays = given("confidence")
    found = margin(arrays["logits"], arrays["labels"][:, None], sizes=(4,))
    np.testing.assert_allclose(found, ANSWERS["tensorflow_privacy.hinge"], rtol=1e-9)


@pytest.mark.parametrize("name", ["confidence", "entropy", "modified_entropy"])
def test_signals_of_threshold_attacks(name: str) -> None:
    """Entropies are those of what the model does not know: more of them is less like a member."""
    arrays = given("confidence")
    found = membership_scores(arrays["logits"], arrays["labels"][:, None], sizes=(4,))[name]
    sign = 1 if name == "confidence" else -1
    np.testing.assert_allclose(found, sign * ANSWERS[f"tensorflow_privacy.{name}"], rtol=1e-6)


def test_losses() -> None:
    arrays = given("confidence")
    logits, labels = torch.tensor(arrays["logits"]), torch.tensor(arrays["labels"])[:, None]
    found = per_example_loss(logits, labels, sizes=(4,))
    np.testing.assert_allclose(found, ANSWERS["tensorflow_privacy.loss"], rtol=1e-6)


@pytest.mark.parametrize("variance", ["per-example", "fixed"])
def test_lira(variance: Variance) -> None:
    arrays = given("lira")
    found = lira_online(arrays["target"], arrays["shadows"], arrays["inside"].astype(bool), variance=variance)
    np.testing.assert_allclose(found, ANSWERS[f"tensorflow_privacy.lira.{variance}"], rtol=1e-9)


@pytest.mark.parametrize("a", [0.0, 0.3, 1.0])
def test_rmia_up_to_the_references_that_the_peer_leaves_out(a: float) -> None:
    """A picture of the population counts there with the larger half of its references only, though none saw it."""
    arrays = given("rmia")
    pictures = arrays["target"], arrays["references"], arrays["inside"].astype(bool)
    target, references = arrays["population_target"], arrays["population_references"]
    larger = Population(target, np.sort(references, axis=0)[len(references) // 2 :])
    theirs = ANSWERS[f"ml_privacy_meter.rmia.{a}"]
    np.testing.assert_allclose(rmia_offline(*pictures, larger, a=a), theirs, rtol=1e-12)
    assert (rmia_offline(*pictures, Population(target, references), a=a) <= theirs).all()


def test_klom_up_to_the_margins_that_the_peer_loses() -> None:
    """It leaves out what is at the upper end: one margin in 600 here, but all that are clipped in the last picture."""
    arrays = given("klom")
    found, theirs = binned_kl(arrays["unlearned"], arrays["retrained"]), ANSWERS["data_unlearning_bench.klom"]
    np.testing.assert_allclose(found[:3], theirs[:3], atol=0.01)
    assert (arrays["unlearned"][:, 3] >= 100).mean() > 0.2
    assert found[3] > 1.2 * theirs[3]


def test_epsilons_up_to_the_cuts_between_the_peers_grid() -> None:
    arrays = given("epsilon")
    found, theirs = epsilons(arrays["unlearned"], arrays["retrained"]), ANSWERS["unlearning_evaluation.epsilon"]
    np.testing.assert_allclose(found, theirs, atol=1e-4)
    assert points(found, 24).mean() == pytest.approx(float(ANSWERS["unlearning_evaluation.score"]))


def test_right_answers() -> None:
    arrays = given("art")
    found = margin(arrays["logits"], arrays["labels"][:, None], sizes=(4,)) > 0
    np.testing.assert_array_equal(found, ANSWERS["art.gap"])


def test_the_audits_support_vector_machine_on_people_it_was_not_fitted_on() -> None:
    """All of the audit's way from answers to scores, which are ranks within each fold; the peer has the same folds."""
    arrays = given("machine")
    attack = attack_scores(asked_about(arrays["logits"], arrays["labels"]))[SVM]
    assert attack.members is not None and attack.others is not None
    theirs = np.empty(len(arrays["fold"]))
    for number in np.unique(arrays["fold"]):
        held = arrays["fold"] == number
        theirs[held] = (rankdata(ANSWERS["art.svc"][held]) - 0.5) / held.sum()
    np.testing.assert_allclose(np.r_[attack.members, attack.others], theirs)
    assert auroc(attack.members, attack.others) > 0.6


def test_held_out_guesses_of_the_regression() -> None:
    arrays = given("art")
    found = np.concatenate(attack_hits(arrays["members"][:, 0], arrays["others"][:, 0], folds=5))
    np.testing.assert_array_equal(found, ANSWERS["art.regression"])
