"""The gradient of all weights against a backward pass by hand and a closed form, and models left as they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from expunge.audits.gradients import gradient_norms, gradients
from expunge.audits.observe import look, observe
from expunge.functional.attacks.geometry import gradient_norm
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.weights import state_bytes_hash
from expunge.types import PictureSet
from tests.helpers import net, pictures, task

TASK = task(retain=16, forget=12, classes=(3, 2))


def by_hand(model: PixelClassifier, asked: PictureSet) -> list[float]:
    found = []
    for i in range(len(asked)):
        model.zero_grad()
        parts = torch.split(model(asked.pixels(torch.tensor([i])).float() / 255), asked.spec.sizes, dim=1)
        losses = [nn.functional.cross_entropy(part, asked.labels[i : i + 1, k]) for k, part in enumerate(parts)]
        torch.stack(losses).mean().backward()  # type: ignore[no-untyped-call]
        found.append(sum(float(p.grad.square().sum()) for p in model.parameters() if p.grad is not None) ** 0.5)
    model.zero_grad()
    return found


def test_norms_are_those_of_a_backward_pass_through_all_layers() -> None:
    model = net(TASK.forget.spec, seed=1).eval()
    assert gradient_norms(model, TASK.forget) == pytest.approx(by_hand(model, TASK.forget), rel=1e-4)


def test_of_a_single_layer_without_bias_it_is_the_norm_of_the_last_layer() -> None:
    asked = pictures(10, seed=3)
    body = nn.Sequential(nn.Flatten(), nn.Linear(192, 3, bias=False))
    model = PixelClassifier(body, Preprocessing((8, 8)), asked.spec).eval()
    seen = look(model, asked, features=True)
    assert seen.features is not None
    expected = gradient_norm(seen.features, seen.logits, seen.labels, sizes=asked.spec.sizes)
    assert gradient_norms(model, asked) == pytest.approx(expected, rel=1e-4)


def test_pictures_that_pull_less_look_like_members_and_models_stay_as_they_were() -> None:
    models = [net(TASK.retain.spec, seed=seed).train() for seed in (0, 1, 2)]
    models[1].requires_grad_(False)
    hashes = [state_bytes_hash(model) for model in models]
    seen = observe(models[1], TASK)
    rows = gradients(models[0], models[1], models[2:], TASK, seen, draws=20)
    assert [state_bytes_hash(model) for model in models] == hashes and all(model.training for model in models)
    assert all(parameter.grad is None for model in models for parameter in model.parameters())
    pulls = [gradient_norms(models[1], part) for part in (TASK.forget, TASK.reporting)]
    side = np.repeat([1, 0], [len(pull) for pull in pulls])
    (row,) = rows.after
    assert row.value == pytest.approx(roc_auc_score(side, -np.concatenate(pulls)), abs=1e-8)
    assert row.gap is not None and rows.before[0].gap is not None and len(rows.references) == 1


def test_a_sample_is_looked_at_where_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expunge.audits.gradients.MOST", 8)
    model = net(TASK.retain.spec).eval()
    given = replace(TASK, reporting=pictures(6, seed=9, classes=(3, 2)))
    (row,) = gradients(None, model, [], given, observe(model, given), draws=5).after
    assert row.n == 8 + 6
