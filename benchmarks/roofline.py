"""How near DLFD's steps come to what the network alone takes for their pictures, and what is left beside it.

    python benchmarks/roofline.py [--rounds 5]

As many pictures as the MUFAC job has. In every round the whole of `dlfd` is run, then the bare passes of its steps,
then a few steps of retraining and a few batches of the published code's work, of which an epoch is so many times as
much; all on the same threads, so that ratios are those of neighbours. A step's passes are
forward and backward passes of its retain and forget pictures and a forward pass of the original, without reading,
augmenting, transport or optimizer. For the perturbing forms it is a step of the perturbation against forward passes
and gradients with respect to the pictures.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

import published_work
from expunge.app.references import Retraining, price
from expunge.engine.loop import run_phases
from expunge.functional.losses import mean_loss
from expunge.functional.ot import transport
from expunge.functional.perturb import ascend
from expunge.methods import dlfd
from expunge.methods.cost import Sizes
from expunge.methods.phases import Context
from expunge.models.classifier import Preprocessing, frozen
from expunge.models.load import new_model
from expunge.types import PictureSet, SteeringTask, TrainRecipe
from harness import Comparison, write
from speed import BF16, SIDE, SPEC, autocast, floats, model, pictures

RETAIN, FORGET, TUNING = 5810, 1039, 1064
BARE_STEPS, INNER_STEPS = 40, 20
PUBLISHED_BATCHES, PUBLISHED_SIZE = 3, 64
RECIPE = TrainRecipe(epochs=40)
MOST_WORK = 2.0


@dataclass
class Timed:
    """A function, and the seconds that it took."""

    function: Callable[..., Any]
    seconds: float = 0.0

    def __call__(self, *given: Any, **named: Any) -> Any:
        start = time.perf_counter()
        found = self.function(*given, **named)
        self.seconds += time.perf_counter() - start
        return found


@dataclass(frozen=True)
class Round:
    """Seconds of a round: a step, its passes alone; the method, transport in it; retraining, the published epochs."""

    step: float
    passes: float
    method: float
    transport: float
    retraining: float
    published: float
    published_bf16: float
    pictures: int


def whole_method() -> Round:
    """`dlfd` from beginning to end, then what it is held against."""
    sets = retain, forget, tuning = pictures(RETAIN, 0), pictures(FORGET, 1), pictures(TUNING, 2)
    original, config = model().eval(), dlfd.DLFD()
    places, distance = Timed(dlfd.unseen_places), Timed(dlfd.unseen_distance)
    context = Context(SteeringTask(retain, forget, tuning), lambda: original, lambda _: model(), RECIPE, 0)
    with patch.object(dlfd, "unseen_places", places), patch.object(dlfd, "unseen_distance", distance):
        outcome = run_phases(model(), dlfd.dlfd(config, context), settings=BF16)
    steps = next(record for record in outcome.records if record.name == "distance")
    shown = dlfd.cost(config, Sizes(RETAIN, FORGET, TUNING, RECIPE)).backward // steps.steps
    artefact = new_model("resnet18-half", SPEC, Preprocessing((SIDE, SIDE)), seed=0)
    retraining = price(Retraining(artefact, retain, RECIPE, None, BF16))
    assert retraining is not None
    return Round(
        step=steps.seconds / steps.steps,
        passes=passes(config.batch_size, shown - config.batch_size),
        method=outcome.seconds,
        transport=places.seconds + distance.seconds,
        retraining=retraining,
        published=published(sets, bf16=False),
        published_bf16=published(sets, bf16=True),
        pictures=shown,
    )


def passes(retain: int, forget: int) -> float:
    """Seconds of the passes of one step, and of nothing else."""
    ours, original = model(torch.channels_last).train(), model(torch.channels_last).eval()
    x, y = floats(pictures(retain + forget, 0), torch.channels_last)
    parameters = list(ours.parameters())

    def step() -> None:
        with autocast(True):
            with torch.no_grad():
                original(x[:retain])
            loss = cross_entropy(ours(x), y)
        torch.autograd.grad(loss, parameters)

    return seconds(step, BARE_STEPS)


def published(sets: Sequence[PictureSet], *, bf16: bool) -> float:
    """Seconds of an epoch of the published code's work, from its first batches: all of them do the same."""
    layout = torch.channels_last if bf16 else torch.contiguous_format
    with autocast(bf16):
        retain, forget, tuning = (floats(part, layout) for part in sets)
        start = time.perf_counter()
        published_work.epoch(model(layout), retain, forget, tuning, batches=PUBLISHED_BATCHES, batch=PUBLISHED_SIZE)
    return (time.perf_counter() - start) / PUBLISHED_BATCHES * math.ceil(len(sets[0]) / PUBLISHED_SIZE)


def seconds(step: Callable[[], object], count: int) -> float:
    """Of one step, after another one to warm up."""
    step()
    start = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - start) / count


def method_rows(rounds: int) -> list[dict[str, object]]:
    """What is said of `dlfd`."""
    found = [whole_method() for _ in range(rounds)]
    steps, count = [r.step for r in found], found[0].pictures
    note = f"an epoch in batches of {PUBLISHED_SIZE}, from its first {PUBLISHED_BATCHES}; the whole of dlfd"
    shown = f"{count} pictures a step, half-width ResNet-18 at {SIDE}x{SIDE}"
    rows = [
        rated(
            Comparison("a step of dlfd against its passes alone", steps, [r.passes for r in found], 0.9, shown), count
        ),
        outside_transport("the whole of dlfd", [r.method for r in found], [r.transport for r in found]),
        Comparison(
            "retraining against dlfd",
            [r.method for r in found],
            [r.retraining for r in found],
            10,
            f"{RECIPE.epochs:g} epochs of {RETAIN:,} pictures, priced by its first steps; {FORGET:,} forgotten",
        ).row(),
        *(
            Comparison(
                f"the published work against dlfd, {precision}", [r.method for r in found], theirs, least, note
            ).row()
            for precision, theirs, least in (
                ("its own in fp32", [r.published for r in found], 30),
                ("both bf16", [r.published_bf16 for r in found], 10),
            )
        ),
    ]
    return [*rows, work()]


def work() -> dict[str, object]:
    """Passes of the whole method over those of an epoch of training, three times a forward pass."""
    value = dlfd.cost(dlfd.DLFD(), Sizes(RETAIN, FORGET, TUNING, RECIPE)).epochs(RETAIN)
    return {
        "name": "dlfd: passes in epochs of training",
        "value": round(value, 3),
        "threshold": MOST_WORK,
        "holds": value <= MOST_WORK,
        "note": "a backward pass into parameters counts as two forward passes, one into pictures alone as one",
    }


def perturbation_rows(rounds: int) -> list[dict[str, object]]:
    """What is said of a step of the perturbation, as `dlfd:paper` has it."""
    net = model(torch.channels_last).eval()
    x, y = floats(pictures(64, 0), torch.channels_last)
    with torch.no_grad(), autocast(True):
        forget, _ = net.features_and_logits(floats(pictures(64, 1), torch.channels_last)[0])
        near, _ = net.features_and_logits(x)

    def objective(z: Tensor) -> Tensor:
        h, logits = net.features_and_logits(z)
        return 3 * transport(h, forget) - mean_loss(logits, y[:, None], sizes=SPEC.sizes)

    def whole() -> None:
        ascend(x, objective, radius=0.03, steps=1)

    def alone() -> None:
        z = x.detach().requires_grad_()
        torch.autograd.grad(cross_entropy(net(z), y), z)

    def moved() -> None:
        h = near.detach().requires_grad_()
        torch.autograd.grad(transport(h, forget), h)

    with frozen(net), autocast(True):
        found = [[seconds(part, INNER_STEPS) for part in (whole, alone, moved)] for _ in range(rounds)]
    steps, bare, transports = (list(part) for part in zip(*found, strict=True))
    name, note = "a perturbation step against its passes alone", "forward passes and gradients of 64 pictures, bf16"
    return [
        rated(Comparison(name, steps, bare, 0.9, note), 64),
        outside_transport("a step of the perturbation", steps, transports),
    ]


def outside_transport(what: str, steps: list[float], transports: list[float]) -> dict[str, object]:
    """The share of seconds that is not transport."""
    rest = [step - spent for step, spent in zip(steps, transports, strict=True)]
    return Comparison(f"time outside of transport over that of {what}", steps, rest, 0.95, "").row()


def rated(made: Comparison, count: int) -> dict[str, object]:
    """A row with the rates of both sides."""
    rates = {
        name: round(count / statistics.median(side)) for name, side in (("ours", made.ours), ("passes", made.theirs))
    }
    return {**made.row(), "pictures_per_second": rates}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.manual_seed(0)
    rows = [*perturbation_rows(rounds), *method_rows(rounds)]
    for row in rows:
        print(f"{'ok  ' if row['holds'] else 'FAIL'} {row['name']}: {row.get('ratio', row.get('value'))}", flush=True)
    write(__file__, rows)


if __name__ == "__main__":
    main()
