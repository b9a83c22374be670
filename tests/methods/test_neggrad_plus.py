"""NegGrad+ descends on retain and ascends on forget pictures in one step, as a plain loop does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from expunge.engine.loop import differs, run_phases
from expunge.engine.training import copy_weights
from expunge.methods.neggrad_plus import NegGradPlus, neggrad_plus
from expunge.methods.phases import Context
from expunge.models.classifier import PixelClassifier
from expunge.models.predict import predict
from tests.helpers import task
from tests.methods.plain import SETTINGS, assert_same, batches, descend, stacked

CONFIG = NegGradPlus(
    epochs=1.0, lr=0.05, schedule="constant", batch_size=8, forget_weight=0.3, weight_decay=0.01, augment=False
)
GIVEN = task(forget=6)


def unlearned(config: NegGradPlus) -> PixelClassifier:
    model = stacked()
    run_phases(model, neggrad_plus(config, Context(GIVEN.steering, stacked, stacked, None, 1)), settings=SETTINGS)
    return model


def by_hand(weight: float) -> PixelClassifier:
    model = stacked().train()
    name = "descend-and-ascend"
    pairs = zip(batches(GIVEN.retain, 8, 6, name, "retain"), batches(GIVEN.forget, 6, 6, name, "forget"), strict=True)

    def losses() -> Iterator[Callable[[], Tensor]]:
        for (x, y), (xf, yf) in pairs:

            def loss(x: Tensor = x, y: Tensor = y, xf: Tensor = xf, yf: Tensor = yf) -> Tensor:
                answers = model(torch.cat([x, xf]))
                return cross_entropy(answers[:8], y) - weight * cross_entropy(answers[8:], yf)

            yield loss

    descend(model.parameters(), losses(), lr=0.05, weight_decay=0.01)
    return model


def test_it_is_what_a_plain_loop_does() -> None:
    assert_same(unlearned(CONFIG), by_hand(0.3))


def test_the_other_sign_would_be_noticed() -> None:
    """The planted fault for the test above."""
    with pytest.raises(AssertionError):
        assert_same(unlearned(CONFIG), by_hand(-0.3))


def test_a_larger_weight_leaves_a_larger_loss_on_the_forget_set() -> None:
    def forget_loss(weight: float) -> float:
        logits = predict(unlearned(replace(CONFIG, forget_weight=weight)), GIVEN.forget).logits
        return float(cross_entropy(logits, GIVEN.forget.labels[:, 0]))

    assert forget_loss(0.0) < forget_loss(0.3) < forget_loss(1.0)


def test_the_weight_reaches_the_weights() -> None:
    zero, some = (copy_weights(unlearned(replace(CONFIG, forget_weight=w))) for w in (0.0, 0.01))
    assert differs(zero, some)
