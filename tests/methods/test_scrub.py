"""SCRUB leaves the original on forget and returns to it on retain pictures, epoch by epoch, and may rewind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div

from expunge.engine.loop import differs, run_phases
from expunge.engine.training import copy_weights
from expunge.functional.losses import correct
from expunge.methods.phases import Context, Select, Snapshot, Train
from expunge.methods.scrub import SCRUB, nearness, scrub
from expunge.models.classifier import PixelClassifier
from expunge.models.predict import predict
from tests.helpers import task
from tests.methods.plain import SETTINGS, assert_same, batches, descend, stacked

CONFIG = SCRUB(
    epochs=2, max_epochs=1, lr=0.05, max_lr=0.02, alpha=0.3, gamma=0.7, temperature=2.0, batch_size=48, forget_batch=8,
    weight_decay=0.01, augment=False,
)  # fmt: skip
GIVEN = task()


def context() -> Context:
    original = stacked(5).eval().requires_grad_(False)
    return Context(GIVEN.steering, lambda: original, stacked, None, 1)


def kl(teacher: Tensor, student: Tensor) -> Tensor:
    return 4 * kl_div((student / 2).log_softmax(1), (teacher / 2).softmax(1), reduction="batchmean")


def unlearned(config: SCRUB) -> PixelClassifier:
    model = stacked()
    run_phases(model, scrub(config, context()), settings=SETTINGS)
    return model


def by_hand(*, sign: float = -1.0, labels: bool = False) -> PixelClassifier:
    """Plain loops; `labels` raises their loss too in max epochs, with the weights of min epochs."""
    model, teacher = stacked().train(), stacked(5).eval()

    def away() -> Iterator[Callable[[], Tensor]]:
        for x, y in batches(GIVEN.forget, 8, 2, "max-1", "forget"):

            def loss(x: Tensor = x, y: Tensor = y) -> Tensor:
                with torch.no_grad():
                    theirs = teacher(x)
                ours = model(x)
                both = 0.3 * kl(theirs, ours) + 0.7 * cross_entropy(ours, y)
                return sign * (both if labels else kl(theirs, ours))

            yield loss

    def back(epoch: int) -> Iterator[Callable[[], Tensor]]:
        for x, y in batches(GIVEN.retain, 48, 1, f"min-{epoch}", "retain"):

            def loss(x: Tensor = x, y: Tensor = y) -> Tensor:
                with torch.no_grad():
                    theirs = teacher(x)
                ours = model(x)
                return 0.3 * kl(theirs, ours) + 0.7 * cross_entropy(ours, y)

            yield loss

    descend(model.parameters(), away(), lr=0.02, weight_decay=0.01)
    for epoch in (1, 2):  # one step an epoch, so that the cosine is at its peak
        descend(model.parameters(), back(epoch), lr=0.05, weight_decay=0.01)
    return model


def test_it_is_what_plain_loops_do() -> None:
    assert_same(unlearned(CONFIG), by_hand())


def test_as_published_max_epochs_raise_the_loss_of_labels_too() -> None:
    assert_same(unlearned(replace(CONFIG, max_labels=True)), by_hand(labels=True))


def test_max_epochs_that_minimise_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        assert_same(unlearned(CONFIG), by_hand(sign=1.0))


def test_phases_alternate_and_rewind_keeps_each_epoch() -> None:
    made = scrub(replace(CONFIG, epochs=3, max_epochs=2, rewind=True), context())
    phases = [phase.name for phase in made]
    assert phases == ["max-1", "min-1", "epoch-1", "max-2", "min-2", "epoch-2", "min-3", "epoch-3", "rewind"]
    kinds = {type(phase) for phase in scrub(replace(CONFIG, rewind=True), context())}
    assert kinds == {Train, Snapshot, Select}


def test_rewind_goes_back_to_the_epoch_whose_forget_error_is_nearest_to_what_unseen_pictures_show() -> None:
    config = replace(CONFIG, epochs=4, max_epochs=4, max_lr=0.3, rewind=True)
    chosen = unlearned(config)
    ends = [unlearned(replace(config, rewind=False, epochs=n, max_epochs=n)) for n in (1, 2, 3, 4)]
    score = nearness(GIVEN.steering)
    scores = [score(model)["score"] for model in ends]
    assert len(set(scores)) > 1, "or there is nothing to choose"
    assert not differs(copy_weights(chosen), copy_weights(ends[int(np.argmax(scores))]))


def test_the_score_reads_tuning_not_reporting_and_is_computed_from_its_definition() -> None:
    model = stacked()

    def error(split: str) -> tuple[np.ndarray, np.ndarray]:
        pictures = GIVEN.split(split)  # type: ignore[arg-type]
        hits = correct(predict(model, pictures).logits, pictures.labels, sizes=pictures.spec.sizes).numpy()
        return 1 - hits, pictures.labels[:, 0].numpy()

    (forget, ours), (tuning, theirs) = error("forget"), error("tuning")
    expected = np.mean([tuning[theirs == label].mean() for label in ours])
    assert nearness(GIVEN.steering)(model)["score"] == pytest.approx(-abs(forget.mean() - expected))
