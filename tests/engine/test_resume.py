"""What phases hand on to later ones survives a death: learned inputs, snapshots, and the choice among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from expunge.engine import checkpoint
from expunge.engine.loop import differs, run_phases
from expunge.engine.settings import EngineSettings
from expunge.engine.training import copy_weights
from expunge.methods.phases import Batch, Loss, Phases, Select, Snapshot, Source, Train, classification, unwrap
from expunge.models.classifier import PixelClassifier
from expunge.types import ErasureTask, Optimizer
from tests.helpers import net, task

SETTINGS = EngineSettings(seed=3, precision="fp32", channels_last="off", checkpoint_seconds=0)
PLAIN = classification("retain")
GIVEN = task()


class Death(Exception):
    """Stands for a process that dies in the middle of a step."""


def dying(after: int) -> Loss:
    """The plain loss of whatever pictures there are, until it has been asked for so often."""
    calls = [0]

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        calls[0] += 1
        if calls[0] > after:
            raise Death
        if "noise" in batch.parts:
            answers = model(batch["noise"].x)
            return batch["noise"].x.square().mean() - answers.softmax(1)[:, 0].log().mean()
        return PLAIN(model, batch)

    return loss


def confidence(model: PixelClassifier) -> Mapping[str, float]:
    """A score in which snapshots differ."""
    return {"score": float(model.head.weight.norm())}


def story(given: ErasureTask, loss: Loss) -> Phases:
    """Noise is learned, then trained on beside retain pictures, in two rounds of which the better one is kept."""
    retain = {"retain": Source(given.retain, 8)}
    start = torch.rand((5, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    adam = Optimizer(lr=0.1, kind="adamw", weight_decay=0.0)
    learned = yield Train("noise", retain, "retain", loss, adam, steps=5, inputs={"noise": start}, train_mode=False)
    noise = learned.tensors["noise"]
    assert not torch.equal(noise, start)

    def beside(model: nn.Module, batch: Batch) -> Tensor:
        return loss(model, batch) + unwrap(model)(noise).square().mean()

    for name in ("one", "two", "three"):
        yield Train(f"round-{name}", retain, "retain", beside, Optimizer(lr=0.05), steps=3)
        yield Snapshot(name)
    chosen = yield Select("choose", ["one", "two", "three"], confidence)
    assert chosen.selected and set(chosen.measured) == {"one", "two", "three"}
    yield Train("after", retain, "retain", loss, Optimizer(lr=0.01), steps=3)


def whole() -> PixelClassifier:
    model = net(GIVEN.retain.spec)
    run_phases(model, story(GIVEN, dying(1000)), settings=SETTINGS)
    return model


def resumed(place: Path, *, after: int) -> tuple[PixelClassifier, int]:
    """The model of a run that dies after every so many steps, and how often it died."""
    deaths = 0
    while True:
        model = net(GIVEN.retain.spec)  # a new process knows only what is on disk
        try:
            run_phases(model, story(GIVEN, dying(after)), settings=SETTINGS, checkpoints=place)
            return model, deaths
        except Death:
            deaths += 1


@pytest.mark.parametrize("after", [1, 2, 4])
def test_learned_inputs_and_snapshots_survive(tmp_path: Path, after: int) -> None:
    model, deaths = resumed(tmp_path, after=after)
    assert deaths >= 4
    assert not differs(copy_weights(whole()), copy_weights(model))


@pytest.mark.parametrize("lost", ["inputs in a phase", "inputs of a phase", "a snapshot"])
def test_losing_any_of_them_would_be_noticed(tmp_path: Path, lost: str) -> None:
    """The planted faults for the test above."""
    steps = {"inputs in a phase": 3, "inputs of a phase": 6, "a snapshot": 13}[lost]
    with pytest.raises(Death):
        run_phases(net(GIVEN.retain.spec), story(GIVEN, dying(steps)), settings=SETTINGS, checkpoints=tmp_path)
    state = checkpoint.load(tmp_path, key="")
    assert state is not None
    if lost == "inputs in a phase":
        state.train["inputs"]["noise"].zero_()
    elif lost == "inputs of a phase":
        state.results[0]["tensors"]["noise"].zero_()
    else:
        assert set(state.snapshots) == {"one", "two"}
        for weights in state.snapshots["one"], state.snapshots["two"]:
            weights["net.8.weight"].mul_(100)
    checkpoint.save(state, tmp_path)
    model = net(GIVEN.retain.spec)
    run_phases(model, story(GIVEN, dying(1000)), settings=SETTINGS, checkpoints=tmp_path)
    assert differs(copy_weights(whole()), copy_weights(model))
