"""Lost skill is warned of where it may be more than can be overlooked; so are guesses that a method made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from expunge.app.desk import Silent
from expunge.app.line import Erasure, run_line, unlearn
from expunge.app.references import Retraining
from expunge.app.skill import FEW_TUNING, Skill, skill, skill_warning, tuning_warning
from expunge.audits.observe import Seen
from expunge.data.requests import Resolution
from expunge.engine.events import Events
from expunge.engine.settings import EngineSettings, decide
from expunge.methods.registry import METHODS
from expunge.models.load import wrap_module
from expunge.types import ErasureTask, PictureSet, TrainRecipe
from tests.helpers import net, pictures, task

SETTINGS = decide(EngineSettings(seed=1, precision="fp32", channels_last="off", threads=1))


def seen(hits: Any, *, people: int | None = None, labels: Any = None) -> Seen:
    """Answers of which so many are right."""
    right = np.asarray(hits, dtype=float)
    n, none = len(right), np.zeros((len(right), 0))
    owners = None if people is None else np.array([f"s{i % people}" for i in range(n)])
    classes = np.zeros((n, 1), int) if labels is None else np.asarray(labels)[:, None]
    spec = pictures(1).spec
    return Seen(np.arange(n).astype(str), owners, classes, none, right, right, right, None, spec)


def retained(*labels: int) -> PictureSet:
    given = pictures(len(labels))
    return replace(given, labels=torch.tensor(labels)[:, None])


def right(n: int, share: float) -> np.ndarray:
    return (np.arange(n) < share * n).astype(float)


def test_the_bound_of_a_loss_is_that_of_a_paired_share() -> None:
    found = skill(seen(right(1000, 0.8)), seen(right(1000, 0.75)), retained(0), seed=0)
    assert found is not None and (found.before, found.after, found.people) == (0.8, 0.75, None)
    assert found.loss == pytest.approx(0.05)
    # paired: only the 50 pictures that changed count, not the 450 that were wrong on either side
    assert found.bound == pytest.approx(0.05 + 1.645 * np.sqrt(0.05 * 0.95 / 1000), abs=0.002)


def test_people_are_resampled_and_not_their_pictures() -> None:
    before, after = np.ones(400), 1 - (np.arange(400) % 10 == 0).astype(float)  # one person in ten lost everything
    alone, together = (
        skill(seen(before, people=people), seen(after, people=people), retained(0), seed=0) for people in (None, 10)
    )
    assert alone is not None and together is not None and together.people == 10
    assert together.bound > alone.bound + 0.05
    one = skill(seen(before, people=1), seen(after, people=1), retained(0), seed=0)
    assert one is not None and one.people is None and one.bound == alone.bound


def test_classes_that_nobody_has_any_more_are_not_lost_skill() -> None:
    labels = [0] * 50 + [2] * 50
    before, after = seen(np.ones(100), labels=labels), seen(right(100, 0.5), labels=labels)
    kept, all_kept = (skill(before, after, retained(*classes), seed=0) for classes in ((0, 1), (0, 2)))
    assert kept is not None and (kept.loss, kept.pictures) == (0, 50)
    assert all_kept is not None and all_kept.loss == 0.5
    assert skill(before, after, retained(1), seed=0) is None


def test_no_changed_answer_of_few_pictures_is_no_proof() -> None:
    few, many = (skill(seen(np.ones(n)), seen(np.ones(n)), retained(0), seed=0) for n in (20, 1000))
    assert few is not None and few.bound == pytest.approx(1 - 0.05 ** (1 / 20))
    assert many is not None and not skill_warning(many, "dlfd")
    assert "tuning pictures are few" in skill_warning(few, "dlfd")


def test_what_is_said_of_a_loss() -> None:
    lost = skill_warning(Skill(0.72, 0.61, 0.14, 300, 30), "dlfd")
    for part in ("300 tuning pictures of 30 people", "0.720", "0.610", "0.110", "0.140", "lost skill", "--method auto"):
        assert part in lost
    wide = skill_warning(Skill(0.72, 0.70, 0.09, 40, None), "dlfd")
    assert "40 tuning pictures:" in wide and "few" in wide and "lost skill" not in wide
    assert skill_warning(Skill(0.72, 0.71, 0.029, 900, 90), "dlfd") == ""
    assert skill_warning(Skill(0.72, 0.80, -0.02, 900, 90), "dlfd") == ""
    assert "--method auto" not in skill_warning(Skill(0.7, 0.5, 0.3, 300, 30), "auto")
    assert "--method" not in skill_warning(Skill(0.7, 0.5, 0.3, 300, 30), "retrain")


def erasure(given: ErasureTask, method: str, recipe: TrainRecipe | None, **settings: Any) -> Erasure:
    made = net(given.retain.spec)
    artefact = wrap_module(made.net, given.retain.spec, made.preprocessing)
    chosen = METHODS[method]
    return Erasure(
        resolution=Resolution(given, None),  # type: ignore[arg-type]  # what a request found is for reports
        artefact=artefact,
        method=chosen,
        config=replace(chosen.config, **settings),
        retraining=Retraining(artefact, given.retain, recipe, None, SETTINGS),
        references=(),
        train=0,
        settings=SETTINGS,
        key="",
    )


def warned(given: Erasure) -> list[str]:
    desk = Silent()
    unlearn(given, None, Events(None), desk)
    return desk.warnings


def test_a_recipe_that_nobody_gave_is_warned_of_where_it_was_read() -> None:
    (text,) = warned(erasure(task(), "dlfd", None))
    assert "nobody said how the original was trained" in text and "0.1" in text and "--lr" in text
    assert warned(erasure(task(), "dlfd", TrainRecipe(epochs=2))) == []
    assert warned(erasure(task(), "finetune", None)) == []


def test_hardly_any_tuning_pictures_are_warned_of_where_they_are_read() -> None:
    few = replace(task(), tuning=pictures(FEW_TUNING - 1, seed=3))
    recipe = TrainRecipe(epochs=2)
    (text,) = warned(erasure(few, "dlfd", recipe))
    assert f"has {FEW_TUNING - 1} of them" in text
    assert warned(erasure(few, "finetune", recipe)) == []
    assert tuning_warning(METHODS["dlfd"], METHODS["dlfd"].config, task().steering, recipe) == ""
    reading = {name for name, m in METHODS.items() if tuning_warning(m, m.config, few.steering, TrainRecipe())}
    assert reading == {"scrub:rewind", "dlfd", "dlfd:perturb", "dlfd:paper", "dlfd:published", "auto"}


def test_reporting_pictures_have_no_say() -> None:
    given = task()
    other = replace(given, reporting=pictures(24, seed=9))
    first, second = (run_line(erasure(one, "neggrad", None), run=None, desk=Silent()) for one in (given, other))
    assert first.skill == second.skill and first.skill is not None and first.warnings == second.warnings
    assert not np.array_equal(first.after["reporting"].losses, second.after["reporting"].losses)
