"""CF-k trains the last k layers as a plain loop does, and leaves the others alone bit by bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from expunge.engine.loop import run_phases
from expunge.errors import MethodError
from expunge.methods.cfk import CFK, PUBLISHED, cfk
from expunge.methods.phases import Context
from expunge.models.classifier import PixelClassifier
from tests.helpers import task
from tests.methods.plain import SETTINGS, assert_same, batches, descend, stacked

CONFIG = CFK(k=2, epochs=1.0, lr=0.05, schedule="constant", batch_size=8, weight_decay=0.01, augment=False)
GIVEN = task()
CONTEXT = Context(GIVEN.steering, stacked, stacked, None, 1)


def unlearned(config: CFK) -> PixelClassifier:
    model = stacked()
    run_phases(model, cfk(config, CONTEXT), settings=SETTINGS)
    return model


def by_hand() -> PixelClassifier:
    """The first convolution and its norm compute as in inference, the rest as in training."""
    model = stacked()
    body = model.net
    assert isinstance(body, nn.Sequential)
    below, above = body[:3].eval(), body[3:].train()

    def losses() -> Iterator[Callable[[], Tensor]]:
        for x, y in batches(GIVEN.retain, 8, 6, "finetune-last", "retain"):
            yield lambda x=x, y=y: cross_entropy(above(below((x - model.mean) / model.std)), y)

    descend(above.parameters(), losses(), lr=0.05, weight_decay=0.01)
    return model


def test_it_is_what_a_plain_loop_does() -> None:
    assert_same(unlearned(CONFIG), by_hand())


def test_frozen_layers_are_bit_identical_and_the_others_all_change() -> None:
    before, after = stacked().state_dict(), unlearned(CONFIG).state_dict()
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert same == {name for name in before if name.startswith(("net.0.", "net.1."))}


def test_the_published_settings_let_statistics_of_frozen_layers_move() -> None:
    """The planted fault for the test above, which is how published code runs it."""
    before = stacked().state_dict()
    after = unlearned(replace(CONFIG, freeze_statistics=PUBLISHED.freeze_statistics)).state_dict()
    assert torch.equal(after["net.0.weight"], before["net.0.weight"])
    assert not torch.equal(after["net.1.running_mean"], before["net.1.running_mean"])


def test_more_layers_than_there_are_is_an_error() -> None:
    with pytest.raises(MethodError, match="k: expected 1 to 3, the number of layers of this network, came 4"):
        unlearned(replace(CONFIG, k=4))
