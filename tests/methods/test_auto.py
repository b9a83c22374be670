"""`auto` keeps what comes closest to retraining, says why, keeps to its budget, warns where nothing is good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from expunge.app.choices import tell_choices
from expunge.app.desk import Silent
from expunge.engine.loop import differs, run_phases
from expunge.engine.outcome import Outcome
from expunge.engine.settings import EngineSettings
from expunge.engine.training import copy_weights
from expunge.errors import MethodError, Unavailable
from expunge.functional.forgetting import Answers, retraining_gaps
from expunge.methods.auto import Auto, Look, affordable, auto, cost, halves
from expunge.methods.cost import Passes, Sizes
from expunge.methods.phases import Batch, Compute, Context, Edit, Phases, Probe, classification, training_phase
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.models.predict import predict
from expunge.types import ErasureTask, Optimizer, PictureSet, TrainRecipe
from tests.helpers import ArraySource, pictures
from tests.helpers import task as small_task

SETTINGS = EngineSettings(seed=1, precision="fp32", channels_last="off")
RECIPE = TrainRecipe(epochs=30, batch_size=16, optimizer=Optimizer(lr=0.05), augmentation=None)


@dataclass(frozen=True)
class Planted:
    """A candidate that puts the weights of a model in place."""

    name: str
    model: PixelClassifier
    epochs: float = 1.0
    config: Any = None

    def phases(self, _config: object, _context: Context) -> Phases:
        yield Edit("plant", lambda model: model.load_state_dict(self.model.state_dict()) and None)

    def cost(self, _config: object, sizes: Sizes) -> Passes:
        shown = self.epochs * sizes.retain
        return Passes(forward=shown, backward=shown)


def noisy_task() -> ErasureTask:
    """The labels of a third of all pictures say nothing about them: what a model can only remember."""
    rng = np.random.default_rng(0)

    def noisy(n: int, seed: int) -> PictureSet:
        given = pictures(n, seed=seed)
        drawn, chosen = torch.from_numpy(rng.integers(3, size=(n, 1))), torch.from_numpy(rng.random((n, 1)) < 0.34)
        return replace(given, labels=torch.where(chosen, drawn, given.labels))

    return ErasureTask(noisy(120, 1), noisy(120, 2), noisy(240, 3), noisy(24, 4))


def remembering(seed: int) -> PixelClassifier:
    """A network with room for every picture."""
    spec = GIVEN.retain.spec
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = nn.Sequential(nn.Flatten(), nn.Linear(192, 128), nn.ReLU(), nn.Linear(128, spec.logits))
    return PixelClassifier(body, Preprocessing((8, 8)), spec)


def trained(given: ErasureTask, *, forget: bool, seed: int) -> PixelClassifier:
    model, seen = remembering(seed), given.retain
    if forget:
        both = torch.arange(len(given.retain) + len(given.forget))
        seen = replace(
            given.retain,
            source=Joined(given),
            rows=both,
            labels=torch.cat([given.retain.labels, given.forget.labels]),
            ids=np.concatenate([given.retain.ids, given.forget.ids]),
            subjects=None,
        )

    def phases() -> Phases:
        yield training_phase(replace(RECIPE, epochs=60), seen)

    run_phases(model, phases(), settings=replace(SETTINGS, seed=seed))
    return model


class Joined:
    """Retain pictures, then forget pictures."""

    def __init__(self, given: ErasureTask) -> None:
        self.given = given

    def read(self, rows: torch.Tensor) -> torch.Tensor:
        first = len(self.given.retain)
        sides = [(self.given.retain, rows), (self.given.forget, rows - first)]
        parts = [side.pixels(at.clamp(0, len(side) - 1)) for side, at in sides]
        chosen: torch.Tensor = torch.where((rows < first)[:, None, None, None], *parts)
        return chosen

    def announce(self, rows: torch.Tensor) -> None:
        pass


GIVEN = noisy_task()
ORIGINAL = trained(GIVEN, forget=True, seed=1)
RETRAINED = trained(GIVEN, forget=False, seed=2)
RUINED = remembering(7)


def run(config: Auto, candidates: Sequence[Planted], recipe: TrainRecipe | None = RECIPE) -> Outcome:
    return erased(config, candidates, recipe)[1]


def erased(
    config: Auto, candidates: Sequence[Planted], recipe: TrainRecipe | None = RECIPE, given: ErasureTask | None = None
) -> tuple[PixelClassifier, Outcome]:
    model = remembering(1)
    model.load_state_dict(ORIGINAL.state_dict())
    context = Context((given or GIVEN).steering, lambda: ORIGINAL, remembering, recipe, 1)
    return model, run_phases(model, auto(config, context, candidates=candidates), settings=SETTINGS)


def test_the_retrained_model_is_chosen_over_an_untouched_and_a_ruined_one() -> None:
    offered = [Planted("idle", ORIGINAL), Planted("retrained", RETRAINED), Planted("ruined", RUINED)]
    for candidates in (offered, offered[::-1]):
        model, outcome = erased(Auto(), candidates)
        (choice,) = outcome.choices
        assert choice.selected == "retrained" and choice.enough
        assert not differs(copy_weights(model), copy_weights(RETRAINED))
        assert choice.measured["idle"]["forget gap"] > 0.1 and choice.measured["idle"]["retain gap"] == 0
        assert choice.measured["ruined"]["retain gap"] < -0.2


def test_candidates_are_not_judged_on_what_they_were_shown() -> None:
    shown, source = list[PictureSet](), GIVEN.tuning.source
    assert isinstance(source, ArraySource)

    class Curious(Planted):
        def phases(self, _config: object, context: Context) -> Phases:
            shown.append(context.task.tuning)
            yield from super().phases(_config, context)

    source.read_rows.clear()
    run(Auto(), [Curious("curious", ORIGINAL)])
    judged = set(source.read_rows)
    assert judged and len(shown[0]) and not judged & set(shown[0].rows.tolist())
    assert len(judged) + len(shown[0]) == len(GIVEN.tuning)
    people = (GIVEN.tuning.subjects, GIVEN.tuning.rows.tolist())
    owner = dict(zip(people[1], people[0] if people[0] is not None else [], strict=True))
    assert not {owner[row] for row in judged} & {owner[row] for row in shown[0].rows.tolist()}


def test_halves_are_of_pictures_where_people_are_not_known() -> None:
    some = pictures(8)
    for given in (replace(some, subjects=None), replace(some, subjects=np.array(["one"] * 8))):
        one, other = halves(given, 3)
        assert (len(one), len(other)) == (4, 4) and {*one.ids, *other.ids} == {*some.ids}
    single = some.subset([2])
    assert halves(single, 3) == (single, single)


def test_where_nothing_is_good_enough_retraining_is_recommended() -> None:
    outcome, desk = run(Auto(), [Planted("idle", ORIGINAL), Planted("ruined", RUINED)]), Silent()
    assert not outcome.choices[0].enough
    tell_choices(outcome, desk)
    assert len(desk.warnings) == 1 and "retrain instead" in desk.warnings[0]


def test_candidates_that_do_not_fit_the_budget_are_left_out() -> None:
    offered = [Planted("dear", RETRAINED, epochs=20), Planted("cheap", ORIGINAL, epochs=1)]
    (choice,) = run(Auto(budget=0.1), offered).choices
    assert set(choice.measured) == {"cheap"}
    with pytest.raises(MethodError, match=r"auto\.budget: expected at least"):
        run(Auto(budget=0.01), offered)


def test_the_budget_is_spent_in_order() -> None:
    sizes = Sizes(retain=90, forget=10, tuning=0, recipe=replace(RECIPE, epochs=9))  # 10 epochs of the retain set
    offered = [Planted(str(epochs), ORIGINAL, epochs=epochs) for epochs in (4, 7, 5, 2)]
    blind = Auto(budget=1.0, probe_size=0)  # looks at forget pictures only: one in 27 epochs each
    assert [c.name for c in affordable(replace(blind, budget=0.9 + 0.1), sizes, offered)] == ["4", "5"]


def test_looks_are_paid_from_the_budget() -> None:
    sizes = Sizes(retain=90, forget=10, tuning=20, recipe=replace(RECIPE, epochs=9))
    offered = [Planted(str(epochs), ORIGINAL, epochs=epochs) for epochs in (4, 5)]
    whole = 3 * 90  # forward passes of an epoch
    looks = 3 * (10 + 90) + 2 * 10  # at half of tuning and all of retain, twice at forget
    enough = (4 + 5 + looks / whole) / 10
    assert [c.name for c in affordable(Auto(budget=enough + 1e-9), sizes, offered)] == ["4", "5"]
    assert [c.name for c in affordable(Auto(budget=enough - 1e-3), sizes, offered)] == ["4"]
    spent = cost(Auto(budget=enough), sizes, candidates=offered).epochs(90)
    assert spent == pytest.approx(10 * enough)


@dataclass(frozen=True)
class Diverging(Planted):
    """A candidate whose loss is soon not a number."""

    def phases(self, _config: object, context: Context) -> Phases:
        def loss(model: nn.Module, batch: Batch) -> Tensor:
            return classification("train")(model, batch) * (float("nan") if batch.step else 1.0)

        result = yield replace(training_phase(replace(RECIPE, epochs=1), context.task.retain), loss=loss)
        assert result.steps > 1
        yield Compute("look", lambda model: {"answers": predict(model, context.task.retain).logits})


@dataclass(frozen=True)
class Refusing(Planted):
    """A candidate that needs what cannot be had."""

    def phases(self, _config: object, context: Context) -> Phases:
        yield Compute("nothing", lambda _: {})
        raise Unavailable("no fresh network can be had")


@dataclass(frozen=True)
class Broken(Planted):
    """A candidate whose weights are not finite, without a word."""

    def phases(self, _config: object, context: Context) -> Phases:
        def spoil(model: PixelClassifier) -> None:
            next(model.parameters()).fill_(float("nan"))

        yield Edit("break", spoil)


def test_a_candidate_that_fails_is_left_behind_and_the_others_go_on() -> None:
    failing = [Diverging("diverging", ORIGINAL), Refusing("refusing", ORIGINAL), Broken("broken", ORIGINAL)]
    for offered in ([*failing, Planted("retrained", RETRAINED)], [Planted("retrained", RETRAINED), *failing]):
        model, outcome = erased(Auto(budget=10), offered)
        (choice,) = outcome.choices
        assert choice.selected == "retrained" and choice.enough
        assert not differs(copy_weights(model), copy_weights(RETRAINED))
        assert choice.measured["broken"]["score"] == -np.inf and "refusing" not in choice.measured
        desk = Heard()
        tell_choices(outcome, desk)
        for name, why in (("diverging", "finite"), ("refusing", "no fresh network"), ("broken", "no longer finite")):
            assert any(name in text and "failed" in text and why in text for text in desk.said), (name, desk.said)


@dataclass(frozen=True)
class Probing(Planted):
    """A candidate that looks at what it has ruined."""

    def phases(self, _config: object, context: Context) -> Phases:
        def spoil(model: PixelClassifier) -> None:
            next(model.parameters()).fill_(float("nan"))

        def look(model: PixelClassifier) -> dict[str, float]:
            return {"answers": float(predict(model, context.task.tuning).logits.mean())}

        yield Edit("spoil", spoil)
        yield replace(training_phase(replace(RECIPE, epochs=1), context.task.retain), probe=Probe(2, look))
        raise AssertionError("it went on")


def test_a_failing_probe_ends_its_candidate() -> None:
    outcome = run(Auto(), [Probing("probing", ORIGINAL), Planted("retrained", RETRAINED)])
    assert set(outcome.choices[0].measured) == {"retrained"}
    (record,) = (record for record in outcome.records if record.kind == "Train")
    assert (record.steps, record.reason) == (0, "stopped")


def test_where_all_candidates_fail_so_does_the_method() -> None:
    for failing in (Diverging("diverging", ORIGINAL), Broken("broken", ORIGINAL)):
        with pytest.raises(MethodError, match=f"failures of all: {failing.name}"):
            run(Auto(), [failing])


def test_a_failure_alone_fails_a_method_outside_of_auto() -> None:
    context = Context(GIVEN.steering, lambda: ORIGINAL, remembering, RECIPE, 1)
    with pytest.raises(MethodError, match="finite loss"):
        run_phases(remembering(1), Diverging("diverging", ORIGINAL).phases(None, context), settings=SETTINGS)


class Heard(Silent):
    """Keeps what is said, too."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_candidates_left_out_are_named() -> None:
    desk = Heard()
    offered = [Planted("dear", RETRAINED, epochs=20), Planted("cheap", ORIGINAL, epochs=1)]
    tell_choices(run(Auto(budget=0.1), offered), desk)
    assert [text for text in desk.said if "left out" in text and text.startswith("dear") and "budget" in text]
    assert not any("left out" in text and "cheap" in text for text in desk.said)


@pytest.mark.parametrize("count", [1, 4])  # pictures of one person
def test_a_small_forget_set_is_not_sent_to_retraining_but_said_to_tell_little(count: int) -> None:
    for start in range(0, 40, 4):
        small = replace(GIVEN, forget=GIVEN.forget.subset(list(range(start, start + count))))
        outcome = erased(Auto(), [Planted("ruined", RUINED), Planted("retrained", RETRAINED)], given=small)[1]
        desk = Heard()
        tell_choices(outcome, desk)
        assert outcome.choices[0].selected == "retrained" and desk.warnings == []
        assert any("forget set is small" in text for text in desk.said)


def test_without_a_recipe_no_share_of_the_training_is_known() -> None:
    with pytest.raises(Unavailable, match="no recipe"):
        run(Auto(), [Planted("idle", ORIGINAL)], recipe=None)


def answers(hits: Sequence[float], labels: Sequence[int]) -> Answers:
    right = np.array(hits, dtype=float)
    return Answers(1 - right, right, np.array(labels)[:, None], None)


def test_what_is_expected_of_forget_pictures_follows_their_labels() -> None:
    tuning = answers([1, 1, 0, 0], [0, 0, 1, 1])
    easy, hard = answers([1, 1], [0, 0]), answers([1, 1], [1, 1])
    nothing_gone = np.zeros(2, bool)
    assert retraining_gaps(easy, tuning, nothing_gone)["forget"] == 0
    assert retraining_gaps(hard, tuning, nothing_gone)["forget"] == 1
    assert retraining_gaps(easy, tuning, ~nothing_gone)["forget"] == 1  # nobody knows a class that is gone


def always(classes: tuple[int, int], given: ErasureTask) -> PixelClassifier:
    """A model that gives every picture these classes."""
    linear = nn.Linear(192, given.retain.spec.logits)
    nn.init.zeros_(linear.weight)
    with torch.no_grad():
        linear.bias.copy_(torch.cat([4 * torch.eye(3)[classes[0]], 4 * torch.eye(2)[classes[1]]]))
    return PixelClassifier(nn.Sequential(nn.Flatten(), linear), Preprocessing((8, 8)), given.retain.spec)


def test_of_two_attributes_only_the_one_whose_class_is_gone_must_not_be_answered() -> None:
    """Nobody who stays has class 2 of the first attribute; a retrained model still knows the second one."""
    given = small_task(classes=(3, 2))
    known = torch.nonzero(given.retain.labels[:, 0] != 2).flatten()
    erased_class = torch.nonzero(given.forget.labels[:, 0] == 2).flatten()
    assert len(erased_class) and (given.tuning.labels[:, 0] == 2).any()
    retain, forget = given.retain.subset(known), given.forget.subset(erased_class)
    forget = replace(forget, labels=torch.tensor([[2, 0]]).expand(len(forget), 2))
    task = replace(given.steering, retain=retain, forget=forget)
    look = Look(task, retain, 0)
    measure = look.nearness({"retain": 0.0, "tuning": 0.0}, 0.03)
    retrained, remembers = (measure(always(answer, given))["forget gap"] for answer in ((0, 0), (2, 0)))
    assert retrained == pytest.approx(0) and remembers == pytest.approx(0.5)
