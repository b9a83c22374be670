"""Relearning against losses computed by hand, and the fault of training the audited model itself."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from expunge.app.deeper import Further
from expunge.audits.observe import look
from expunge.audits.relearn import Relearning, relearning
from expunge.engine.recipe import train_model
from expunge.engine.settings import EngineSettings
from expunge.errors import ModelError, Unavailable
from expunge.functional.losses import per_example_loss
from expunge.models.classifier import PixelClassifier
from expunge.models.predict import predict
from expunge.models.weights import state_bytes_hash
from expunge.types import AuditRow, ErasureTask, Optimizer, PictureSet, TrainRecipe
from tests.helpers import ArraySource, net, pictures, task

TASK = task(retain=40, forget=32)
AFTER, BEFORE = (net(TASK.retain.spec, seed=seed, dropout=0.0).eval() for seed in (1, 0))
REFERENCES = [net(TASK.retain.spec, seed=seed, dropout=0.0).eval() for seed in (10, 11)]
RATE = 0.05
SETTINGS = EngineSettings(device="cpu", precision="fp32", channels_last="off", threads=1)


class Shift:
    """No training but something whose result is known: the first class's bias rises by a little a step."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[str, ...], int, int]] = []

    def __call__(self, model: nn.Module, subset: PictureSet, steps: int, seed: int) -> nn.Module:
        assert isinstance(model, PixelClassifier)
        self.calls.append((tuple(subset.ids), steps, seed))
        head: Any = model.head
        with torch.no_grad():
            head.bias[0] += RATE * steps
        return model


def relearned(train: Any = None, **settings: Any) -> Relearning:
    return relearning(BEFORE, AFTER, REFERENCES, TASK, train or Shift(), rounds=3, steps=4, draws=60, **settings)


def held_out(shift: Shift) -> np.ndarray:
    """Positions of the forgotten people that nobody was trained on."""
    trained = {name for ids, _, _ in shift.calls for name in ids}
    return np.array([i for i, name in enumerate(TASK.forget.ids) if name not in trained])


def losses(model: PixelClassifier, at: np.ndarray, shifted: float) -> np.ndarray:
    logits = predict(model, TASK.forget.subset(at.tolist())).logits.clone()
    logits[:, 0] += shifted
    found: np.ndarray = per_example_loss(logits, TASK.forget.labels[at], sizes=TASK.forget.spec.sizes).numpy()
    return found


def test_curves_and_speed_are_those_of_the_people_who_were_held_out() -> None:
    shift = Shift()
    found = relearned(shift)
    at = held_out(shift)
    assert len(at) == 16 and len({TASK.forget.subjects[i] for i in at}) == 4  # type: ignore[index]
    curve = next(c for c in found.curves if (c.part, c.model) == ("retain", "after"))
    expected = [losses(AFTER, at, RATE * steps).mean() for steps in (0, 4, 8, 12)]
    assert curve.steps == (0, 4, 8, 12)
    assert curve.loss == pytest.approx(expected, abs=1e-5)
    rows = {(row.name, row.split): row for row in found.rows.after}
    speed = rows["relearn_speed", "forget, held out, relearned on forget"]
    assert speed.value == pytest.approx(expected[0] - np.mean(expected[1:]), abs=1e-5)
    theirs = [[losses(r, at, RATE * steps).mean() for steps in (0, 4, 8, 12)] for r in REFERENCES]
    assert speed.reference == pytest.approx(np.mean([t[0] - np.mean(t[1:]) for t in theirs]), abs=1e-5)
    assert speed.gap_low is not None and speed.gap is not None and speed.gap_high is not None
    assert speed.gap_low <= speed.gap <= speed.gap_high
    assert (speed.n, speed.subjects) == (16, 4)


def test_every_model_is_trained_alike_and_no_two_rounds_are() -> None:
    shift = Shift()
    relearned(shift)
    by_model = [shift.calls[i : i + 6] for i in range(0, 24, 6)]
    assert all(calls == by_model[0] for calls in by_model)
    assert len({seed for _, _, seed in by_model[0]}) == 6
    assert {ids for ids, _, _ in by_model[0][:3]} == {tuple(TASK.retain.ids)}


def test_models_stay_as_they_were() -> None:
    hashes = [state_bytes_hash(model) for model in (BEFORE, AFTER, *REFERENCES)]
    relearned()
    assert [state_bytes_hash(model) for model in (BEFORE, AFTER, *REFERENCES)] == hashes


def test_an_audited_model_that_is_trained_itself_is_caught() -> None:
    """A poisoned auditor: the training reaches past the copy that it was handed."""
    kept = {name: value.clone() for name, value in AFTER.state_dict().items()}

    def poisoned(model: nn.Module, subset: PictureSet, steps: int, seed: int) -> nn.Module:
        Shift()(AFTER, subset, steps, seed)
        return model

    try:
        with pytest.raises(ModelError, match="after was changed"):
            relearned(poisoned)
    finally:
        AFTER.load_state_dict(kept)


def test_one_person_cannot_be_held_out_and_no_reference_is_needed() -> None:
    one = task(forget=4)
    with pytest.raises(Unavailable, match="nobody can be held out"):
        relearning(None, AFTER, [], one, Shift())
    alone = relearning(None, AFTER, [], TASK, Shift(), rounds=1, draws=20)
    assert not alone.rows.before and all(row.reference is None for row in alone.rows.after)
    assert {curve.model for curve in alone.curves} == {"after"}


def people(n: int, *, seed: int) -> PictureSet:
    """Four pictures each of people whose class says nothing about others: it can only be remembered."""
    made = torch.Generator().manual_seed(seed)
    faces = torch.randint(0, 256, (n // 4, 3, 8, 8), generator=made).repeat_interleave(4, 0)
    pixels = (faces + torch.randint(-12, 13, faces.shape, generator=made)).clamp(0, 255).to(torch.uint8)
    labels = torch.randint(0, 3, (n // 4, 1), generator=made).repeat_interleave(4, 0)
    return replace(pictures(n, seed=seed), source=ArraySource(pixels), labels=labels)


def fitted(model: PixelClassifier, subset: PictureSet, steps: int, lr: float, *, seed: int = 0) -> PixelClassifier:
    """Trained further as an audit does, with the engine."""
    recipe = TrainRecipe(epochs=steps, batch_size=64, optimizer=Optimizer(lr=lr), augmentation=None, seed=seed)
    train_model(model, subset, recipe, settings=replace(SETTINGS, max_steps=steps))
    return model.eval()


def hidden(model: PixelClassifier, steep: float) -> PixelClassifier:
    """The same features under a head that answers with the next class: wrong throughout, and nothing is gone."""
    made = copy.deepcopy(model)
    head: Any = made.head
    with torch.no_grad():
        head.weight.copy_(steep * head.weight.roll(1, 0))
        head.bias.copy_(steep * head.bias.roll(1, 0))
    return made


def known_by_heart() -> tuple[ErasureTask, PixelClassifier, list[PixelClassifier]]:
    """A task, an original that remembers all of its people, and two models that never saw the forgotten ones."""
    asked = ErasureTask(people(96, seed=1), people(48, seed=2), people(24, seed=3), people(24, seed=4))
    sides = asked.retain, asked.forget
    everybody = replace(
        asked.retain,
        source=ArraySource(torch.cat([part.pixels(torch.arange(len(part))) for part in sides])),
        rows=torch.arange(144),
        labels=torch.cat([part.labels for part in sides]),
        ids=np.concatenate([part.ids for part in sides]),
        subjects=None,
    )
    models = [net(asked.retain.spec, seed=seed, dropout=0.0) for seed in range(3)]
    original = fitted(models[0], everybody, 200, 0.1)
    return asked, original, [fitted(one, asked.retain, 200, 0.1, seed=s) for s, one in enumerate(models[1:], start=1)]


def test_a_model_that_hides_what_its_features_still_know_is_exposed() -> None:
    """By its answers it knows less than a retrained one. What a little training brings back tells them apart.

    Under a steep wrong head a little training does not bring the right answers back: only the loss falls at once.
    """
    asked, original, retrained = known_by_heart()
    flat, steep = (hidden(original, by) for by in (0.1, 1.0))
    known, *hiding = (look(one, asked.forget).hits.mean() for one in (original, flat, steep))
    unseen = [look(one, asked.forget).hits.mean() for one in retrained]
    assert known > 0.9 and max(hiding) < 0.1 < min(unseen) and max(unseen) < 0.6

    def found(model: PixelClassifier, beside: list[PixelClassifier]) -> dict[str, AuditRow]:
        rows = relearning(original, model, beside, asked, Further(SETTINGS), draws=200).rows.after
        return {row.name: row for row in rows if row.split.endswith("relearned on retain")}

    back, late = found(flat, retrained), found(steep, retrained)
    for row in (back["relearn_accuracy"], back["relearn_speed"], late["relearn_speed"]):
        assert row.gap_low is not None and row.gap_low > 0.2, row
    assert late["relearn_accuracy"].gap_high is not None and late["relearn_accuracy"].gap_high < 0
    # a retrained model under such a head has nothing to come back to
    nothing = found(hidden(retrained[0], 0.1), retrained[1:])
    assert all(nothing[name].gap_low < 0 for name in ("relearn_accuracy", "relearn_speed"))  # type: ignore[operator]
