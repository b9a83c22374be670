"""Losses and hits against hand-computed cases."""

from __future__ import annotations

import math

import pytest
import torch

from expunge.functional.losses import correct, mean_loss, per_example_loss

LOGITS = torch.tensor([[2.0, 0.0, 1.0, 0.0, 3.0], [0.0, 0.0, 5.0, 1.0, 0.0]])
LABELS = torch.tensor([[2, 1], [0, 1]])


def test_loss_is_the_mean_over_attributes() -> None:
    first = -math.log(math.e / (math.e**2 + 1 + math.e)), -math.log(math.e**3 / (1 + math.e**3))
    found = per_example_loss(LOGITS, LABELS, sizes=(3, 2))
    assert float(found[0]) == pytest.approx(sum(first) / 2, rel=1e-5)
    assert float(mean_loss(LOGITS, LABELS, sizes=(3, 2))) == pytest.approx(float(found.mean()))


def test_hits_count_attributes() -> None:
    assert correct(LOGITS, LABELS, sizes=(3, 2)).tolist() == [0.5, 0.0]


def test_two_guesses_leave_out_attributes_of_two_classes() -> None:
    assert correct(LOGITS, LABELS, sizes=(3, 2), top=2).tolist() == [1.0, 1.0]
    assert correct(LOGITS[:, :2], LABELS[:, :1].clamp(max=1), sizes=(2,), top=2).isnan().all()


def test_losses_are_computed_in_float32_whatever_comes() -> None:
    assert per_example_loss(LOGITS.bfloat16(), LABELS, sizes=(3, 2)).dtype == torch.float32
