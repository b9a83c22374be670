"""How fast: DLFD against the published code's work, the engine against a hand-written loop, the input path's share."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import published_work
from expunge.data.store import PictureStore
from expunge.engine.loop import run_phases
from expunge.engine.outcome import Outcome
from expunge.engine.settings import EngineSettings
from expunge.functional.losses import mean_loss
from expunge.functional.ot import transport
from expunge.functional.perturb import ascend
from expunge.methods.dlfd_perturb import PAPER, dlfd_perturb
from expunge.methods.phases import Context, Phases, Source, Train, classification
from expunge.models.classifier import PixelClassifier, Preprocessing, frozen
from expunge.models.load import new_model
from expunge.types import Augmentation, LabelSpec, Optimizer, PictureSet, SteeringTask
from harness import Comparison, compare, write

SPEC = LabelSpec(("label",), (tuple("abcdefgh"),))
SIDE = 64
BATCHES = 8
BF16 = EngineSettings(precision="bf16", channels_last="on")
FP32 = EngineSettings(precision="fp32", channels_last="off")


def model(layout: torch.memory_format = torch.contiguous_format) -> PixelClassifier:
    made = new_model("resnet18-half", SPEC, Preprocessing((SIDE, SIDE)), seed=0).classifier
    return made.to(memory_format=layout)  # type: ignore[call-overload, no-any-return]


def pictures(n: int, seed: int) -> PictureSet:
    made = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, SIDE, SIDE, 3), generator=made, dtype=torch.uint8)
    labels = torch.randint(0, 8, (n, 1), generator=made)
    ids = torch.arange(n).numpy().astype(str)
    return PictureSet(PictureStore(pixels.numpy()), torch.arange(n), labels, ids, None, SPEC)


def floats(given: PictureSet, layout: torch.memory_format = torch.contiguous_format) -> tuple[Tensor, Tensor]:
    x = given.pixels(torch.arange(len(given))).float().div_(255)
    return x.contiguous(memory_format=layout), given.labels[:, 0]


def autocast(on: bool) -> AbstractContextManager[object]:
    return torch.autocast("cpu", torch.bfloat16) if on else nullcontext()


def whole_method(rounds: int) -> list[Comparison]:
    """An epoch of `dlfd:paper` that never stops early, against the published code's epoch, on the same pictures."""
    # as many pictures as the MUFAC job has, all of which the published code evaluates after every batch; batches cost
    # the same all through the epoch, so the first few stand for it
    retain, forget, tuning = pictures(5810, 0), pictures(1039, 1), pictures(977, 2)
    never = replace(PAPER, tolerance=-1.0)

    def ours(settings: EngineSettings) -> None:
        context = Context(SteeringTask(retain, forget, tuning), model, lambda _: model(), None, 0)
        run_phases(model(), dlfd_perturb(never, context), settings=replace(settings, max_steps=BATCHES))

    def published(bf16: bool) -> None:
        layout = torch.channels_last if bf16 else torch.contiguous_format
        with autocast(bf16):
            sets = [floats(part, layout) for part in (retain, forget, tuning)]
            published_work.epoch(model(layout), *sets, batches=BATCHES)

    note = f"{BATCHES} batches of an epoch over 5,810 retain, 1,039 forget and 977 unseen pictures"
    return [
        compare(
            "dlfd:paper against the published work in its own precision (fp32)",
            lambda: ours(BF16),
            lambda: published(False),
            rounds=rounds,
            threshold=10,
            note=note,
            warmup=False,
        ),
        compare(
            "dlfd:paper against the published work, both bf16",
            lambda: ours(BF16),
            lambda: published(True),
            rounds=rounds,
            threshold=1,
            note=note,
            warmup=False,
        ),
    ]


def one_perturbation_step(rounds: int) -> Comparison:
    """One inner step of 64 pictures in bf16 on both sides."""
    ours, theirs = model(torch.channels_last).eval(), model(torch.channels_last).eval()
    x, y = floats(pictures(64, 0), torch.channels_last)
    other, _ = floats(pictures(64, 1), torch.channels_last)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.0)
    noise = torch.zeros_like(x)
    with torch.no_grad(), autocast(True):
        forget, _ = ours.features_and_logits(other)

    def step() -> None:
        def objective(z: Tensor) -> Tensor:
            h, logits = ours.features_and_logits(z)
            return 3 * transport(h, forget) - mean_loss(logits, y[:, None], sizes=SPEC.sizes)

        with frozen(ours), autocast(True):
            for _ in range(5):
                ascend(x, objective, radius=0.03, steps=1)

    def published_step() -> None:
        with autocast(True):
            for _ in range(5):
                published_work.inner_step(theirs, optimizer, (x, y), other, noise)

    return compare(
        "one perturbation step, both bf16 channels_last",
        step,
        published_step,
        rounds=rounds,
        threshold=2.5,
        note="5 steps of 64 pictures a sample",
    )


def training(rounds: int, steps: int = 60) -> tuple[Comparison, Comparison]:
    """The engine with augmentation and event log, against a bare loop over tensors in memory without either."""
    given = pictures(2048, 0)
    outcomes: list[Outcome] = []

    def ours(augmentation: Augmentation | None) -> None:
        def phases() -> Phases:
            source = {"train": Source(given, 64, augmentation)}
            yield Train("train", source, "train", classification("train"), Optimizer(lr=0.01), steps=steps)

        outcomes.append(run_phases(model(), phases(), settings=BF16))

    def bare() -> None:
        net: nn.Module = model(torch.channels_last).train()
        x, y = given.pixels(torch.arange(len(given))), given.labels[:, 0]
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        order = torch.randperm(len(x))
        for step in range(steps):
            index = order[(step * 64) % len(x) :][:64]
            pixels = x[index].contiguous(memory_format=torch.channels_last).float().div_(255)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = cross_entropy(net(pixels), y[index])
            loss.backward()
            optimizer.step()

    against = compare(
        "training, engine against a hand-written bf16 channels_last loop",
        lambda: ours(Augmentation()),
        bare,
        rounds=rounds,
        threshold=0.95,
        note=f"{steps} steps of 64; the engine also augments, the bare loop does not",
    )
    records = [o.records[0] for o in outcomes[1:]]
    share = Comparison(
        "model time over total time in training",
        [r.seconds for r in records],
        [r.model_seconds for r in records],
        0.95,
        "reading, augmenting and logging take the rest",
    )
    print(f"{'ok  ' if share.holds else 'FAIL'} {share.name}: {share.row()['ratio']}")
    return against, share


if __name__ == "__main__":
    torch.manual_seed(0)
    rows = [*training(7), one_perturbation_step(7), *whole_method(3)]
    write(__file__, [row.row() for row in rows])
