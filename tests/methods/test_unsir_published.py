"""UNSIR as published tables run it: noise learned in training mode, impairing on noise alone, repairing with Adam."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from expunge.engine.loop import run_phases
from expunge.engine.streams import batch_seed
from expunge.functional.seeding import generator
from expunge.methods.phases import Context
from expunge.methods.unsir_published import PublishedUNSIR, unsir_published
from expunge.models.classifier import PixelClassifier
from tests.helpers import task
from tests.methods.plain import SETTINGS, batches, stacked

CONFIG = PublishedUNSIR(
    noise_batch=6, noise_steps=3, impair_batch=8, repair_epochs=1.0, lr=0.01, batch_size=8, augment=False
)
GIVEN = task()


def by_hand(*, retain_beside: bool = False) -> PixelClassifier:
    """Plain torch; with retain pictures beside the noise it is another method, and must be told apart."""
    model = stacked().train()
    noise = learned(model)
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    retain = batches(GIVEN.retain, 8, 2, "repair", "retain")
    for number, (_, y) in enumerate(batches(GIVEN.forget, 8, 2, "impair", "forget")):
        chosen = torch.randint(6, (8,), generator=generator(batch_seed(1, "impair", number), "noise"))
        x = noise[chosen] * model.std + model.mean
        if retain_beside:
            beside, labels = next(retain)
            x, y = torch.cat([x, beside]), torch.cat([y, labels])
        descend(adam, cross_entropy(model(x), y))
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    for x, y in batches(GIVEN.retain, 8, 6, "repair", "retain"):
        descend(adam, cross_entropy(model(x), y))
    return model


def learned(model: PixelClassifier) -> Tensor:
    """The noise after three steps of Adam; the running statistics of `model` follow it."""
    labels = GIVEN.forget.labels[torch.randperm(16, generator=generator(1, "unsir", "batch"))[:6], 0]
    noise = torch.randn((6, 3, 8, 8), generator=generator(1, "unsir", "noise")).requires_grad_()
    adam = torch.optim.Adam([noise], lr=0.1)
    for _ in range(3):
        size = noise.square().sum((1, 2, 3)).mean()
        descend(adam, 0.1 * size - cross_entropy(model(noise * model.std + model.mean), labels))
    return noise.detach()


def descend(adam: torch.optim.Optimizer, loss: Tensor) -> None:
    adam.zero_grad()
    loss.backward()
    adam.step()


def close(ours: PixelClassifier, theirs: PixelClassifier) -> bool:
    # Adam divides by the size of gradients: where these are next to nothing, rounding decides the direction
    pairs = zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True)
    return all(torch.allclose(a.float(), b.float(), rtol=1e-3, atol=1e-3) for a, b in pairs)


def test_it_is_what_plain_loops_do() -> None:
    original = stacked().eval().requires_grad_(False)
    ours = stacked()
    run_phases(
        ours, unsir_published(CONFIG, Context(GIVEN.steering, lambda: original, stacked, None, 1)), settings=SETTINGS
    )
    assert close(ours, by_hand())
    assert not close(ours, by_hand(retain_beside=True))
