"""EU-k gives the last k layers fresh weights and trains them by the recipe; published EU-k does neither."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from expunge.engine.loop import run_phases
from expunge.errors import MethodError, Unavailable
from expunge.methods.cost import Sizes
from expunge.methods.euk import EUK, cost, euk
from expunge.methods.euk_published import PublishedEUK, euk_published, scales_and_shifts
from expunge.methods.phases import Context, Edit, Phases
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.types import Optimizer, TrainRecipe
from tests.helpers import task
from tests.methods.plain import SETTINGS, assert_same, batches, descend, stacked

RECIPE = TrainRecipe(epochs=1, batch_size=8, optimizer=Optimizer(lr=0.05, weight_decay=0.01), augmentation=None)
GIVEN = task()
CONTEXT = Context(GIVEN.steering, stacked, lambda seed: stacked(100 + seed), RECIPE, 1)


def unlearned(phases: Phases) -> PixelClassifier:
    model = stacked()
    run_phases(model, phases, settings=SETTINGS)
    return model


def by_hand() -> PixelClassifier:
    """The original's first convolution and norm, computing as in inference, under fresh layers that are trained."""
    model, fresh = stacked(), stacked(101)
    body, new = model.net, fresh.net
    assert isinstance(body, nn.Sequential) and isinstance(new, nn.Sequential)
    body[3:].load_state_dict(new[3:].state_dict())
    below, above = body[:3].eval(), body[3:].train()

    def losses() -> Iterator[Callable[[], Tensor]]:
        for x, y in batches(GIVEN.retain, 8, 6, "train", "train"):
            yield lambda x=x, y=y: cross_entropy(above(below((x - model.mean) / model.std)), y)

    descend(above.parameters(), losses(), lr=0.05, weight_decay=0.01)
    return model


def test_it_is_what_a_plain_loop_does() -> None:
    assert_same(unlearned(euk(EUK(k=2, epochs=None), CONTEXT)), by_hand())


def test_without_fresh_weights_it_would_be_noticed() -> None:
    """The planted fault for the test above."""
    phases = (phase for phase in euk(EUK(k=2, epochs=None), CONTEXT) if not isinstance(phase, Edit))

    def faulty() -> Phases:
        yield from phases

    with pytest.raises(AssertionError):
        assert_same(unlearned(faulty()), by_hand())


def test_frozen_layers_are_bit_identical_and_the_others_all_change() -> None:
    before, after = stacked().state_dict(), unlearned(euk(EUK(k=2, epochs=None), CONTEXT)).state_dict()
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert same == {name for name in before if name.startswith(("net.0.", "net.1."))}


def test_running_statistics_start_afresh_too() -> None:
    used = stacked()
    used.train()(torch.rand(4, 3, 8, 8))
    edit = next(euk(EUK(k=2, epochs=None), CONTEXT))
    assert isinstance(edit, Edit)
    edit.fn(used)
    assert used.get_buffer("net.4.num_batches_tracked") == 0 and used.get_buffer("net.1.num_batches_tracked") == 1


def test_epochs_override_the_recipe_and_no_recipe_is_said() -> None:
    sizes = Sizes(48, 16, 24, RECIPE)
    assert (cost(EUK(epochs=None), sizes).forward, cost(EUK(epochs=3), sizes).forward) == (48, 144)
    with pytest.raises(Unavailable, match="eu-k: no recipe"):
        next(euk(EUK(k=2, epochs=None), replace(CONTEXT, recipe=None)))
    with pytest.raises(Unavailable, match="eu-k: no recipe"):
        cost(EUK(epochs=None), replace(sizes, recipe=None))


def test_published_eu_k_trains_batch_norm_and_nothing_else() -> None:
    before = stacked().state_dict()
    after = unlearned(euk_published(PublishedEUK(epochs=1, batch_size=8), CONTEXT)).state_dict()
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert same == {"net.0.weight", "net.3.weight", "net.7.weight", "net.7.bias"}


def test_published_eu_k_takes_what_is_called_bn2_where_something_is() -> None:
    model = stacked()
    assert len(scales_and_shifts(model)) == 4
    body = nn.Sequential()
    for name, module in zip(("conv1", "bn1", "relu1", "conv2", "bn2", "relu2", "flat", "fc"), model.net, strict=True):
        body.add_module(name, module)
    named = PixelClassifier(body, model.preprocessing, model.spec)
    assert [id(p) for p in scales_and_shifts(named)] == [id(p) for p in body.get_submodule("bn2").parameters()]


def test_published_eu_k_without_batch_norm_is_an_error() -> None:
    body = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    with pytest.raises(MethodError, match="batch norm"):
        scales_and_shifts(PixelClassifier(body, Preprocessing((8, 8)), GIVEN.retain.spec))
