"""Statistics of shadows equal a direct computation, and no shadow is trained twice or used for another study."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from expunge.audits.halves import half, joined
from expunge.audits.shadowcache import Shadow, ShadowCache
from expunge.audits.shadows import Make, ShadowPlan, Training, collect
from expunge.errors import DataError, ModelError, Unavailable
from expunge.functional.attacks import signals
from expunge.models.classifier import PixelClassifier
from expunge.types import PictureSet, SteeringTask
from tests.audits.shadowing import (
    EVERYBODY,
    FORGET,
    NEVER,
    PLAN,
    REPORTING,
    RETAIN,
    TOLD,
    TRAINED,
    TUNING,
    UNLEARNING,
    Descent,
    ascend,
)
from tests.helpers import net

PATH = Path(__file__)
UNLEARNED = replace(NEVER, unlearning=UNLEARNING)


def logits(model: torch.nn.Module) -> np.ndarray[Any, np.dtype[Any]]:
    """What a model answers to everybody, without any of the code under test."""
    with torch.no_grad():
        found: np.ndarray[Any, np.dtype[Any]] = model(EVERYBODY.pixels(torch.arange(64)).float() / 255).numpy()
    return found


def test_statistics_equal_a_direct_computation(tmp_path: Path) -> None:
    shadows = collect(PLAN, 2, ShadowCache(tmp_path))
    assert shadows.scaled.shape == (2, 64, 2) and shadows.scaled.dtype == np.float32
    for index in range(2):
        mask = half(EVERYBODY, index, seed=3)
        model = Descent()(EVERYBODY.subset(torch.from_numpy(mask)), PLAN.seed_of(index))
        assert (shadows.inside[index] == mask).all()
        for name in ("scaled_confidence", "loss", "confidence"):
            expected = getattr(signals, name)(logits(model), EVERYBODY.labels.numpy(), sizes=(3, 2))
            np.testing.assert_allclose(getattr(shadows, name)[index], expected, rtol=2e-5, atol=1e-6)


def test_extreme_answers_keep_their_digits(tmp_path: Path) -> None:
    def sure(subset: PictureSet, seed: int) -> torch.nn.Module:
        model = net(subset.spec, seed=seed)
        with torch.no_grad():
            model.head.weight.mul_(1e6)  # type: ignore[operator]
        return model.eval()

    shadows = collect(replace(PLAN, training=Training(sure, TOLD)), 1, ShadowCache(tmp_path))
    assert abs(shadows.scaled).max() > 1e4
    assert np.isfinite(shadows.loss).all() and shadows.loss.max() > 1e3 and shadows.confidence.min() == 0


def test_unlearned_shadows_saw_the_forget_set_and_lost_it_again(tmp_path: Path) -> None:
    shadows = collect(UNLEARNED, 2, ShadowCache(tmp_path))
    for index in range(2):
        retain = RETAIN.subset(torch.from_numpy(half(RETAIN, index, seed=3)))
        seed = UNLEARNED.seed_of(index)
        model = Descent()(joined([retain, FORGET]), seed)
        before = copy.deepcopy(model)
        after = ascend(model, SteeringTask(retain, FORGET, TUNING), seed)
        expected = signals.scaled_confidence(logits(after), EVERYBODY.labels.numpy(), sizes=(3, 2))
        np.testing.assert_allclose(shadows.scaled_confidence[index], expected, rtol=2e-5, atol=1e-6)
        assert not np.allclose(logits(before), logits(after))
        assert shadows.inside[index, :8].all() and not shadows.inside[index, 48:].any()


def test_never_seen_shadows_are_the_same_plan_without_unlearning(tmp_path: Path) -> None:
    never, unlearned = (collect(plan, 2, ShadowCache(tmp_path)) for plan in (NEVER, UNLEARNED))
    assert not never.inside[:, :8].any()
    assert (never.inside[:, 8:] == unlearned.inside[:, 8:]).all()
    assert NEVER.seed_of(0) != UNLEARNED.seed_of(0)


def test_all_of_the_population_with_another_seed_each(tmp_path: Path) -> None:
    shadows = collect(replace(NEVER, share="all"), 2, ShadowCache(tmp_path))
    assert (shadows.inside == np.isin(EVERYBODY.ids, RETAIN.ids)).all()
    assert not np.allclose(shadows.scaled[0], shadows.scaled[1])


def test_a_forget_set_within_the_population_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="common pictures"):
        collect(replace(PLAN, share="all", unlearning=UNLEARNING), 1, ShadowCache(tmp_path))


def test_four_and_four_more_equal_eight_at_once(tmp_path: Path) -> None:
    cache = ShadowCache(tmp_path / "by fours")
    collect(PLAN, 4, cache)
    TRAINED.clear()
    more = collect(PLAN, 8, cache)
    assert [PLAN.seed_of(index) for index in range(4, 8)] == TRAINED
    whole = collect(PLAN, 8, ShadowCache(tmp_path / "at once"))
    assert (more.scaled == whole.scaled).all() and (more.inside == whole.inside).all()
    again = collect(PLAN, 8, cache, run=nobody)
    assert (again.scaled == whole.scaled).all() and (again.ids == EVERYBODY.ids).all()


def nobody(make: Make, indices: Sequence[int]) -> Iterable[tuple[int, Shadow]]:
    """A run in which nothing may be missing."""
    assert not indices
    return ()


CHANGES: dict[str, Callable[[], ShadowPlan]] = {
    "recipe": lambda: replace(PLAN, training=Training(Descent(), {**TOLD, "recipe": {"lr": 0.1}})),
    "architecture": lambda: replace(PLAN, training=Training(Descent(), {**TOLD, "architecture": "other"})),
    "code version": lambda: replace(PLAN, training=Training(Descent(), {**TOLD, "expunge": "2"})),
    "population": lambda: replace(PLAN, population=EVERYBODY.subset(torch.arange(60))),
    "labels": lambda: replace(PLAN, population=replace(EVERYBODY, labels=EVERYBODY.labels.flip(0))),
    "watched": lambda: replace(PLAN, watched=REPORTING),
    "seed": lambda: replace(PLAN, seed=4),
    "share": lambda: replace(PLAN, share="all"),
}
UNDOING: dict[str, Callable[[], ShadowPlan]] = {
    "unlearned or not": lambda: replace(UNLEARNED, unlearning=None),
    "method": lambda: replace(UNLEARNED, unlearning=replace(UNLEARNING, told={**UNLEARNING.told, "method": "other"})),
    "settings": lambda: replace(UNLEARNED, unlearning=replace(UNLEARNING, told={"method": "ascent", "settings": {}})),
    "forget": lambda: replace(UNLEARNED, unlearning=replace(UNLEARNING, forget=FORGET.subset(torch.arange(4)))),
    "tuning": lambda: replace(UNLEARNED, unlearning=replace(UNLEARNING, tuning=REPORTING)),
}


@pytest.mark.parametrize(
    ("plan", "change"),
    [(PLAN, change) for change in CHANGES.values()] + [(UNLEARNED, change) for change in UNDOING.values()],
    ids=[*CHANGES, *UNDOING],
)
def test_a_changed_ingredient_is_never_reused(
    tmp_path: Path, plan: ShadowPlan, change: Callable[[], ShadowPlan]
) -> None:
    cache = ShadowCache(tmp_path)
    cache.write(plan.ingredients(0), Shadow(np.zeros((64, 2)), np.zeros(64, bool), 32, 1.0))
    assert cache.has(plan.ingredients(0)) and cache.has(replace(plan).ingredients(0))
    assert not cache.has(plan.ingredients(1)) and not cache.has(change().ingredients(0))


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A cache of one shadow."""
    collect(PLAN, 1, ShadowCache(tmp_path), weights=True)
    return tmp_path


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def poison_statistics(place: Path) -> None:
    path = next(place.glob("*.npz"))
    with np.load(path) as found:
        content = dict(found)
    content["scaled"] += 1
    np.savez(path, **content)


POISONS: dict[str, Callable[[Path], object]] = {
    "changed recipe": lambda p: edit(
        next(p.glob("*.json")), lambda told: told["ingredients"]["training"]["recipe"].update(lr=0.1)
    ),
    "changed seed": lambda p: edit(next(p.glob("*.json")), lambda told: told["ingredients"].update(seed=9)),
    "no ingredients": lambda p: edit(next(p.glob("*.json")), lambda told: told.pop("ingredients")),
    "not an object": lambda p: next(p.glob("*.json")).write_text("[]"),
    "truncated json": lambda p: next(p.glob("*.json")).write_text("{"),
    "truncated statistics": lambda p: os.truncate(next(p.glob("*.npz")), 100),
    "no statistics": lambda p: next(p.glob("*.npz")).unlink(),
    "other statistics": poison_statistics,
}


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS)
def test_a_poisoned_cache_is_caught(finished: Path, poison: Callable[[Path], object]) -> None:
    poison(finished)
    with pytest.raises(DataError, match="delete the files of that name"):
        collect(PLAN, 1, ShadowCache(finished))


def test_a_shadow_of_another_study_under_this_name_is_caught(finished: Path) -> None:
    other = replace(PLAN, seed=4)
    cache = ShadowCache(finished)
    collect(other, 1, cache)
    ours, theirs = (cache.path(plan.ingredients(0), "json") for plan in (PLAN, other))
    ours.write_bytes(theirs.read_bytes())
    with pytest.raises(DataError, match="changed afterwards"):
        collect(PLAN, 1, cache)


def test_weights_are_kept_only_where_wanted(finished: Path, tmp_path: Path) -> None:
    cache = ShadowCache(finished)
    weights = cache.weights(PLAN.ingredients(0))
    model = net(EVERYBODY.spec)
    model.net.load_state_dict(weights)
    expected = signals.scaled_confidence(logits(model.eval()), EVERYBODY.labels.numpy(), sizes=(3, 2))
    np.testing.assert_allclose(collect(PLAN, 1, cache).scaled_confidence[0], expected, rtol=2e-5, atol=1e-6)
    without = ShadowCache(tmp_path / "without")
    collect(PLAN, 1, without)
    assert not list(without.place.glob("*.safetensors")) and len(list(without.place.iterdir())) == 2
    TRAINED.clear()
    collect(PLAN, 1, without, weights=True)
    assert len(TRAINED) == 1 and len(list(without.place.glob("*.safetensors"))) == 1


def test_changed_weights_are_refused(finished: Path) -> None:
    path = next(finished.glob("*.safetensors"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged or changed"):
        ShadowCache(finished).weights(PLAN.ingredients(0))


def test_what_failed_is_said_and_the_others_are_kept(tmp_path: Path) -> None:
    def some(make: Make, indices: Sequence[int]) -> Iterable[tuple[int, Shadow]]:
        return ((index, make(index)) for index in indices if index != 1)

    cache = ShadowCache(tmp_path)
    with pytest.raises(Unavailable, match=r"1 of 3 could not be made \(number 1\)"):
        collect(PLAN, 3, cache, run=some)
    TRAINED.clear()
    collect(PLAN, 3, cache)
    assert [PLAN.seed_of(1)] == TRAINED


def test_a_training_that_gives_no_classifier_is_refused(tmp_path: Path) -> None:
    plan = replace(PLAN, training=Training(lambda subset, seed: torch.nn.Linear(2, 2), TOLD))
    with pytest.raises(ModelError, match="expected a PixelClassifier from its training, came Linear"):
        collect(plan, 1, ShadowCache(tmp_path))


def test_seeds_fit_into_generators_of_32_bits() -> None:
    seeds = [plan.seed_of(index) for plan in (PLAN, UNLEARNED) for index in range(50)]
    assert len(set(seeds)) == 100 and all(0 <= seed < 2**31 for seed in seeds)


def test_the_model_is_only_looked_at(tmp_path: Path) -> None:
    made: list[PixelClassifier] = []

    def training_mode(subset: PictureSet, seed: int) -> torch.nn.Module:
        made.append(net(subset.spec, seed=seed).train())
        return made[0]

    collect(replace(PLAN, training=Training(training_mode, TOLD)), 1, ShadowCache(tmp_path))
    assert made[0].training and all(
        torch.equal(value, expected)
        for value, expected in zip(
            made[0].state_dict().values(),
            net(EVERYBODY.spec, seed=PLAN.seed_of(0)).state_dict().values(),
            strict=True,
        )
    )


SCRIPT = """
import sys
from pathlib import Path
import torch
from expunge.audits.shadowcache import ShadowCache
from expunge.audits.shadows import collect
from tests.audits.shadowing import PLAN, TRAINED

torch.set_num_threads(1)
collect(PLAN, 200, ShadowCache(Path(sys.argv[1])))
"""


def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path / "killed")], cwd=PATH.parents[2])
    end = time.monotonic() + 120
    while len(list((tmp_path / "killed").glob("*.json"))) < 3 and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.005)
    process.kill()
    process.wait()
    cache = ShadowCache(tmp_path / "killed")
    done = [index for index in range(200) if cache.has(PLAN.ingredients(index))]
    assert 3 <= len(done) < 200
    TRAINED.clear()
    count = len(done) + 2
    resumed = collect(PLAN, count, cache)
    assert [PLAN.seed_of(index) for index in range(count) if index not in done] == TRAINED
    whole = collect(PLAN, count, ShadowCache(tmp_path / "whole"))
    assert (resumed.scaled == whole.scaled).all() and (resumed.inside == whole.inside).all()
