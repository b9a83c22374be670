"""DLFD looks where unseen pictures lie and moves the forget set there, as plain loops do; and it stops there."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.distributions import Categorical
from torch.nn.functional import cross_entropy, kl_div

from expunge.engine.loop import run_phases
from expunge.engine.streams import Stream
from expunge.functional.unseen import Cloud, unseen_distance, unseen_places
from expunge.methods.cost import Sizes
from expunge.methods.dlfd import DLFD, NEVER, _cloud, _places, _share, cost, distancing_loss, dlfd, lost_classes
from expunge.methods.phases import Batch, Context, Labelled, Source
from expunge.models.classifier import PixelClassifier, label_slices
from expunge.types import Optimizer, PictureSet, SteeringTask, TrainRecipe
from tests.helpers import task
from tests.methods.plain import SETTINGS, assert_same, batches, stacked

CONFIG = DLFD(epochs=1.0, budget=99.0, rate=0.2, batch_size=8, transport_weight=1.6, keep_weight=2.0)
RECIPE = TrainRecipe(optimizer=Optimizer(lr=0.1, weight_decay=0.01), augmentation=None)
EVEN = DLFD(epochs=0.95, budget=99.0, batch_size=64)  # 95 steps of 6,400 pictures
GIVEN = task()
STEPS = 6


def context(given: SteeringTask = GIVEN.steering) -> Context:
    original = stacked().eval().requires_grad_(False)
    return Context(given, lambda: original, stacked, RECIPE, 1)


def unlearned(config: DLFD = CONFIG, given: SteeringTask = GIVEN.steering) -> PixelClassifier:
    model = stacked()
    run_phases(model, dlfd(config, context(given)), settings=SETTINGS)
    return model


def descend(model: PixelClassifier, lr: float, losses: list[Callable[[], Tensor]]) -> None:
    """SGD with momentum and decay whose rate falls to 0 on a cosine."""
    sgd = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=0.01)
    for step, loss in enumerate(losses):
        sgd.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * step / len(losses))) / 2
        sgd.zero_grad()
        loss().backward()
        sgd.step()


def answers(model: PixelClassifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """Features and logits, layer by layer."""
    features = model.net[:-1]((x - model.mean) / model.std)  # type: ignore[index]
    return features, model.net[-1](features)  # type: ignore[index]


def cloud(features: Tensor, logits: Tensor, y: Tensor) -> Cloud:
    return Cloud(features, cross_entropy(logits, y, reduction="none"), Categorical(logits=logits).entropy(), y[:, None])


def seen(model: PixelClassifier, pictures: PictureSet) -> Cloud:
    with torch.no_grad():
        found = answers(model, pictures.pixels(torch.arange(len(pictures))).float() / 255)
    return cloud(*found, pictures.labels[:, 0])


def by_hand(*, known: PictureSet = GIVEN.retain) -> PixelClassifier:
    model, original = stacked().train(), stacked().eval()
    places = unseen_places(*(seen(original, part) for part in (GIVEN.forget, known, GIVEN.tuning)), near=8)
    size = min(32, len(GIVEN.forget))
    orders = Stream(Source(GIVEN.forget, size), 1, "distance", "forget")
    weight = 1.6 * 2.3 * len(GIVEN.forget) / (STEPS * 32)

    def loss(x: Tensor, y: Tensor, xf: Tensor, yf: Tensor, at: Tensor) -> Tensor:
        n = len(x)
        h, z = answers(model, torch.cat([x, xf]))
        distance = unseen_distance(cloud(h[n:], z[n:], yf), places[at])
        with torch.no_grad():
            before = original(x).log_softmax(1)
        kept = kl_div(z[:n].log_softmax(1), before, log_target=True, reduction="batchmean")
        return weight * distance + cross_entropy(z[:n], y) + 2 * kept

    shown = zip(
        batches(GIVEN.retain, 8, STEPS, "distance", "retain"),
        batches(GIVEN.forget, size, STEPS, "distance", "forget"),
        (orders.index(step) for step in range(STEPS)),
        strict=True,
    )
    descend(
        model, 0.02, [lambda x=x, y=y, xf=xf, yf=yf, at=at: loss(x, y, xf, yf, at) for (x, y), (xf, yf), at in shown]
    )  # type: ignore[misc]
    return model


def test_it_is_what_plain_loops_do() -> None:
    assert_same(unlearned(), by_hand())


def test_looking_among_other_pictures_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        assert_same(unlearned(), by_hand(known=GIVEN.tuning))


def forget_loss(model: PixelClassifier, forget: PictureSet) -> float:
    with torch.no_grad():
        logits = model.eval()(forget.pixels(torch.arange(len(forget))).float() / 255)
    return float(cross_entropy(logits, forget.labels[:, 0]))


def unlearned_memory(config: DLFD, tuning: PictureSet) -> float:
    """Loss of a forget set of wrong labels, which nothing but memory knows, after it was unlearned."""
    forget = replace(GIVEN.forget, labels=(GIVEN.forget.labels + 1) % 3)
    known = stacked().train()
    x = torch.cat([s.pixels(torch.arange(len(s))).float() / 255 for s in (GIVEN.retain, forget)])
    y = torch.cat([GIVEN.retain.labels, forget.labels])[:, 0]
    descend(known, 0.05, [lambda: cross_entropy(known(x), y)] * 60)
    frozen = copy.deepcopy(known).eval().requires_grad_(False)
    given = Context(replace(GIVEN.steering, forget=forget, tuning=tuning), lambda: frozen, stacked, RECIPE, 1)
    run_phases(known, dlfd(config, given), settings=SETTINGS)
    return forget_loss(known, forget)


def test_the_transport_term_is_what_forgets() -> None:
    none, some = (unlearned_memory(replace(CONFIG, transport_weight=weight), GIVEN.tuning) for weight in (0.0, 3.0))
    assert some > none + 0.3


def test_nothing_is_forgotten_where_tuning_pictures_are_known_as_well() -> None:
    """They show what unseen looks like, so that members among them would hide what is remembered."""
    config = replace(CONFIG, transport_weight=3.0)
    assert unlearned_memory(config, GIVEN.retain) < unlearned_memory(config, GIVEN.tuning) - 0.3


def test_classes_that_no_retain_picture_has_are_no_longer_answered() -> None:
    keep = GIVEN.retain.labels[:, 0] != 2
    without = replace(GIVEN.steering, retain=GIVEN.retain.subset(torch.nonzero(keep).flatten()))
    assert lost_classes(without.retain).tolist() == [0, 0, NEVER]
    model = unlearned(replace(CONFIG, epochs=12.0, rate=0.5), without).eval()
    gone = GIVEN.forget.pixels(torch.nonzero(GIVEN.forget.labels[:, 0] == 2).flatten()).float() / 255
    with torch.no_grad():
        before, after = (m(gone).softmax(1)[:, 2].mean() for m in (stacked().eval(), model))
    assert after < 0.1 * before


def shown(pictures: PictureSet) -> Labelled:
    at = torch.arange(len(pictures))
    return Labelled(pictures.pixels(at).float() / 255, pictures.labels, at)


@pytest.mark.parametrize(("share", "times"), [(0.25, 1.0), (1.0, 1.0), (3.0, 3.0)])
def test_of_lost_classes_many_are_pulled_more_and_few_no_less(share: float, times: float) -> None:
    gone = GIVEN.forget.labels[:, 0] == 2
    given = replace(
        GIVEN.steering,
        retain=GIVEN.retain.subset(torch.nonzero(GIVEN.retain.labels[:, 0] != 2).flatten()),
        forget=GIVEN.forget.subset(torch.nonzero(gone).flatten()),
    )
    config = replace(CONFIG, class_weight=0.0, keep_weight=0.0)
    found = _places(config, context(given), stacked().eval())
    places = Cloud(found["features"], found["losses"], found["entropies"], given.forget.labels)
    sides = {name: shown(part) for name, part in (("retain", given.retain), ("forget", given.forget))}
    losses = [distancing_loss(config, context(given), places, found["answers"], one) for one in (1.0, share)]
    once, now = (float(loss(stacked().eval(), Batch(sides, 0, 0.0, {}, 0)).detach()) for loss in losses)
    assert once > 0 and now == pytest.approx(times * once)


def test_nothing_is_placed_at_a_tuning_picture_of_a_class_that_is_lost() -> None:
    """Such a picture has no loss that could be compared; taken for 0 it would hold what is placed at it."""
    keep = GIVEN.retain.labels[:, 0] != 2
    few = GIVEN.tuning.subset(torch.arange(12))  # of no label enough, so that all are looked at
    given = replace(GIVEN.steering, retain=GIVEN.retain.subset(torch.nonzero(keep).flatten()), tuning=few)
    answered = few.labels[:, 0] != 2
    fewer = replace(given, tuning=few.subset(torch.nonzero(answered).flatten()))
    assert (~answered).any() and answered.any()
    losses, expected = (_places(CONFIG, context(one), stacked().eval())["losses"] for one in (given, fewer))
    there = given.forget.labels[:, 0] != 2
    assert torch.equal(losses[there], expected[there]) and (losses[there] > 0).all()


def test_forget_pictures_are_shown_about_as_often_whatever_their_number() -> None:
    sizes = Sizes(retain=6400, forget=900, tuning=1)
    steps = 95
    assert cost(EVEN, sizes).backward == steps * (64 + 32)  # 22 would do; 32 are the fewest
    assert cost(EVEN, replace(sizes, forget=1800)).backward == steps * (64 + 44)
    assert cost(EVEN, replace(sizes, forget=10_000)).backward == steps * (64 + 128)


def test_each_picture_is_pulled_as_much_however_few_there_are() -> None:
    """Also where they are too few to fill a step, and where a step has more of them; not beyond what keeping bears."""
    shares = {forget: _share(EVEN, Sizes(6400, forget, 1), 95) for forget in (1, 40, 400, 800, 2000, 5000, 10_000)}
    pulls = {forget: 95 * share / forget for forget, share in shares.items()}
    assert pulls.pop(10_000) < pulls[5000] and shares[10_000] == 4
    assert list(pulls.values()) == pytest.approx([pulls[1]] * len(pulls))


def test_its_work_is_within_its_budget() -> None:
    """The pull of a picture stays the same; the passes over the retain set give way, down to half of them."""
    for retain, forget, tuning in ((6000, 60, 1000), (6000, 1000, 1000), (6000, 2000, 1000), (2000, 300, 400)):
        sizes = Sizes(retain, forget, tuning)
        assert cost(DLFD(), sizes).epochs(retain) <= 2.0
        assert cost(DLFD(budget=9.0), sizes).backward >= cost(DLFD(), sizes).backward
    many = Sizes(retain=1000, forget=3000, tuning=100)
    assert cost(DLFD(), many).backward == 9 * (48 + 128)  # half of 18 steps


def test_of_several_attributes_only_those_whose_class_is_lost_follow_the_original() -> None:
    """A picture whose class is gone in one attribute is forgotten in the others like any other picture."""
    logits = torch.tensor([[0.0, 2.0, 1.0, 0.0], [0.0, 2.0, 1.0, 0.0]])
    gone = torch.tensor([[True, False], [False, False]])
    labels = torch.tensor([[1, 0], [1, 0]])
    some, whole = _cloud(torch.ones(2, 1), logits, labels, (2, 2), gone).losses.tolist()
    first, second = (
        float(cross_entropy(logits[:1, part], labels[:1, i])) for i, part in enumerate(label_slices((2, 2)))
    )
    assert some == pytest.approx(second) and whole == pytest.approx((first + second) / 2)
