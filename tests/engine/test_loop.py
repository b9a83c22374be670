"""The engine runs phases, resumes them bit for bit, honours budgets, and notices what changed nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from expunge.engine import checkpoint
from expunge.engine.events import Events
from expunge.engine.loop import differs, run_phases
from expunge.engine.optimizers import learning_rate
from expunge.engine.settings import EngineSettings
from expunge.engine.training import copy_weights
from expunge.errors import InputError, Interrupted, MethodError, RunDirectoryError
from expunge.methods.phases import (
    Batch,
    Compute,
    Edit,
    Loss,
    PhaseResult,
    Phases,
    Probe,
    Select,
    Snapshot,
    Source,
    Train,
    classification,
)
from expunge.models.classifier import PixelClassifier
from expunge.types import Augmentation, ErasureTask, Optimizer
from tests.helpers import net, task

SETTINGS = EngineSettings(seed=3, precision="fp32", channels_last="off", checkpoint_seconds=0)
PLAIN = classification("retain")


class Death(Exception):
    """Stands for a process that dies in the middle of a step."""


def dying(loss: Loss, after: int) -> Loss:
    calls = [0]

    def wrapped(model: nn.Module, batch: Batch) -> Tensor:
        calls[0] += 1
        if calls[0] > after:
            raise Death
        return loss(model, batch)

    return wrapped


def accuracy_like(model: PixelClassifier) -> Mapping[str, float]:
    return {"score": float(sum(p.sum() for p in model.parameters()))}


def story(given: ErasureTask, loss: Loss = PLAIN) -> Phases:
    """Two trainings, a computation, a snapshot and a selection."""
    retain = {"retain": Source(given.retain, 8, Augmentation())}
    first = yield Train(
        "first",
        retain,
        "retain",
        loss,
        Optimizer(lr=0.05, schedule="cosine"),
        epochs=2,
        probe=Probe(3, accuracy_like, keep=lambda v: v["score"]),
    )
    assert first.steps == 12
    yield Snapshot("middle")
    found = yield Compute("norm", lambda m: {"norm": torch.stack([p.norm() for p in m.parameters()])})
    assert found.tensors["norm"].sum() > 0
    yield Train("second", retain, "retain", loss, Optimizer(lr=0.01, kind="adamw"), steps=5, train_mode=False)
    yield Snapshot("end")
    yield Select("choose", ["middle", "end"], accuracy_like)


def one_phase(given: ErasureTask, loss: Loss = PLAIN, **fields: object) -> Phases:
    phase = Train(
        "only",
        {"retain": Source(given.retain, 8)},
        "retain",
        loss,
        Optimizer(lr=0.05),
        steps=6 if "epochs" not in fields else None,
    )
    yield replace(phase, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("precision", "layout"), [("fp32", "off"), ("bf16", "on")])
def test_a_run_that_dies_again_and_again_ends_bit_identical(tmp_path: Path, precision: str, layout: str) -> None:
    given = task()
    settings = replace(SETTINGS, precision=precision, channels_last=layout)  # type: ignore[arg-type]
    whole = net(given.retain.spec)
    run_phases(whole, story(given), settings=settings)
    deaths = 0
    while True:
        broken = net(given.retain.spec)  # a new process knows only what is on disk
        try:
            run_phases(broken, story(given, dying(PLAIN, 4)), settings=settings, checkpoints=tmp_path)
            break
        except Death:
            deaths += 1
    assert deaths >= 3
    assert not differs(copy_weights(whole), copy_weights(broken))


def test_resume_without_the_optimizer_state_would_be_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault for the test above: momentum forgotten at resume."""
    given = task()
    whole, broken = net(given.retain.spec), net(given.retain.spec)
    run_phases(whole, one_phase(given), settings=SETTINGS)
    with pytest.raises(Death):
        run_phases(broken, one_phase(given, dying(PLAIN, 3)), settings=SETTINGS, checkpoints=tmp_path)
    state = checkpoint.load(tmp_path, key="")
    assert state is not None
    state.train["optimizer"]["state"] = {}
    checkpoint.save(state, tmp_path)
    broken = net(given.retain.spec)
    run_phases(broken, one_phase(given), settings=SETTINGS, checkpoints=tmp_path)
    assert differs(copy_weights(whole), copy_weights(broken))


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    given = task()
    run_phases(net(given.retain.spec), one_phase(given), settings=SETTINGS, checkpoints=tmp_path, key="a")
    with pytest.raises(RunDirectoryError, match="another"):
        run_phases(net(given.retain.spec), one_phase(given), settings=SETTINGS, checkpoints=tmp_path, key="b")


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(RunDirectoryError, match="checkpoint"):
        checkpoint.load(tmp_path, key="")


def test_a_phase_that_changes_nothing_is_noticed() -> None:
    given = task()

    def nothing() -> Phases:
        yield Edit("nothing", lambda model: None)

    assert not run_phases(net(given.retain.spec), nothing(), settings=SETTINGS).changed
    assert run_phases(net(given.retain.spec), one_phase(given), settings=SETTINGS).changed


def test_max_steps_shortens_the_schedule_and_says_so() -> None:
    given = task()
    outcome = run_phases(net(given.retain.spec), one_phase(given), settings=replace(SETTINGS, max_steps=4))
    assert (outcome.steps, outcome.budget_hit, outcome.records[0].reason) == (4, "max_steps", "budget")


def test_max_seconds_stops_before_the_next_step() -> None:
    given = task()
    outcome = run_phases(net(given.retain.spec), one_phase(given), settings=replace(SETTINGS, max_seconds=1e-6))
    assert (outcome.steps, outcome.budget_hit) == (0, "max_seconds")


def test_probe_stops_the_phase_and_its_values_reach_the_loss(tmp_path: Path) -> None:
    given, seen = task(), []

    def watching(model: nn.Module, batch: Batch) -> Tensor:
        seen.append(batch.probe["looks"])
        return PLAIN(model, batch)

    looks = iter(range(100))
    probe = Probe(2, lambda model: {"looks": next(looks)}, stop=lambda values: values["looks"] == 2)
    events = Events(tmp_path / "events.jsonl")
    outcome = run_phases(
        net(given.retain.spec), one_phase(given, watching, probe=probe), settings=SETTINGS, events=events
    )
    assert (outcome.steps, outcome.records[0].reason, seen) == (4, "stopped", [0, 0, 1, 1])
    kinds = [event["kind"] for event in Events.read(tmp_path / "events.jsonl")]
    assert kinds.count("probe") == 3 and kinds[-1] == "phase_end"


def test_keep_goes_back_to_the_best_weights() -> None:
    given = task()
    scores = iter([0.0, 5.0, 1.0, 1.0])
    best: dict[str, Tensor] = {}

    def measure(model: PixelClassifier) -> dict[str, float]:
        score = next(scores)
        if score == 5.0:
            best.update(copy_weights(model))
        return {"score": score}

    model = net(given.retain.spec)
    run_phases(model, one_phase(given, probe=Probe(2, measure, keep=lambda v: v["score"])), settings=SETTINGS)
    assert best and not differs(best, copy_weights(model))


def test_only_named_parameters_are_trained() -> None:
    given, model = task(), net(task().retain.spec)
    before = copy_weights(model)
    phases = one_phase(given, parameters=lambda m: list(m.head.parameters()), train_mode=False)
    run_phases(model, phases, settings=SETTINGS)
    changed = {name for name, value in copy_weights(model).items() if not torch.equal(value, before[name])}
    assert changed == {"net.8.weight", "net.8.bias"}
    assert all(p.requires_grad for p in model.parameters())


def test_learned_inputs_change_and_the_model_does_not() -> None:
    given, model, got = task(), net(task().retain.spec), []

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        return -model(batch["noise"].x).square().mean()

    def phases() -> Phases:
        source = {"retain": Source(given.retain, 8)}
        result: PhaseResult = yield Train(
            "noise",
            source,
            "retain",
            loss,
            Optimizer(lr=0.1),
            steps=3,
            inputs={"noise": torch.zeros(2, 3, 8, 8)},
            train_mode=False,
        )
        got.append(result.tensors["noise"])

    outcome = run_phases(model, phases(), settings=SETTINGS)
    assert not outcome.changed and got[0].abs().sum() > 0


def test_compute_may_not_change_the_model() -> None:
    given, model = task(), net(task().retain.spec)

    def spoil(m: PixelClassifier) -> dict[str, Tensor]:
        with torch.no_grad():
            next(m.parameters()).zero_()
        return {}

    def phases() -> Phases:
        yield Compute("spoil", spoil)

    assert given and not run_phases(model, phases(), settings=SETTINGS).changed


def test_accumulation_is_the_mean_over_micro_batches() -> None:
    given = task(retain=16)
    spec = given.retain.spec
    ends = []
    for size, accumulate in ((16, 1), (4, 4)):
        model = net(spec, dropout=0.0)
        source = {"retain": Source(given.retain, size, shuffle=False)}

        def phases(source: dict[str, Source] = source) -> Phases:
            yield Train("only", source, "retain", PLAIN, Optimizer(lr=0.1), steps=1, train_mode=False)

        run_phases(model, phases(), settings=replace(SETTINGS, accumulate=accumulate))
        ends.append(copy_weights(model))
    for name in ends[0]:
        torch.testing.assert_close(ends[0][name], ends[1][name], rtol=1e-5, atol=1e-6)


def test_a_loss_that_is_no_number_is_an_error_and_not_a_model() -> None:
    given = task()
    with pytest.raises(MethodError, match="finite"):
        run_phases(net(given.retain.spec), one_phase(given, lambda m, b: PLAIN(m, b) * float("nan")), settings=SETTINGS)


def test_a_signal_leaves_a_checkpoint_and_raises_interrupted(tmp_path: Path) -> None:
    given = task()

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        if batch.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return PLAIN(model, batch)

    with pytest.raises(Interrupted, match="step 3"):
        run_phases(net(given.retain.spec), one_phase(given, loss), settings=SETTINGS, checkpoints=tmp_path)
    state = checkpoint.load(tmp_path, key="")
    assert state is not None and state.train["step"] == 3


def test_the_global_random_state_is_left_alone() -> None:
    given = task()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    run_phases(net(given.retain.spec), one_phase(given), settings=SETTINGS)
    assert torch.equal(torch.rand(3), expected)


def test_accumulate_must_fit_the_processes() -> None:
    with pytest.raises(InputError, match="accumulate"):
        run_phases(net(task().retain.spec), one_phase(task()), settings=replace(SETTINGS, accumulate=0))


def test_learning_rate_warms_up_and_falls() -> None:
    spec = Optimizer(lr=1.0, schedule="linear", warmup=0.5)
    assert [learning_rate(spec, step, 4) for step in range(4)] == pytest.approx([1 / 3, 2 / 3, 1.0, 0.5])
