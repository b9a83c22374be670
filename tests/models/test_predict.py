"""Predictions are those of the model, in inference mode, and leave it as it was."""

from __future__ import annotations

import pytest
import torch

from expunge.errors import ModelError
from expunge.models.predict import predict
from tests.helpers import net, pictures


def test_answers_and_features_agree_with_direct_calls_whatever_the_batch_size() -> None:
    given = pictures(10)
    model = net(given.spec).train()
    found = predict(model, given, batch_size=3, features=True)
    assert model.training
    model.eval()
    with torch.no_grad():
        features, logits = model.features_and_logits(given.pixels(torch.arange(10)).float() / 255)
    torch.testing.assert_close(found.logits, logits)
    torch.testing.assert_close(found.features, features)


def test_nothing_in_the_model_changes() -> None:
    given = pictures(10)
    model = net(given.spec).train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    predict(model, given)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_model_that_diverged_is_refused() -> None:
    given = pictures(10)
    model = net(given.spec)
    with torch.no_grad():
        next(iter(model.parameters())).fill_(float("nan"))
    with pytest.raises(ModelError, match="for 10 of 10 pictures"):
        predict(model, given)
