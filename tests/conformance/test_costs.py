"""Every card's cost is what a counter measures: pictures in forward and backward passes over all networks involved."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any, get_type_hints

import pytest
import torch

from expunge.engine.loop import run_phases
from expunge.methods.cost import Passes, Sizes
from expunge.methods.registry import METHODS, Method, describe_methods
from expunge.types import ErasureTask
from tests.conformance.counting import counting
from tests.conformance.test_methods import SETTINGS, context, small
from tests.helpers import net, task

# settings under which no stop rule ever holds, so that the upper bound is reached
NEVER_STOPS = {"tolerance": -1.0, "threshold": 0.0}


def unstopped(name: str) -> Any:
    """The method's settings for a task of a few pictures, with rules that never hold."""
    config = small(name)
    return replace(config, **{f.name: NEVER_STOPS[f.name] for f in fields(config) if f.name in NEVER_STOPS})


def sizes(given: ErasureTask) -> Sizes:
    return Sizes(len(given.retain), len(given.forget), len(given.tuning), context(given).recipe)


def measured(method: Method, config: Any, given: ErasureTask, monkeypatch: pytest.MonkeyPatch) -> Passes:
    model = net(given.retain.spec)
    with counting(monkeypatch) as counter:
        run_phases(model, method.phases(config, context(given)), settings=SETTINGS)
    return counter.passes


def claimed(method: Method, config: Any, given: ErasureTask) -> Passes:
    return method.cost(config, sizes(given))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("retain", "forget"), [(48, 16), (37, 5)])  # the second one fits no batch
def test_the_cost_of_a_card_is_what_a_counter_measures(
    name: str, retain: int, forget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, config, given = METHODS[name], unstopped(name), task(retain=retain, forget=forget)
    assert measured(method, config, given, monkeypatch) == claimed(method, config, given)


@pytest.mark.parametrize("name", METHODS)
def test_other_numbers_of_epochs_are_counted_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    method, config, given = METHODS[name], unstopped(name), task(retain=20, forget=9)
    hints = {key: hint for key, hint in get_type_hints(type(config)).items() if key.endswith("epochs")}
    config = replace(config, **{key: 2 if hint is int else 2.5 for key, hint in hints.items()})
    assert measured(method, config, given, monkeypatch) == claimed(method, config, given)


@pytest.mark.parametrize("name", METHODS)
def test_with_its_own_rules_a_method_never_costs_more_than_its_card_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, config, given = METHODS[name], small(name), task()
    did, bound = measured(method, config, given, monkeypatch), claimed(method, config, given)
    assert did.forward <= bound.forward and did.backward <= bound.backward and did.inputs <= bound.inputs


@pytest.mark.parametrize("name", METHODS)
def test_a_class_that_no_retain_picture_has_costs_nothing_more(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = task()
    some = torch.nonzero(given.retain.labels[:, 0] != 2).flatten()
    assert len(some) < len(given.retain) and (given.forget.labels[:, 0] == 2).any()
    given = replace(given, retain=given.retain.subset(some))
    method, config = METHODS[name], unstopped(name)
    assert measured(method, config, given, monkeypatch) == claimed(method, config, given)


def test_a_card_that_lies_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method that trains on retain and forget pictures, with the cost of one that trains on retain pictures alone."""
    liar = replace(METHODS["neggrad-plus"], cost=METHODS["finetune"].cost)
    monkeypatch.setitem(METHODS, "neggrad-plus", liar)  # type: ignore[arg-type]  # a mapping to all but this test
    with pytest.raises(AssertionError):
        test_the_cost_of_a_card_is_what_a_counter_measures("neggrad-plus", 48, 16, monkeypatch)


def test_descriptions_carry_plain_numbers() -> None:
    found = {str(card["name"]): card["passes"] for card in describe_methods()}
    assert json.loads(json.dumps(found)) == found
    known = {"retain": 9000, "forget": 1000, "tuning": 1000, "forward": 17984, "backward": 17984, "inputs": 0}
    assert found["finetune"] == {**known, "epochs": pytest.approx(2, abs=0.01)}


def test_the_counter_tells_the_kinds_of_passes_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = net(task().retain.spec).eval(), torch.rand(5, 3, 8, 8)
    with counting(monkeypatch) as counter:
        with torch.no_grad():
            model(x)
        assert counter.passes == Passes(forward=5)
        model(x).sum().backward()
        assert counter.passes == Passes(forward=10, backward=5)
        model.features_and_logits(x[:2])[0].sum().backward()  # the head has no part in it
        assert counter.passes == Passes(forward=12, backward=7)
        model.requires_grad_(False)
        torch.autograd.grad(model(seen := x[:3].clone().requires_grad_()).sum(), seen)
        assert counter.passes == Passes(forward=15, backward=7, inputs=3)
        model.head.requires_grad_(True)
        model(x).sum().backward()
        assert counter.passes == Passes(forward=20, backward=12, inputs=3)
