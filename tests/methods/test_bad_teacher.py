"""Bad teaching follows the original on retain and a fresh network on forget pictures, as a plain loop does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from expunge.engine.loop import run_phases
from expunge.functional.seeding import derive_seed
from expunge.methods.bad_teacher import BadTeacher, bad_teacher
from expunge.methods.bad_teacher_published import PublishedBadTeacher, bad_teacher_published
from expunge.methods.phases import Context
from expunge.models.classifier import PixelClassifier
from tests.helpers import task
from tests.methods.plain import SETTINGS, assert_same, batches, descend, stacked

CONFIG = BadTeacher(
    epochs=1.0, lr=0.05, schedule="constant", forget_weight=0.4, batch_size=8, forget_batch=4, weight_decay=0.01,
    augment=False, temperature=2.0,
)  # fmt: skip
GIVEN = task()
FRESH = derive_seed(1, "incompetent")


def fresh(seed: int) -> PixelClassifier:
    return stacked(seed % 1000)


def context() -> Context:
    original = stacked(5).eval().requires_grad_(False)
    return Context(GIVEN.steering, lambda: original, fresh, None, 1)


def kl(teacher: Tensor, student: Tensor) -> Tensor:
    s, t = (student / 2).log_softmax(1), (teacher / 2).softmax(1)
    return 4 * kl_div(s, t, reduction="batchmean")


def by_hand(*, swapped: bool = False) -> PixelClassifier:
    model, good, bad = stacked().train(), stacked(5).eval(), fresh(FRESH).eval()
    if swapped:
        good, bad = bad, good
    pairs = zip(
        batches(GIVEN.retain, 8, 6, "teach", "retain"), batches(GIVEN.forget, 4, 6, "teach", "forget"), strict=True
    )

    def losses() -> Iterator[Callable[[], Tensor]]:
        for (x, _), (xf, _) in pairs:

            def loss(x: Tensor = x, xf: Tensor = xf) -> Tensor:
                with torch.no_grad():
                    right, wrong = good(x), bad(xf)
                answers = model(torch.cat([x, xf]))
                return kl(right, answers[:8]) + 0.4 * kl(wrong, answers[8:])

            yield loss

    descend(model.parameters(), losses(), lr=0.05, weight_decay=0.01)
    return model


def unlearned() -> PixelClassifier:
    model = stacked()
    run_phases(model, bad_teacher(CONFIG, context()), settings=SETTINGS)
    return model


def test_it_is_what_a_plain_loop_does() -> None:
    assert_same(unlearned(), by_hand())


def test_swapped_teachers_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        assert_same(unlearned(), by_hand(swapped=True))


def published(*, modes: bool = True) -> PixelClassifier:
    """The plain loop, its teachers in training mode (or not, which is the planted fault)."""
    model, good, bad = stacked().train(), stacked(5).train(modes), fresh(FRESH).train(modes)
    adam = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.01)
    for x, y in batches(GIVEN.retain, 8, 6, "teach", "retain"):
        with torch.no_grad():
            right, wrong = good(x), bad(x)
        answers = model(x)
        adam.zero_grad()
        (cross_entropy(answers, y) + 0.3 * kl(right, answers) - 0.2 * kl(wrong, answers)).backward()
        adam.step()
    return model


def unlearned_as_published(given: Context) -> PixelClassifier:
    config = PublishedBadTeacher(
        epochs=1.0, lr=0.01, alpha=0.3, beta=0.2, temperature=2.0, batch_size=8, weight_decay=0.01, augment=False
    )
    model = stacked()
    run_phases(model, bad_teacher_published(config, given), settings=SETTINGS)
    return model


def test_the_published_form_is_its_plain_loop() -> None:
    given = context()
    assert_same(unlearned_as_published(given), published())
    assert_same(given.original(), stacked(5))  # its statistics have not followed the pictures
    with pytest.raises(AssertionError):
        assert_same(unlearned_as_published(context()), published(modes=False))


def test_the_published_form_never_sees_the_forget_set() -> None:
    elsewhere = replace(context(), task=replace(GIVEN.steering, forget=task(forget=8).retain))
    assert_same(unlearned_as_published(context()), unlearned_as_published(elsewhere))
