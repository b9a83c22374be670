"""UNSIR learns noise that raises the loss, impairs with it, and repairs, as plain loops do."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from expunge.engine.loop import run_phases
from expunge.engine.streams import batch_seed
from expunge.functional.seeding import generator
from expunge.methods.phases import Batch, Context, Labelled, PhaseResult, Train
from expunge.methods.unsir import UNSIR, impair_loss, unsir
from expunge.models.classifier import PixelClassifier
from tests.helpers import task
from tests.methods.plain import SETTINGS, assert_same, batches, descend, stacked

CONFIG = UNSIR(
    noise_batch=12, noise_steps=15, noise_weight=0.001, noise_share=0.25, impair_lr=0.05, repair_lr=0.05, batch_size=48,
    weight_decay=0.01, augment=False,
)  # fmt: skip
GIVEN = task()


def context() -> Context:
    original = stacked().eval().requires_grad_(False)
    return Context(GIVEN.steering, lambda: original, stacked, None, 1)


def learned() -> tuple[Train, dict[str, Tensor], list[Train]]:
    """The noise phase, what it learned on the original, and the phases that follow."""
    made = unsir(CONFIG, context())
    noise = next(made)
    assert isinstance(noise, Train)
    found: dict[str, Tensor] = {}

    def only() -> object:
        result = yield noise
        found.update(result.tensors)

    run_phases(stacked(), only(), settings=SETTINGS)  # type: ignore[arg-type]
    then = [made.send(PhaseResult(tensors=found))]
    then += list(made)
    return noise, found, [phase for phase in then if isinstance(phase, Train)]


def noise_labels() -> Tensor:
    chosen = torch.randint(len(GIVEN.forget), (12,), generator=generator(1, "unsir", "labels"))
    return GIVEN.forget.labels[chosen, 0]


def picture(model: PixelClassifier, noise: Tensor) -> Tensor:
    """What the network's normalisation turns back into the noise."""
    return noise * model.std + model.mean


def test_the_noise_raises_the_loss_for_labels_of_the_forget_set() -> None:
    noise, found, _ = learned()
    model, labels = stacked().eval(), noise_labels()
    assert noise.inputs is not None

    def loss(z: Tensor) -> float:
        return cross_entropy(model(picture(model, z)), labels).item()

    assert loss(found["noise"]) > loss(noise.inputs["noise"]) + 0.2


def test_the_noise_is_what_adam_finds() -> None:
    noise, found, _ = learned()
    assert noise.inputs is not None
    model, labels = stacked().eval().requires_grad_(False), noise_labels()
    z = noise.inputs["noise"].clone().requires_grad_()
    adam = torch.optim.Adam([z], lr=0.1)
    for _ in range(15):
        adam.zero_grad()
        value = 0.001 * z.square().sum((1, 2, 3)).mean() - cross_entropy(model(picture(model, z)), labels)
        value.backward()
        adam.step()
    torch.testing.assert_close(found["noise"], z.detach(), rtol=1e-3, atol=1e-3)


def test_impair_and_repair_are_plain_training() -> None:
    _, found, (impair, repair) = learned()
    assert [impair.name, repair.name] == ["impair", "repair"]
    ours = stacked()
    run_phases(ours, unsir(CONFIG, context()), settings=SETTINGS)
    assert_same(ours, by_hand(found["noise"]))


def by_hand(noise: Tensor) -> PixelClassifier:
    model, labels = stacked().train(), noise_labels()

    def impair() -> Iterator[Callable[[], Tensor]]:
        for number, (x, y) in enumerate(batches(GIVEN.retain, 48, 1, "impair", "retain")):
            chosen = torch.randperm(12, generator=generator(batch_seed(1, "impair", number), "noise"))[:12]
            pictures, truth = torch.cat([x, picture(model, noise[chosen])]), torch.cat([y, labels[chosen]])
            yield lambda p=pictures, t=truth: cross_entropy(model(p), t)

    def repair() -> Iterator[Callable[[], Tensor]]:
        for x, y in batches(GIVEN.retain, 48, 1, "repair", "retain"):
            yield lambda x=x, y=y: cross_entropy(model(x), y)

    for losses in (impair(), repair()):  # one step each, so that the cosine is at its peak
        descend(model.parameters(), losses, lr=0.05, weight_decay=0.01)
    return model


def test_noise_beside_a_batch_is_a_share_of_it() -> None:
    seen: list[int] = []

    class Counting(PixelClassifier):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x)

    base = stacked()
    model = Counting(base.net, base.preprocessing, base.spec)
    retain = Labelled(torch.rand(20, 3, 8, 8), torch.zeros(20, 1, dtype=torch.int64), torch.arange(20))
    loss = impair_loss(CONFIG, {"noise": torch.zeros(12, 3, 8, 8)}, torch.zeros(12, 1, dtype=torch.int64))
    loss(model, Batch({"retain": retain}, 0, 0.0, {}, 3))
    assert seen[-1] == 25
