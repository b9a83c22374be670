"""Signals against their definitions on probabilities, and at logits where probabilities round to 0 and 1."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp, softmax

from expunge.functional.attacks.curves import auroc
from expunge.functional.attacks.signals import (
    SIGNALS,
    confidence,
    entropy,
    loss,
    margin,
    membership_scores,
    modified_entropy,
    scaled_confidence,
)
from expunge.functional.losses import per_example_loss

RNG = np.random.default_rng(0)
SIZES = (5, 2)
LOGITS = RNG.normal(0, 3, (200, 7))
LABELS = np.stack([RNG.integers(0, size, 200) for size in SIZES], 1)
ONE, LABEL = LOGITS[:, :5], LABELS[:, :1]
P, Y = softmax(ONE, axis=1), LABEL[:, 0]
P_Y = P[np.arange(200), Y]


def modified_entropy_by_definition(p: np.ndarray, y: int) -> float:
    """Song and Mittal's sum, term by term."""
    wrong = sum(p[i] * np.log(1 - p[i]) for i in range(len(p)) if i != y)
    return float(-(1 - p[y]) * np.log(p[y]) - wrong)


def test_signals_agree_with_their_definitions_on_probabilities() -> None:
    expected = {
        loss: -np.log(P_Y),
        entropy: -(P * np.log(P)).sum(1),
        confidence: P_Y,
        scaled_confidence: np.log(P_Y) - np.log(1 - P_Y),
        modified_entropy: [modified_entropy_by_definition(p, y) for p, y in zip(P, Y, strict=True)],
    }
    for signal, values in expected.items():
        np.testing.assert_allclose(signal(ONE, LABEL, sizes=(5,)), values, rtol=1e-9, err_msg=signal.__name__)


def test_loss_agrees_with_torch_on_several_attributes() -> None:
    expected = per_example_loss(torch.tensor(LOGITS), torch.tensor(LABELS), sizes=SIZES)
    np.testing.assert_allclose(loss(LOGITS, LABELS, sizes=SIZES), expected, rtol=1e-5)


@pytest.mark.parametrize("name", SIGNALS)
def test_several_attributes_count_with_their_mean(name: str) -> None:
    signal, _ = SIGNALS[name]
    parts = [signal(LOGITS[:, :5], LABELS[:, :1], sizes=(5,)), signal(LOGITS[:, 5:], LABELS[:, 1:], sizes=(2,))]
    np.testing.assert_allclose(signal(LOGITS, LABELS, sizes=SIZES), np.mean(parts, 0))


def test_the_margin_of_klom_is_the_scaled_confidence_of_lira() -> None:
    others = [logsumexp(np.delete(z, y)) for z, y in zip(ONE, Y, strict=True)]
    expected = ONE[np.arange(200), Y] - others
    np.testing.assert_allclose(scaled_confidence(ONE, LABEL, sizes=(5,)), expected, rtol=1e-12)


def test_a_positive_margin_is_a_right_answer() -> None:
    assert ((margin(ONE, LABEL, sizes=(5,)) > 0) == (ONE.argmax(1) == Y)).all()


def test_modified_entropy_is_not_what_circulates_under_its_name() -> None:
    """The planted faults: log p for log(1 - p), and every label of the batch treated as every picture's own."""
    found = modified_entropy(ONE, LABEL, sizes=(5,))
    alone = [modified_entropy(ONE[i : i + 1], LABEL[i : i + 1], sizes=(5,))[0] for i in range(200)]
    np.testing.assert_allclose(found, alone)
    faulty = -((1 - P) * np.log(P)).sum(1)  # what both together come to, once the batch holds every label
    assert np.abs(found - faulty).min() > 0.1
    other = modified_entropy(ONE, (LABEL + 1) % 5, sizes=(5,))
    assert np.abs(found - other).min() > 1e-6  # the faulty one does not see the label at all


def test_modified_entropy_knows_right_from_wrong_where_entropy_does_not() -> None:
    sure, right, wrong = np.array([[9.0, 0.0, 0.0]]), np.array([[0]]), np.array([[1]])
    assert entropy(sure, right, sizes=(3,)) == entropy(sure, wrong, sizes=(3,))
    assert modified_entropy(sure, right, sizes=(3,))[0] < 0.01
    assert modified_entropy(sure, wrong, sizes=(3,))[0] > 9


@pytest.mark.parametrize("gap", [-1e4, -50.0, 0.0, 50.0, 1e4])
def test_extreme_logits_stay_exact(gap: float) -> None:
    """One logit leads another by `gap`; the closed forms of two classes, in logarithms."""
    logits, label = np.array([[gap, 0.0]]), np.array([[0]])
    found = {name: signal(logits, label, sizes=(2,))[0] for name, (signal, _) in SIGNALS.items()}
    assert found["scaled_confidence"] == found["margin"] == gap
    assert found["loss"] == pytest.approx(np.logaddexp(0, -gap), rel=1e-12, abs=0)
    assert found["modified_entropy"] == pytest.approx(2 * (1 - found["confidence"]) * found["loss"], abs=1e-12)
    assert 0 <= found["entropy"] <= np.log(2) + 1e-12
    assert np.isfinite(list(found.values())).all()


def test_the_surest_members_keep_their_order() -> None:
    """From a rounded probability, p = 1, all of these would have the same infinite log odds and a loss of 0."""
    logits = np.array([[40.0, 0.0], [50.0, 0.0], [60.0, 0.0]])
    assert (softmax(logits, axis=1)[:, 0] == 1).all()
    for name in ("scaled_confidence", "loss", "modified_entropy"):
        scores = membership_scores(logits, np.zeros((3, 1), dtype=int), sizes=(2,))[name]
        assert scores[0] < scores[1] < scores[2], name


@given(st.floats(-1e3, 1e3), st.integers(0, 2**32 - 1))
def test_signals_do_not_see_a_shift_of_all_logits(shift: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(0, 5, (20, 4)), rng.integers(0, 4, (20, 1))
    for name, (signal, _) in SIGNALS.items():
        moved = signal(logits + shift, labels, sizes=(4,))
        np.testing.assert_allclose(moved, signal(logits, labels, sizes=(4,)), atol=1e-9, err_msg=name)


def test_higher_means_member_for_every_signal() -> None:
    """Members' logits lead further: every score must rank them above non-members."""
    labels = np.zeros((300, 1), dtype=int)
    lead = np.array([[1.0, 0.0, 0.0]])
    members, others = (RNG.normal(0, 1, (300, 3)) + scale * lead for scale in (6, 2))
    ours, theirs = (membership_scores(z, labels, sizes=(3,)) for z in (members, others))
    assert {name: auroc(ours[name], theirs[name]) > 0.8 for name in ours} == dict.fromkeys(SIGNALS, True)
