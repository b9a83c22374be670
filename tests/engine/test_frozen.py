"""What a phase does not train stays as it is, running statistics included, also where a run dies and is resumed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from expunge.engine.loop import differs, run_phases
from expunge.engine.settings import EngineSettings
from expunge.engine.training import copy_weights
from expunge.methods.phases import Batch, Phases, Source, Train, classification
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.types import ErasureTask, Optimizer
from tests.helpers import net, task

SETTINGS = EngineSettings(seed=3, precision="fp32", channels_last="off", checkpoint_seconds=0)
PLAIN = classification("retain")


class Death(Exception):
    """Stands for a process that dies in the middle of a step."""


def head(model: PixelClassifier) -> Sequence[nn.Parameter]:
    return list(model.head.parameters())


def head_only(given: ErasureTask, *, freeze_statistics: bool = True, dies_at: int = -1) -> Phases:
    def loss(model: nn.Module, batch: Batch) -> Tensor:
        if batch.step == dies_at:
            raise Death
        return PLAIN(model, batch)

    yield Train(
        "head",
        {"retain": Source(given.retain, 8)},
        "retain",
        loss,
        Optimizer(lr=0.05),
        steps=4,
        parameters=head,
        freeze_statistics=freeze_statistics,
    )


def changed(before: dict[str, Tensor], model: PixelClassifier) -> set[str]:
    return {name for name, value in copy_weights(model).items() if not torch.equal(value, before[name])}


def bare(*, affine: bool) -> PixelClassifier:
    """A network whose batch norm has a scale and shift of its own, or running statistics alone."""
    body = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(192, affine=affine), nn.Linear(192, 3))
    return PixelClassifier(body, Preprocessing((8, 8)), task().retain.spec)


@pytest.mark.parametrize("affine", [True, False])
def test_running_statistics_of_frozen_layers_stay(affine: bool) -> None:
    model = bare(affine=affine)
    before = copy_weights(model)
    run_phases(model, head_only(task()), settings=SETTINGS)
    assert changed(before, model) == {"net.2.weight", "net.2.bias"}


def test_they_move_where_the_phase_says_so() -> None:
    """The planted fault for the test above."""
    model = bare(affine=True)
    before = copy_weights(model)
    run_phases(model, head_only(task(), freeze_statistics=False), settings=SETTINGS)
    assert "net.1.running_mean" in changed(before, model)


def test_statistics_of_trained_layers_move_and_dropout_stays_on() -> None:
    model, modes = net(task().retain.spec), {}

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        modes.update({name: module.training for name, module in model.named_modules()})
        return PLAIN(model, batch)

    def norm(model: PixelClassifier) -> Sequence[nn.Parameter]:
        return list(model.get_submodule("net.1").parameters())

    def phases() -> Phases:
        source = {"retain": Source(task().retain, 8)}
        yield Train("norm", source, "retain", loss, Optimizer(lr=0.05), steps=2, parameters=norm)

    before = copy_weights(model)
    run_phases(model, phases(), settings=SETTINGS)
    assert modes["net.1"] and modes["net.5"] and not modes["net.0"] and not modes["net.8"]
    tracked = {"net.1.running_mean", "net.1.running_var", "net.1.num_batches_tracked"}
    assert changed(before, model) == {"net.1.weight", "net.1.bias", *tracked}


def test_a_resumed_phase_freezes_what_the_first_one_froze(tmp_path: Path) -> None:
    given, whole = task(), net(task().retain.spec)
    run_phases(whole, head_only(given), settings=SETTINGS)
    with pytest.raises(Death):
        run_phases(net(given.retain.spec), head_only(given, dies_at=2), settings=SETTINGS, checkpoints=tmp_path)
    resumed = net(given.retain.spec).train()
    run_phases(resumed, head_only(given), settings=SETTINGS, checkpoints=tmp_path)
    assert not differs(copy_weights(whole), copy_weights(resumed))
