"""Stages are what layers answered, averaged over places, and looking changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.predict import predict
from expunge.models.stages import stage_features, stage_layers
from expunge.models.weights import state_bytes_hash
from tests.helpers import net, pictures

PICTURES = pictures(10)


def deep() -> PixelClassifier:
    body = nn.Sequential(
        *(nn.Sequential(nn.Conv2d(c, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()) for c in (3, 4, 4)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 3),
    )
    return PixelClassifier(body, Preprocessing((8, 8)), PICTURES.spec).eval()


def test_stages_are_a_third_and_two_thirds_down_and_last() -> None:
    model = deep()
    assert stage_layers(model) == {"early": "1.0", "late": "2.0"}
    found = stage_features(model, PICTURES, batch_size=4)
    assert list(found) == ["early", "late", "penultimate"]
    with torch.no_grad():
        x = PICTURES.pixels(torch.arange(10)).float() / 255
        early = model.net[0]((x - model.mean) / model.std).mean((2, 3))  # type: ignore[index, operator]
    torch.testing.assert_close(found["early"], early)
    penultimate = predict(model, PICTURES, features=True).features
    assert penultimate is not None
    torch.testing.assert_close(found["penultimate"], penultimate)


def test_looking_changes_nothing_and_leaves_no_hook() -> None:
    model = deep().train()
    before = state_bytes_hash(model)
    first, again = stage_features(model, PICTURES), stage_features(model, PICTURES)
    assert model.training and state_bytes_hash(model) == before
    assert all(not module._forward_pre_hooks for module in model.modules())
    np.testing.assert_array_equal(first["late"].numpy(), again["late"].numpy())


@pytest.mark.parametrize("seed", [0, 1])
def test_shallow_networks_have_the_penultimate_stage_alone(seed: int) -> None:
    assert list(stage_features(net(PICTURES.spec, seed=seed), PICTURES)) == ["penultimate"]
