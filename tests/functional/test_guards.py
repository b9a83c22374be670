"""Guarded functions are what they were, but where they fail."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from expunge.errors import Interrupted, ModelError
from expunge.functional.guards import FAILED, failure, guarded_compute, guarded_loss, guarded_measure


def refuse(error: Exception) -> Mapping[str, Tensor]:
    raise error


def test_a_finite_loss_is_left_as_it_is() -> None:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    value = guarded_loss(lambda given: (given**2).sum())(x)
    value.backward()
    assert value == 13 and x.grad is not None and x.grad.tolist() == [4, 6]


def test_a_loss_that_is_no_number_counts_as_none_and_spoils_the_weights() -> None:
    x = torch.tensor([-1.0], requires_grad=True)
    value = guarded_loss(lambda given: given.sqrt().sum())(x)
    value.backward()
    assert value == 0 and x.grad is not None and x.grad.isnan().all()


def test_failures_are_told_and_stops_from_outside_are_not() -> None:
    error = ModelError("model", expected="finite answers", came="öthers")
    assert failure(guarded_compute(refuse)(error), {}) == str(error)
    measured = guarded_measure(refuse, score=-1.0)(error)
    assert measured == {"score": -1.0, FAILED: 1.0} and "finite" in failure({}, measured)
    for guarded in (guarded_compute(refuse), guarded_measure(refuse)):
        with pytest.raises(Interrupted):
            guarded(Interrupted("stopped"))


def test_what_does_not_fail_is_passed_on() -> None:
    found = guarded_compute(lambda x: {"x": x})(torch.ones(2))
    assert failure(found, {"x": 1.0}) == "" and found["x"].tolist() == [1, 1]
