"""What every registered method must do, run over the whole registry; and planted methods that must be caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from expunge.engine.loop import differs, run_phases
from expunge.engine.outcome import Outcome
from expunge.engine.settings import EngineSettings
from expunge.engine.training import copy_weights
from expunge.methods.phases import Context, Edit, Phases, Source, Train, classification
from expunge.methods.registry import METHODS, describe_methods
from expunge.models.classifier import PixelClassifier
from expunge.types import ErasureTask, Optimizer, SteeringTask, TrainRecipe
from tests.helpers import ArraySource, net, task

SETTINGS = EngineSettings(seed=1, precision="fp32", channels_last="off")
NAMES = list(METHODS)
BLIND = {"retrain", "finetune", "cf-k", "eu-k"}
RETAIN_ONLY = [name for name in NAMES if name.partition(":")[0] in BLIND or name == "bad-teacher:published"]
USES_FORGET = [name for name in NAMES if name not in RETAIN_ONLY]


def small(name: str) -> Any:
    """The method's own settings, scaled to a task of a few pictures."""
    config = METHODS[name].config
    sizes = {
        "batch_size": 8,
        "transport_batch": 8,
        "probe_every": 2,
        "probe_size": 16,
        "epochs": 1,
        "k": 2,
        "budget": 100,
    }
    known = {f.name: getattr(config, f.name) for f in fields(config)}
    kinds = {name: float if value is None else type(value) for name, value in known.items()}
    return replace(config, **{name: kinds[name](size) for name, size in sizes.items() if name in known})


def context(given: ErasureTask, seed: int = 1) -> Context:
    spec = given.retain.spec
    recipe = TrainRecipe(epochs=1, batch_size=8, optimizer=Optimizer(lr=0.05))
    original = net(spec).eval().requires_grad_(False)
    return Context(given.steering, lambda: original, lambda s: net(spec, seed=100 + s % 1000), recipe, seed)


def run(name: str, given: ErasureTask, seed: int = 1, **settings: Any) -> tuple[PixelClassifier, Outcome]:
    model = net(given.retain.spec)
    phases = METHODS[name].phases(small(name), context(given, seed))
    outcome = run_phases(model, phases, settings=replace(SETTINGS, seed=seed, **settings))
    return model, outcome


@pytest.mark.parametrize("name", NAMES)
def test_weights_change_and_stay_finite(name: str) -> None:
    model, outcome = run(name, task())
    assert outcome.changed and outcome.steps > 0
    assert all(torch.isfinite(value).all() for value in copy_weights(model).values())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(name: str) -> None:
    first, second, other = (copy_weights(run(name, task(), seed)[0]) for seed in (1, 1, 2))
    assert not differs(first, second)
    if name != "dlfd:published":  # it has no randomness of its own but dropout, and that is off after one step
        assert differs(first, other)


@pytest.mark.parametrize("name", NAMES)
def test_reporting_pictures_steer_nothing(name: str) -> None:
    given = task()
    changed = replace(given, reporting=task(classes=(3,)).tuning)
    assert not differs(copy_weights(run(name, given)[0]), copy_weights(run(name, changed)[0]))
    source = given.reporting.source
    assert isinstance(source, ArraySource) and source.read_rows == []


@pytest.mark.parametrize("name", USES_FORGET)
def test_the_forget_set_is_read(name: str) -> None:
    given = task()
    run(name, given)
    source = given.forget.source
    assert isinstance(source, ArraySource) and source.read_rows


@pytest.mark.parametrize("name", RETAIN_ONLY)
def test_methods_on_the_retain_set_alone_never_read_the_forget_set(name: str) -> None:
    given = task()
    run(name, given)
    source = given.forget.source
    assert isinstance(source, ArraySource) and source.read_rows == []


@pytest.mark.parametrize("name", NAMES)
def test_works_in_bf16_and_with_several_attributes(name: str) -> None:
    given = task(classes=(3, 2))
    model, outcome = run(name, given, precision="bf16", channels_last="on")
    assert outcome.changed
    assert model(torch.rand(2, 3, 8, 8)).shape == (2, 5)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_a_full_card(name: str) -> None:
    card = next(c for c in describe_methods() if c["name"] == name)
    for title in ("summary", "cost", "fails_when", "source"):
        assert card[title], f"{name}: no {title}"


def caught_by(check: Callable[[str], None], phases: Any, monkeypatch: pytest.MonkeyPatch) -> bool:
    faulty = {**METHODS, "faulty": replace(METHODS["finetune"], name="faulty", phases=phases)}
    monkeypatch.setattr("tests.conformance.test_methods.METHODS", faulty)
    try:
        check("faulty")
    except AssertionError:
        return True
    return False


def test_a_method_that_changes_nothing_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def idle(config: object, context: Context) -> Phases:
        yield Edit("idle", lambda model: None)

    assert caught_by(test_weights_change_and_stay_finite, idle, monkeypatch)


def test_a_method_that_ignores_the_forget_set_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    assert caught_by(test_the_forget_set_is_read, METHODS["finetune"].phases, monkeypatch)


def test_a_method_that_finds_a_way_to_reporting_pictures_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    made, make = list[ErasureTask](), task

    def watched(**sizes: Any) -> ErasureTask:
        made.append(make(**sizes))
        return made[-1]

    def leaking(config: object, context: Context) -> Phases:
        source = {"retain": Source(made[0].reporting, 8)}
        yield Train("leak", source, "retain", classification("retain"), Optimizer(lr=0.05), epochs=1)

    monkeypatch.setattr("tests.conformance.test_methods.task", watched)
    assert caught_by(test_reporting_pictures_steer_nothing, leaking, monkeypatch)


def test_a_method_cannot_even_name_reporting_pictures() -> None:
    """Reading them is impossible by construction: the context has none."""
    assert {f.name for f in fields(SteeringTask)} == {"retain", "forget", "tuning"}
    assert not hasattr(context(task()).task, "reporting")
