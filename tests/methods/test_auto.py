"""`auto` keeps what comes closest to retraining, says why, keeps to its budget, warns where nothing is good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from expunge.app.desk import Silent
from expunge.app.line import tell_choices
from expunge.engine.loop import differs, run_phases
from expunge.engine.outcome import Outcome
from expunge.engine.settings import EngineSettings
from expunge.engine.training import copy_weights
from expunge.errors import MethodError, Unavailable
from expunge.functional.forgetting import Answers, gap_errors, retraining_gaps
from expunge.methods.auto import Auto, affordable, auto, halves
from expunge.methods.cost import Passes, Sizes
from expunge.methods.phases import Context, Edit, Phases, training_phase
from expunge.models.classifier import PixelClassifier, Preprocessing
from expunge.types import ErasureTask, Optimizer, PictureSet, TrainRecipe
from tests.helpers import ArraySource, pictures

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
    config: Auto, candidates: Sequence[Planted], recipe: TrainRecipe | None = RECIPE
) -> tuple[PixelClassifier, Outcome]:
    model = remembering(1)
    model.load_state_dict(ORIGINAL.state_dict())
    context = Context(GIVEN.steering, lambda: ORIGINAL, remembering, recipe, 1)
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
    sizes = Sizes(retain=90, forget=10, tuning=10, recipe=replace(RECIPE, epochs=9))  # 10 epochs of the retain set
    offered = [Planted(str(epochs), ORIGINAL, epochs=epochs) for epochs in (4, 7, 5, 2)]
    assert [c.name for c in affordable(Auto(budget=1.0), sizes, offered)] == ["4", "5"]


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


def test_the_error_of_a_gap_is_that_of_the_mean_and_counts_people_not_pictures() -> None:
    rng = np.random.default_rng(0)
    people, hits = np.repeat(np.arange(50), 8), np.repeat(rng.integers(2, size=50), 8)
    one = replace(answers(hits, [0] * 400), subjects=people)
    alone = replace(one, subjects=None)
    by_people, by_pictures = (
        gap_errors(side, alone, np.zeros(400, bool), seed=0, draws=400)["forget"] for side in (one, alone)
    )
    binomial = np.sqrt(hits.mean() * (1 - hits.mean()))
    assert by_people == pytest.approx(np.hypot(binomial / np.sqrt(50), binomial / np.sqrt(400)), rel=0.15)
    assert by_pictures == pytest.approx(binomial * np.sqrt(2 / 400), rel=0.15)
